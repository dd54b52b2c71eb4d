//! What happens on the node: what is used is measured, too little memory is raised.

use sizar_testkit::Cluster;

use crate::site::Site;

/// Takes as much memory as it is told, and keeps a core busy for a while.
const EAT: &str = r"
import argparse, time

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--mib', type=int, default=1)
    args = parser.parse_args()
    taken = b'x' * (args.mib << 20)
    end = time.time() + 2
    while time.time() < end:
        pass
    print('took', len(taken), flush=True)
";

#[test]
fn slow_cluster_what_is_used_is_measured_and_too_little_is_raised() {
    let site = Site::of(Cluster::slurm().up(), &["slurm"]);
    site.world.write("code/eat.py", EAT);
    too_little_memory_is_raised(&site);
    what_would_fail_is_not_queued(&site);
    a_run_works_on_the_nodes_disk(&site);
    an_environment_is_one_file_for_the_next_job(&site);
    an_environment_that_is_sent_stays_one_file(&site);
    tasks_share_what_they_read(&site);
    what_is_here_is_cleaned_away_there(&site);
}

fn too_little_memory_is_raised(site: &Site) {
    let line = ["run", "./code", "--on", "slurm", "--mem", "160M", "--restart", "2"];
    let done = site.sizar(&[&line[..], &["--", "eat.py", "--mib", "220"]].concat()).exits(0);
    assert!(done.stderr.contains("ran out of memory with 160 MiB"), "{done}");
    let run = site.newest();
    let shown = site.ended(&run, "completed");
    assert_eq!((&shown["attempts"], shown["raised"].as_array().unwrap().len()), (&2.into(), 1));
    assert_eq!(shown["job"]["resources"]["memory"], 320 << 20, "{shown}");
    let usage = &shown["usage"];
    let peak = usage["peak_memory"].as_u64().unwrap();
    assert!((220 << 20..320 << 20).contains(&peak), "{usage}");
    assert!(usage["peak_cores"].as_f64().unwrap() > 0.1, "{usage}");
    let table = site.world.sizar_home().join("runs").join(&run).join("attempt-2/usage.csv");
    let table = fs_err::read_to_string(table).unwrap();
    assert!(table.lines().count() > 3, "{table}");
    let page = site.sizar(&["show", &run]).exits(0).stdout;
    assert!(page.contains("320 MiB of memory (used 2") && page.contains("it asks for"), "{page}");
    let jobs = site.cluster.root("scontrol -o show jobs").stdout;
    assert!(jobs.contains("mem=160M") && jobs.contains("mem=320M"), "{jobs}");
}

/// Imports what is nowhere to be had, where no look at the source would tell.
const BROKEN: &str = r"
import argparse
broken = __import__('no_such_' + 'module')

if __name__ == '__main__':
    argparse.ArgumentParser().parse_args()
";

fn what_would_fail_is_not_queued(site: &Site) {
    let before = site.cluster.root("scontrol -o show jobs").stdout.lines().count();
    site.world.write("code/broken.py", BROKEN);
    let refused = site.run("slurm", &["--", "--epochs", "3"]).exits(125);
    assert!(refused.stderr.contains("unrecognized arguments: --epochs 3"), "{refused}");
    assert!(refused.stderr.contains("--no-rehearsal"), "{refused}");
    let broken = ["run", "./code", "--on", "slurm", "--no-smoke", "--", "broken.py"];
    let refused = site.sizar(&broken);
    assert_eq!(refused.code, 125, "{refused}");
    assert_eq!(site.cluster.root("scontrol -o show jobs").stdout.lines().count(), before);
    // who knows better may
    site.run("slurm", &["--no-rehearsal", "--", "--epochs", "3"]).exits(2);
}

/// Uses a package of some six hundred files.
const ZONES: &str = r"
import pytz

if __name__ == '__main__':
    print(pytz.timezone('Europe/Paris'), pytz.__file__)
";

fn an_environment_is_one_file_for_the_next_job(site: &Site) {
    site.world.write("zones/zones.py", ZONES);
    site.world.write("zones/requirements.txt", "pytz==2023.3\n");
    let run = || {
        let line = ["run", "./zones", "--on", "slurm", "--scratch", "/tmp", "--", "zones.py"];
        let done = site.sizar(&line).exits(0);
        assert!(done.stdout.starts_with("Europe/Paris /home/alice/"), "{done}");
        site.show(&site.newest())["notes"].to_string()
    };
    let first = run();
    assert!(first.contains("worked in `/tmp`") && !first.contains("as one file"), "{first}");
    let second = run();
    assert!(second.contains("of them as one file"), "{second}");
    // damaged, it is not used, and made again
    let packed = site.cluster.inside("/home/alice/.sizar/cache/packed");
    let packed: Vec<_> = packed.read_dir_utf8().unwrap().flatten().collect();
    assert_eq!(packed.len(), 1, "{packed:?}");
    let path = packed[0].path();
    let mut bytes = fs_err::read(path).unwrap();
    bytes[1000] ^= 1;
    fs_err::write(path, &bytes).unwrap();
    run();
    assert_ne!(fs_err::read(path).unwrap(), bytes);
    assert!(run().contains("of them as one file"));
}

fn an_environment_that_is_sent_stays_one_file(site: &Site) {
    let run = |options: &[&str]| {
        let line = ["run", "./zones", "--on", "slurm", "--build", "here"];
        let done = site.sizar(&[&line[..], options, &["--", "zones.py"]].concat()).exits(0);
        (done.stdout, site.show(&site.newest())["notes"].to_string())
    };
    let sent = site.cluster.inside("/home/alice/.sizar/sent");
    let files = || -> Vec<String> {
        let folder = sent.read_dir_utf8().unwrap().flatten().next().unwrap();
        let names = folder.path().read_dir_utf8().unwrap().flatten();
        names.map(|entry| entry.file_name().to_owned()).collect()
    };
    let (said, notes) = run(&["--scratch", "/tmp"]);
    assert!(said.starts_with("Europe/Paris /home/alice/.sizar/sent/"), "{said}");
    assert!(notes.contains("of them as one file"), "{notes}");
    assert_eq!(files(), ["packed.tar.zst"]);
    // where nothing shows it at its place, it knows another
    let profile = site.world.sizar_home().join("targets/slurm/target.toml");
    let before = fs_err::read_to_string(&profile).unwrap();
    let prelude = "prelude = [\"export SIZAR_SANDBOX=landlock\"]\n";
    fs_err::write(&profile, format!("{prelude}{before}")).unwrap();
    let (said, notes) = run(&["--scratch", "/tmp"]);
    assert!(said.starts_with("Europe/Paris /tmp/sizar-kept-"), "{said} {notes}");
    fs_err::write(&profile, before).unwrap();
    assert_eq!(files(), ["packed.tar.zst"]);
    let (said, _) = run(&["--scratch", "no"]);
    assert!(said.starts_with("Europe/Paris /home/alice/.sizar/sent/"), "{said}");
    let mut both = files();
    both.sort();
    assert_eq!(both, ["packed.tar.zst", "tree"]);
}

/// Four tasks read one copy of the data on the node, and the last one leaves nothing behind.
fn tasks_share_what_they_read(site: &Site) {
    site.cluster.ssh("slurm", "mkdir shared").exits(0);
    site.world.write("pages/page.txt", "a page\n");
    let line = [
        "sweep",
        "./code",
        "--on",
        "slurm",
        "--scratch",
        "/home/alice/shared",
        "--data",
        "./pages:pages",
        "--grid",
        "sleep=0,0.5,1,1.5",
        "--time",
        "3m",
        "--",
        "train.py",
        "--read",
        "pages/page.txt",
    ];
    site.sizar(&line).exits(0);
    let runs = site.sizar(&["runs", "--json"]).exits(0).json();
    let tasks: Vec<_> = runs.as_array().unwrap().iter().take(4).collect();
    let notes = tasks.iter().map(|task| {
        let shown = site.show(task["id"].as_str().unwrap());
        assert!(Site::results(&shown).contains(&"out/read.txt"), "{shown}");
        shown["notes"].to_string()
    });
    let notes: Vec<String> = notes.collect();
    // whoever was first copied both, or two of them one each
    let copies = |files: &str| notes.iter().filter(|note| note.contains(files)).count();
    assert!(copies("more were there") >= 2, "{notes:?}");
    let left = site.cluster.root("ls -A /home/alice/shared").stdout;
    assert_eq!(left, "", "nothing is left on the node");
}

fn a_run_works_on_the_nodes_disk(site: &Site) {
    let notes = |run: &str| site.show(run)["notes"].to_string();
    let here = site.run("slurm", &["--scratch", "no"]).exits(0);
    let in_place = site.ended(&site.newest(), "completed");
    let there = site.run("slurm", &["--scratch", "/tmp"]).exits(0);
    let run = site.newest();
    let on_node = site.ended(&run, "completed");
    assert_eq!(here.stdout, there.stdout);
    assert_eq!(in_place["results"], on_node["results"]);
    assert!(notes(&run).contains("it worked in `/tmp` of the node"), "{on_node}");
    // cancelled, it brings back what there is
    site.cluster.ssh("slurm", "mkdir disk").exits(0);
    let disk = site.cluster.inside("/home/alice/disk");
    let places = || disk.read_dir_utf8().unwrap().count();
    let args = ["--scratch", "${NODE_DISK:-$HOME/disk}", "--", "--sleep", "600"];
    let id = site.detached("slurm", &args);
    site.until_it_prints(&id);
    // its own, and what jobs share
    assert_eq!(places(), 2);
    site.sizar(&["cancel", &id]).exits(0);
    site.sizar(&["wait", &id]);
    assert_eq!(Site::results(&site.ended(&id, "cancelled")), ["out/first.txt"]);
    assert_eq!(places(), 0, "nothing is left on the node");
    // without room it works in place, and says so
    site.run("slurm", &["--scratch", "/nowhere"]).exits(0);
    assert!(notes(&site.newest()).contains("for want of scratch"));
}

fn what_is_here_is_cleaned_away_there(site: &Site) {
    let live = site.detached("slurm", &["--", "--sleep", "600"]);
    site.until_it_prints(&live);
    let done = {
        site.run("slurm", &[]).exits(0);
        site.newest()
    };
    // what is only there stays: here, a result is gone
    let only_there = {
        site.run("slurm", &[]).exits(0);
        site.newest()
    };
    let runs = site.world.sizar_home().join("runs");
    fs_err::remove_file(runs.join(&only_there).join("attempt-1/work/out/last.txt")).unwrap();
    site.sizar(&["target", "clean", "slurm"]).exits(0);
    assert!(site.there(&done, "plan.json").exists(), "nothing is a week old");
    let clean = ["target", "clean", "slurm", "--older-than", "1s"];
    let said = site.sizar(&[&clean[..], &["--dry-run"]].concat()).exits(0);
    assert!(said.stdout.contains("would go") && said.stdout.contains("it is running"), "{said}");
    assert!(site.there(&done, "plan.json").exists());
    let said = site.sizar(&[&clean[..], &["--json"]].concat()).exits(0).json();
    assert_eq!(said["not_removed"].as_array().map(Vec::len), Some(0), "{said}");
    let left = site.cluster.root("ls -A /home/alice/.sizar/runs").stdout;
    let mut left: Vec<_> = left.split_whitespace().collect();
    left.sort_unstable();
    let mut expected = [live.as_str(), only_there.as_str()];
    expected.sort_unstable();
    // others of this test left no receipt, and stay too
    assert!(expected.iter().all(|run| left.contains(run)) && !left.contains(&&*done), "{left:?}");
    site.sizar(&["cancel", &live]).exits(0);
    site.sizar(&["wait", &live]);
}
