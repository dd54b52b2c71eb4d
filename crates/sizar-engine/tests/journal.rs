//! The journal: what is written stays, old ones open, new ones are left alone.

#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

mod run_world;

use camino::Utf8PathBuf;
use fs_err as fs;
use run_world::World;
use sizar_engine::home::Home;
use sizar_engine::queue::Watcher;
use sizar_engine::store::{Claim, Filter, Journal, StoreError};
use sizar_model::{
    Artifact, Digest, Ending, EventKind, Receipt, Resources, RunId, RunState, Usage,
};

fn receipt(ending: Ending) -> Receipt {
    Receipt {
        version: 1,
        attempt: 1,
        ending,
        started: "2026-01-02T03:04:05Z".parse().unwrap(),
        ended: "2026-01-02T03:04:06.5Z".parse().unwrap(),
        node: "machine".to_owned(),
        usage: Usage {
            wall_seconds: 1.5,
            cpu_seconds: 1.25,
            peak_memory: 1 << 20,
            ..Usage::default()
        },
        sandbox: "bubblewrap".to_owned(),
        notes: vec!["a note".to_owned()],
        results: vec![Artifact {
            path: "out/beats.txt".to_owned(),
            size: 5,
            blake3: Digest::of(b"beats"),
        }],
    }
}

fn claim() -> Claim {
    Claim {
        watcher: Watcher { pid: 1, started: 2 },
        node: "machine".to_owned(),
        gpus: 2,
        generation: None,
    }
}

fn prepared(world: &World) -> sizar_engine::store::NewRun {
    world.write("a.py", "");
    world.prepared(world.job("a.py", &["--epochs", "3"]))
}

#[test]
fn a_run_is_what_its_events_add_up_to() {
    let world = World::new();
    let mut journal = world.journal();
    let run = journal.create(&prepared(&world)).unwrap();
    assert_eq!(journal.state(&run).unwrap(), RunState::Queued);
    assert_eq!(journal.claim(&run, &claim()).unwrap().attempt, 1);
    let ended = EventKind::Ended { receipt: receipt(Ending::Exited { code: 3 }) };
    assert_eq!(journal.append(&run, &ended).unwrap(), RunState::Failed);

    let shown = journal.get(&run.as_str()[..5]).unwrap();
    assert_eq!((shown.state, shown.exit_code, shown.attempts), (RunState::Failed, Some(3), 1));
    assert_eq!(shown.results[0].path, "out/beats.txt");
    assert_eq!(shown.usage.unwrap().peak_memory, 1 << 20);
    assert_eq!(shown.environment.as_deref(), Some("env"));
    assert_eq!(shown.job.args, ["--epochs", "3"]);
    let names: Vec<&str> =
        journal.events(&run).unwrap().iter().map(|event| event.kind.name()).collect();
    assert_eq!(names, ["created", "prepared", "queued", "started", "ended"]);

    // another attempt begins with nothing of the first
    journal.resume(&run).unwrap();
    let shown = journal.get(run.as_str()).unwrap();
    assert_eq!((shown.state, shown.exit_code, shown.ended), (RunState::Preparing, None, None));
    assert!(shown.results.is_empty() && shown.usage.is_none());
}

#[test]
fn an_event_that_cannot_happen_changes_nothing() {
    let world = World::new();
    let mut journal = world.journal();
    let run = journal.create(&prepared(&world)).unwrap();
    journal.append(&run, &EventKind::Cancelled).unwrap();
    let error = journal.claim(&run, &claim()).unwrap_err();
    assert!(matches!(error, StoreError::Illegal { .. }), "{error}");
    assert_eq!(journal.events(&run).unwrap().len(), 4);
    assert_eq!(journal.get(run.as_str()).unwrap().attempts, 0);
}

#[test]
fn one_attempt_is_given_to_one_process() {
    let world = World::new();
    let run = world.journal().create(&prepared(&world)).unwrap();
    let won: u32 = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| u32::from(world.journal().claim(&run, &claim()).is_ok())))
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
}

#[test]
fn a_runner_of_an_earlier_supervisor_starts_nothing() {
    let world = World::new();
    let mut journal = world.journal();
    let run = journal.create(&prepared(&world)).unwrap();
    let old = journal.next_generation().unwrap();
    let new = journal.next_generation().unwrap();
    let error = journal.claim(&run, &Claim { generation: Some(old), ..claim() }).unwrap_err();
    assert!(matches!(error, StoreError::Superseded { .. }), "{error}");
    journal.claim(&run, &Claim { generation: Some(new), ..claim() }).unwrap();
}

#[test]
fn gpus_are_given_to_one_run_at_a_time() {
    let world = World::new();
    world.write("a.py", "");
    let mut journal = world.journal();
    let mut job = world.job("a.py", &[]);
    job.resources = Resources { gpus: Some(1), ..Resources::default() };
    let new = world.prepared(job);
    let runs = journal.create_many(&vec![new; 3]).unwrap();
    assert_eq!(journal.claim(&runs[0], &claim()).unwrap().gpus, [0]);
    assert_eq!(journal.claim(&runs[1], &claim()).unwrap().gpus, [1]);
    let error = journal.claim(&runs[2], &claim()).unwrap_err();
    assert!(matches!(error, StoreError::NoFreeGpu { wanted: 1, free: 0, .. }), "{error}");
    let ended = EventKind::Ended { receipt: receipt(Ending::Exited { code: 0 }) };
    journal.append(&runs[0], &ended).unwrap();
    assert_eq!(journal.claim(&runs[2], &claim()).unwrap().gpus, [0]);
}

#[test]
fn runs_are_found_by_their_beginning() {
    let world = World::new();
    let mut journal = world.journal();
    let error = journal.find("abc").unwrap_err();
    assert!(matches!(error, StoreError::NoSuchRun { newest: None, .. }), "{error}");
    let runs = journal.create_many(&vec![prepared(&world); 40]).unwrap();
    // 40 ids begin with at most 32 letters
    let error = ('0'..='9')
        .chain('a'..='z')
        .find_map(|letter| match journal.find(&letter.to_string()) {
            Err(error @ StoreError::Ambiguous { .. }) => Some(error),
            _ => None,
        })
        .unwrap();
    assert!(error.to_string().contains(" or `"), "{error}");
    assert_eq!(journal.find(&runs[7].as_str().to_uppercase()).unwrap(), runs[7]);
    for text in ["", "é", "%", "zzzzzzzzz", "' OR 1=1 --"] {
        let error = journal.find(text).unwrap_err();
        assert!(error.hint().unwrap().contains(runs[39].as_str()), "{error}");
    }
}

#[test]
fn runs_are_listed_the_newest_first() {
    let world = World::new();
    let mut journal = world.journal();
    let runs = journal.create_many(&vec![prepared(&world); 5]).unwrap();
    journal.append(&runs[1], &EventKind::Cancelled).unwrap();
    let ids = |filter: &Filter| -> Vec<RunId> {
        journal.list(filter).unwrap().into_iter().map(|run| run.id).collect()
    };
    let all: Vec<RunId> = runs.iter().rev().cloned().collect();
    assert_eq!(ids(&Filter::default()), all);
    assert_eq!(ids(&Filter { limit: Some(2), ..Filter::default() }), all[..2]);
    let cancelled = Filter { states: vec![RunState::Cancelled], ..Filter::default() };
    assert_eq!(ids(&cancelled), [runs[1].clone()]);
}

#[test]
fn events_are_neither_changed_nor_removed() {
    let world = World::new();
    world.journal().create(&prepared(&world)).unwrap();
    let file = rusqlite::Connection::open(world.home.journal()).unwrap();
    assert!(file.execute("UPDATE events SET run = 'x'", []).is_err());
    assert!(file.execute("DELETE FROM events", []).is_err());
}

#[test]
fn a_journal_of_a_newer_sizar_is_left_alone() {
    let world = World::new();
    world.journal().create(&prepared(&world)).unwrap();
    let file = rusqlite::Connection::open(world.home.journal()).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let before = fs::read(world.home.journal()).unwrap();
    let writing = Journal::open(&world.home).unwrap_err();
    let reading = Journal::open_reading(&world.home).unwrap_err();
    for error in [writing, reading] {
        assert!(matches!(error, StoreError::Newer { found: 99, known: 2, .. }), "{error}");
        assert!(error.hint().unwrap().contains("update sizar"));
    }
    assert_eq!(fs::read(world.home.journal()).unwrap(), before);
}

#[test]
fn what_is_no_journal_is_named_and_left_alone() {
    let world = World::new();
    fs::create_dir_all(world.home.root()).unwrap();
    let path = world.home.journal();
    let garbage = "this is no database at all, but long enough to be one. ".repeat(50);
    fs::write(&path, &garbage).unwrap();
    for error in
        [Journal::open(&world.home).unwrap_err(), Journal::open_reading(&world.home).unwrap_err()]
    {
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(path.as_str()));
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), garbage);

    fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE cookies (a)").unwrap();
    drop(other);
    assert!(matches!(Journal::open(&world.home).unwrap_err(), StoreError::Foreign { .. }));
}

#[test]
fn a_damaged_page_is_an_error_that_names_the_file() {
    let world = World::new();
    let mut journal = world.journal();
    journal.create_many(&vec![prepared(&world); 300]).unwrap();
    drop(journal);
    let path = world.home.journal();
    let mut bytes = fs::read(&path).unwrap();
    // all but the first page, which holds the list of tables
    for byte in &mut bytes[4096..] {
        *byte ^= 0x5a;
    }
    fs::write(&path, bytes).unwrap();
    let error = Journal::open(&world.home)
        .and_then(|journal| journal.list(&Filter::default()))
        .unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(path.as_str()));
}

#[test]
fn nothing_is_made_by_reading() {
    let world = World::new();
    assert!(Journal::open_reading(&world.home).unwrap().is_none());
    assert!(!world.home.root().exists());
}

#[test]
fn a_journal_on_a_read_only_disk_is_read() {
    let world = World::new();
    world.journal().create(&prepared(&world)).unwrap();
    // what a read-only mount looks like without a mount, also for root: the files that SQLite
    // needs beside a journal in use cannot be made
    let copy = Utf8PathBuf::from(format!("{}/?read only#%41", world.root));
    fs::create_dir(&copy).unwrap();
    fs::copy(world.home.journal(), copy.join("journal.sqlite")).unwrap();
    fs::create_dir(copy.join("journal.sqlite-wal")).unwrap();
    fs::create_dir(copy.join("journal.sqlite-shm")).unwrap();
    let journal = Journal::open_reading(&Home::at(&copy)).unwrap().unwrap();
    assert_eq!(journal.list(&Filter::default()).unwrap().len(), 1);
}

#[test]
fn two_processes_may_begin_a_journal_at_once() {
    let world = World::new();
    let new = prepared(&world);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| world.journal().create(&new).unwrap());
        }
    });
    assert_eq!(world.journal().list(&Filter::default()).unwrap().len(), 8);
}

/// Where the journals that older versions wrote are kept.
fn fixture() -> Utf8PathBuf {
    Utf8PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/journals/schema-1.sqlite"
    ))
}

/// Writes the fixture anew; for the version that introduces a schema, and never again.
#[test]
#[ignore = "writes `fixtures/journals/schema-1.sqlite`"]
fn generate_the_journal_of_schema_1() {
    let world = World::new();
    let mut journal = world.journal();
    let new = prepared(&world);
    let runs = journal.create_many(&vec![new.clone(); 4]).unwrap();
    journal.claim(&runs[0], &claim()).unwrap();
    let ended = EventKind::Ended { receipt: receipt(Ending::Exited { code: 0 }) };
    journal.append(&runs[0], &ended).unwrap();
    journal.append(&runs[1], &EventKind::Cancelled).unwrap();
    journal.claim(&runs[2], &claim()).unwrap();
    journal.append(&runs[2], &EventKind::Lost { reason: "its process is gone".into() }).unwrap();
    drop(journal);
    let file = rusqlite::Connection::open(world.home.journal()).unwrap();
    file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA journal_mode = DELETE")
        .unwrap();
    fs::create_dir_all(fixture().parent().unwrap()).unwrap();
    fs::copy(world.home.journal(), fixture()).unwrap();
}

#[test]
fn a_journal_of_schema_1_is_read_and_goes_on() {
    let world = World::new();
    fs::create_dir_all(world.home.root()).unwrap();
    fs::copy(fixture(), world.home.journal()).unwrap();
    let mut journal = world.journal();
    let runs = journal.list(&Filter::default()).unwrap();
    let states: Vec<&str> = runs.iter().map(|run| run.state.name()).collect();
    assert_eq!(states, ["queued", "lost", "cancelled", "completed"]);
    let completed = journal.get(runs[3].id.as_str()).unwrap();
    assert_eq!(completed.command, ["a.py", "--epochs", "3"]);
    assert_eq!(completed.results[0].blake3, Digest::of(b"beats"));
    assert_eq!(
        completed.started.map(|_| completed.ended.unwrap().to_string()).unwrap(),
        "2026-01-02T03:04:06.5Z"
    );
    for run in &runs {
        assert!(!journal.events(&run.id).unwrap().is_empty());
        sizar_engine::run::RunPlan::from_json(&journal.plan(&run.id).unwrap().unwrap()).unwrap();
    }
    journal.claim(&runs[0].id, &claim()).unwrap();
    journal.create(&prepared(&world)).unwrap();
}
