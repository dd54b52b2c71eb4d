use camino::Utf8Path;
use sizar_model::{JobSpec, Parameters, Resources, Task};

use super::*;
use crate::home::Home;
use crate::store::{Filter, Prepared};

fn job(after: &[RunId], task: Option<Task>) -> JobSpec {
    JobSpec {
        folder: None,
        driver: "train.py".into(),
        args: Vec::new(),
        resources: Resources::default(),
        data: Vec::new(),
        origins: Vec::new(),
        network: false,
        sandbox: true,
        restart: 0,
        restart_args: Vec::new(),
        scratch: sizar_model::Scratch::No,
        env: Vec::new(),
        after: after.to_vec(),
        task,
    }
}

fn new(target: &str, job: JobSpec) -> NewRun {
    let prepared = Some(Prepared { environment: "e".into(), plan: "{}".into() });
    NewRun { source: "./code".into(), target: target.into(), job, request: None, prepared }
}

fn sweep(journal: &mut Journal, target: &str, tasks: u32, at_once: Option<u32>) -> SweepId {
    let wish = serde_json::json!({});
    let (target, source) = (target.to_owned(), "./code".to_owned());
    let made = NewSweep { target: target.clone(), source, tasks, at_once, wish };
    let id = journal.create_sweep(&made).unwrap();
    let task = |number| Task { sweep: id.clone(), number, parameters: Parameters::default() };
    let runs: Vec<NewRun> =
        (0..tasks).map(|number| new(&target, job(&[], Some(task(number))))).collect();
    journal.create_tasks(&id, &runs).unwrap();
    // a second process that prepared it too makes nothing
    journal.create_tasks(&id, &runs).unwrap();
    id
}

fn journal(test: impl FnOnce(&mut Journal)) {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    test(&mut Journal::open(&Home::at(folder.join("home"))).unwrap());
}

fn states(journal: &Journal, sweep: &SweepId) -> Vec<String> {
    journal.tasks(sweep).unwrap().iter().map(|task| task.state.to_string()).collect()
}

#[test]
fn parts_are_announced_once_and_taken_over_as_they_were() {
    journal(|journal| {
        let id = sweep(journal, "tours", 5, None);
        let first = journal.announce_part(&id, 3).unwrap().unwrap();
        assert_eq!(first.name, format!("sizar-{id}-1"));
        assert_eq!(first.tasks.iter().map(|task| task.number).collect::<Vec<_>>(), [0, 1, 2]);
        let second = journal.announce_part(&id, 3).unwrap().unwrap();
        assert_eq!(second.tasks.len(), 2);
        assert_eq!(journal.announce_part(&id, 3).unwrap(), None);
        // one is cancelled before its job is known: that job is not wanted
        let gone = first.tasks[1].run.clone();
        journal.append(&gone, &EventKind::Cancelled).unwrap();
        let over = journal.take_over_parts(&id).unwrap();
        assert_eq!(over.iter().map(|part| part.tasks.len()).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(over[0].tasks, first.tasks);
        let array: JobHandle = "7".parse().unwrap();
        let jobs: Vec<_> = (0..3).map(|index| Some(array.with_task(index))).collect();
        assert_eq!(journal.accept_part(&over[0], &jobs).unwrap(), [gone]);
        let tasks = journal.tasks(&id).unwrap();
        assert_eq!(tasks[2].job, Some(array.with_task(2)));
        assert_eq!(journal.take_over_parts(&id).unwrap().len(), 1);
        // what the scheduler has no job for waits again, and its attempt did not take place
        assert!(journal.accept_part(&over[1], &[None, None]).unwrap().is_empty());
        let again = journal.announce_part(&id, 9).unwrap().unwrap();
        assert_eq!(again.tasks.iter().map(|task| task.attempt).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(again.name, format!("sizar-{id}-3"));
        assert_eq!(states(journal, &id)[1], "cancelled");
    });
}

#[test]
fn tasks_that_ask_for_more_are_another_array() {
    journal(|journal| {
        let id = sweep(journal, "tours", 4, None);
        let part = journal.announce_part(&id, 9).unwrap().unwrap();
        assert_eq!(part.raised, None);
        let array: JobHandle = "7".parse().unwrap();
        let jobs: Vec<_> = (0..4).map(|index| Some(array.with_task(index))).collect();
        journal.accept_part(&part, &jobs).unwrap();
        let more = Resources { cpus: Some(3), ..Resources::default() };
        let mut events = Vec::new();
        for (number, PartTask { run, .. }) in part.tasks.iter().enumerate() {
            events.push((run.clone(), EventKind::Lost { reason: "x".into() }));
            events.push((run.clone(), EventKind::Resumed));
            if number % 2 == 1 {
                let (resources, words) = (Box::new(more.clone()), "w".into());
                events.push((run.clone(), EventKind::Raised { resources, words }));
            }
            events.push((run.clone(), EventKind::Queued));
        }
        assert!(journal.append_all(&events).unwrap().is_empty());
        let same = journal.announce_part(&id, 9).unwrap().unwrap();
        let raised = journal.announce_part(&id, 9).unwrap().unwrap();
        let numbers = |part: &Part| part.tasks.iter().map(|task| task.number).collect::<Vec<_>>();
        assert_eq!((numbers(&same), same.raised.clone()), (vec![0, 2], None));
        assert_eq!((numbers(&raised), raised.raised.clone()), (vec![1, 3], Some(more)));
        assert_eq!(journal.announce_part(&id, 9).unwrap(), None);
        // after a crash they are what they were
        let over = journal.take_over_parts(&id).unwrap();
        assert!(over.iter().any(|part| part.raised == raised.raised && part.tasks == raised.tasks));
        assert!(over.iter().any(|part| part.raised.is_none() && part.tasks == same.tasks));
    });
}

#[test]
fn a_cancelled_sweep_gives_no_further_attempts() {
    journal(|journal| {
        let id = sweep(journal, "tours", 1, None);
        journal.end_restarts(&id).unwrap();
        assert_eq!(journal.find_sweep(&id.to_string()).unwrap().wish, serde_json::json!({}));
        let made = NewSweep {
            target: "tours".into(),
            source: "./code".into(),
            tasks: 1,
            at_once: None,
            wish: serde_json::json!({"request": {"job": {"restart": 4, "driver": "a"}}}),
        };
        let id = journal.create_sweep(&made).unwrap();
        journal.end_restarts(&id).unwrap();
        let wish = journal.find_sweep(&id.to_string()).unwrap().wish;
        assert_eq!(wish, serde_json::json!({"request": {"job": {"restart": 0, "driver": "a"}}}));
    });
}

#[test]
fn a_throttled_sweep_and_a_run_after_others_wait() {
    journal(|journal| {
        let id = sweep(journal, "local", 3, Some(1));
        let waiting = journal.waiting(9).unwrap();
        assert_eq!(waiting.len(), 3);
        let first = waiting[0].run.clone();
        assert_eq!(waiting[0].throttle, Some((id.to_string(), 1)));
        let after = journal.create(&new("local", job(std::slice::from_ref(&first), None))).unwrap();
        let claim = crate::store::Claim {
            watcher: Watcher::current(),
            node: "n".into(),
            gpus: 0,
            generation: None,
        };
        journal.claim(&first, &claim).unwrap();
        assert!(journal.waiting(9).unwrap().is_empty());
        assert!(journal.is_any_queued().unwrap());
        assert!(journal.doomed().unwrap().is_empty());
        let lost = EventKind::Lost { reason: "x".into() };
        journal.append(&first, &lost).unwrap();
        assert_eq!(journal.doomed().unwrap(), [(after, first, RunState::Lost)]);
        assert_eq!(journal.waiting(9).unwrap().len(), 2);
    });
}

#[test]
fn sweeps_and_their_tasks_are_found_by_name() {
    journal(|journal| {
        let id = sweep(journal, "local", 2, None);
        let text = id.to_string();
        assert_eq!(journal.find_sweep(&text[..6]).unwrap().id, id);
        let task = journal.find(&format!("{text}.1")).unwrap();
        assert_eq!(journal.tasks(&id).unwrap()[1].run, task);
        assert!(journal.find(&format!("{text}.2")).is_err());
        assert!(matches!(
            journal.find_sweep("s-nothere").unwrap_err(),
            StoreError::NoSuchSweep { newest: Some(_), .. }
        ));
        let without = Filter { without_tasks: true, ..Filter::default() };
        assert!(journal.list(&without).unwrap().is_empty());
        let all = journal.list(&Filter::default()).unwrap();
        assert!(all.len() == 2 && all.iter().all(|run| run.sweep.as_ref() == Some(&id)));
    });
}
