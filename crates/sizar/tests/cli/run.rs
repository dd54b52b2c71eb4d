//! `sizar run` and the verbs that follow runs, on small sources of ours.

use fs_err as fs;

use crate::world::{Said, World, script, world_with_shared_cache};

/// Returns the newest run's document of `sizar show --json`.
#[track_caller]
fn newest(world: &World) -> serde_json::Value {
    let runs = world.sizar(&["runs", "--json"]).exits(0).json();
    let id = runs[0]["id"].as_str().expect("an id").to_owned();
    world.sizar(&["show", &id, "--json"]).exits(0).json()
}

#[test]
fn slow_the_exit_code_is_the_programs_and_results_are_what_it_wrote() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "work.py",
        // long enough that it is measured: by its own processor time, however slow the machine is
        "import sys, time\nif __name__ == '__main__':\n    open('out.txt', 'w').write('made')\n    \
         open('kept.txt', 'a').write('!')\n    print('said')\n    \
         while time.process_time() < 0.5: pass\n    sys.exit(int(sys.argv[1]))\n",
    );
    world.write("code/kept.txt", "mine");
    let said = world.sizar(&["run", "-q", &source, "--", "work.py", "7"]).exits(7);
    assert_eq!(said.stdout, "said\n");
    let run = newest(&world);
    assert_eq!(run["state"], "failed");
    assert_eq!(run["exit_code"], 7);
    let paths: Vec<_> = run["results"].as_array().unwrap().iter().map(|r| &r["path"]).collect();
    assert_eq!(paths, ["kept.txt", "out.txt"]);
    assert_eq!(run["results"][1]["blake3"], blake3_of(b"made"));
    assert!(run["usage"]["peak_memory"].as_u64() > Some(0), "{run}");
    let table = run["usage_table"].as_str().unwrap();
    let table = table.replace("[WORLD]", world.sizar_home().parent().unwrap().as_str());
    let table = fs::read_to_string(table).unwrap();
    assert!(table.starts_with("seconds,cores,memory_bytes,gpu_busy"), "{table}");
    assert_eq!(fs::read_to_string(world.here().join("code/kept.txt")).unwrap(), "mine");

    let id = run["id"].as_str().unwrap();
    assert_eq!(world.sizar(&["logs", id]).exits(0).stdout, "said\n");
    world.sizar(&["fetch", id, "-o", "got"]).exits(0);
    assert_eq!(fs::read_to_string(world.here().join("got/kept.txt")).unwrap(), "mine!");
    // what the user changed is never overwritten
    fs::write(world.here().join("got/out.txt"), "edited").unwrap();
    let said = world.sizar(&["fetch", id, "-o", "got"]).exits(0);
    assert_eq!(fs::read_to_string(world.here().join("got/out.txt")).unwrap(), "edited");
    assert!(said.stderr.contains("out.txt"), "{said}");
    world.sizar(&["run", "-q", &source, "--", "work.py", "0"]).exits(0);
}

fn blake3_of(bytes: &[u8]) -> String {
    sizar_model::Digest::of(bytes).to_string()
}

#[test]
fn slow_data_appears_where_the_code_looks() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "read.py",
        "import os\nif __name__ == '__main__':\n    for path in ['data/a.txt', os.path.expanduser('~/data/a.txt'), \
         '/mnt/somebody/data/a.txt']:\n        print(open(path).read())\n    try:\n        open('data/a.txt', 'w')\n    \
         except OSError as error:\n        print(type(error).__name__)\n",
    );
    world.write("mine/a.txt", "one");
    let said = world.sizar(&[
        "run",
        "-q",
        &source,
        "--data",
        "mine:data",
        "--data",
        "mine:~/data",
        "--data",
        "mine:/mnt/somebody/data",
        "--",
        "read.py",
    ]);
    assert_eq!(said.exits(0).stdout, "one\none\none\nOSError\n");
    assert_eq!(fs::read_to_string(world.here().join("mine/a.txt")).unwrap(), "one");
    assert!(!camino::Utf8Path::new("/mnt/somebody").exists());
}

#[test]
fn slow_walltime_and_memory_are_kept() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "greedy.py",
        "import sys, time\nif __name__ == '__main__':\n    if sys.argv[1] == 'time':\n        time.sleep(600)\n    \
         block = bytearray(800 * 1024 * 1024)\n    time.sleep(600)\n",
    );
    world.sizar(&["run", "-q", &source, "--time", "2s", "--", "greedy.py", "time"]).exits(124);
    assert_eq!(newest(&world)["state"], "timeout");
    world.sizar(&["run", "-q", &source, "--mem", "200M", "--", "greedy.py", "memory"]).exits(137);
    let run = newest(&world);
    assert_eq!(run["state"], "failed");
    assert!(run["reason"].as_str().unwrap().contains("memory"), "{run}");
}

#[test]
fn slow_a_dry_run_does_nothing() {
    let world = world_with_shared_cache();
    let source = script(&world, "a.py", "if __name__ == '__main__':\n    open('x', 'w')\n");
    let said = world.sizar(&["run", "--dry-run", &source, "--", "a.py", "--flag"]).exits(0);
    for word in ["a.py", "--flag", "network"] {
        assert!(said.stdout.contains(word), "{word}: {said}");
    }
    let runs = world.sizar(&["runs", "--json"]).exits(0).json();
    assert_eq!(runs, serde_json::json!([]));
}

#[test]
fn slow_fifty_detached_runs_never_overcommit_and_all_end() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "step.py",
        "import time\nif __name__ == '__main__':\n    time.sleep(0.02)\n    open('done', 'w').write('x')\n",
    );
    world.write("batch.txt", &"--n 1\n".repeat(50));
    let queued =
        world.sizar(&["run", "-q", &source, "--batch", "batch.txt", "--", "step.py"]).exits(0);
    assert_eq!(queued.stdout.lines().count(), 50, "{queued}");
    world.sizar(&["wait"]).exits(0);
    let runs = world.sizar(&["runs", "--json"]).exits(0).json();
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 50);
    assert!(runs.iter().all(|run| run["state"] == "completed"), "{runs:?}");
    let cores = std::thread::available_parallelism().unwrap().get();
    let times = |name: &str| -> Vec<String> {
        runs.iter().map(|run| run[name].as_str().unwrap().to_owned()).collect()
    };
    let (started, ended) = (times("started"), times("ended"));
    for at in &started {
        let running = (0..50).filter(|&i| started[i] <= *at && *at < ended[i]).count();
        assert!(running <= cores, "{running} at once on {cores} cores");
    }
}

#[test]
fn slow_cancel_stops_a_detached_run() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "long.py",
        "import time\nif __name__ == '__main__':\n    print('up', flush=True)\n    try:\n        time.sleep(600)\n    \
         except KeyboardInterrupt:\n        open('polite', 'w').write('yes')\n        raise\n",
    );
    let said = world.sizar(&["run", "-q", "--detach", &source, "--", "long.py"]).exits(0);
    let id = said.stdout.trim().to_owned();
    wait_for(|| world.sizar(&["logs", &id]).stdout.contains("up"));
    world.sizar(&["cancel", &id]).exits(0);
    world.sizar(&["wait", &id]);
    let run = newest(&world);
    assert_eq!(run["state"], "cancelled");
    assert!(run["results"].to_string().contains("polite"), "{run}");
}

#[test]
fn slow_ctrl_c_stops_a_run_cleanly() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "long.py",
        "import time\nif __name__ == '__main__':\n    print('up', flush=True)\n    try:\n        time.sleep(600)\n    \
         except KeyboardInterrupt:\n        print('stopped cleanly', flush=True)\n        raise SystemExit(3)\n",
    );
    world.sizar(&["setup", &source]).exits(0);
    let child = world
        .command(&["run", "-q", &source, "--", "long.py"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| {
        let runs = world.sizar(&["runs", "--json"]).json();
        runs[0]["id"].as_str().is_some_and(|id| world.sizar(&["logs", id]).stdout.contains("up"))
    });
    let interrupt =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("stopped cleanly"));
    assert_eq!(newest(&world)["state"], "cancelled");
}

#[test]
fn slow_a_lock_rebuilds_the_same() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "a.py",
        "import six\nif __name__ == '__main__':\n    print(six.__version__)\n",
    );
    let first: Said = world.sizar(&["setup", &source, "--lock", "kept.lock", "--json"]).exits(0);
    let first = first.json();
    let id = camino::Utf8PathBuf::from(first["path"].as_str().unwrap());
    world.sizar(&["env", "remove", id.file_name().unwrap()]).exits(0);
    let again = world.sizar(&["setup", &source, "--locked=kept.lock", "--json"]).exits(0).json();
    assert_eq!(again["path"], first["path"]);
    assert_eq!(again["verified"], true);
}

#[test]
fn slow_a_package_that_computes_its_name_is_installed() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "setup.py",
        "from setuptools import setup\nsetup(name='_'.join(['comp', 'uted']) + str(1 + 1), version='1', \
         packages=['pk'], entry_points={'console_scripts': ['ctool=pk:main']})\n",
    );
    world.write(
        "code/pk/__init__.py",
        "def main():\n    import argparse\n    argparse.ArgumentParser().parse_args()\n    print('works')\n",
    );
    let setup = world.sizar(&["setup", &source, "--driver", "ctool", "--json"]).exits(0).json();
    assert_eq!(setup["verified"], true, "{setup}");
    assert_eq!(world.sizar(&["run", "-q", &source, "--", "ctool"]).exits(0).stdout, "works\n");
}

/// Waits for a condition, a minute at most.
#[track_caller]
fn wait_for(condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it did not come true in a minute");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn slow_a_program_in_an_environment_finds_the_sources_modules() {
    let world = world_with_shared_cache();
    world.write("code/model.py", "ANSWER = 42\n");
    let source = script(
        &world,
        "tools/ask.py",
        "import argparse, model\nif __name__ == '__main__':\n    \
         argparse.ArgumentParser().parse_args()\n    print(model.ANSWER)\n",
    );
    let made = world.sizar(&["setup", &source, "--driver", "tools/ask.py", "--json"]).exits(0);
    let made = made.json();
    let name = camino::Utf8Path::new(made["path"].as_str().unwrap());
    let name = name.file_name().unwrap();
    let code = world.here().join("code");
    let mut asked = world.command(&["env", "exec", name, "--", "python", "tools/ask.py"]);
    assert_eq!(world.said(asked.current_dir(&code)).exits(0).stdout, "42\n");
}

#[test]
fn slow_a_sweep_here_is_queued_retried_and_shown() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "step.py",
        "import argparse, json, sys\nif __name__ == '__main__':\n    \
         parser = argparse.ArgumentParser()\n    parser.add_argument('--n', type=int)\n    \
         n = parser.parse_args().n\n    json.dump({'a': {'b': n * n}}, open('out.json', 'w'))\n    \
         print('n:', n)\n    sys.exit(5 if n == 2 else 0)\n",
    );
    let shown =
        world.sizar(&["sweep", &source, "--grid", "n=0..2", "--dry-run", "--", "step.py"]).exits(0);
    assert!(shown.stdout.contains("3 tasks") && shown.stdout.contains("step.py --n 2"), "{shown}");
    let wrong = world.sizar(&["sweep", &source, "--grid", "m=0..2", "--", "step.py"]).exits(2);
    assert!(wrong.stderr.contains("`step.py` has no option of that name"), "{wrong}");
    let line = ["sweep", "-q", &source, "--grid", "n=0..2", "--metric", "sq=out.json:a.b"];
    let line = [&line[..], &["--metric", "n", "--max-running", "1", "--", "step.py"]].concat();
    world.sizar(&line).exits(1);
    let sweep = world.sizar(&["sweep", "list", "--json"]).exits(0).json()[0]["id"].clone();
    let sweep = sweep.as_str().unwrap();
    let csv = world.sizar(&["sweep", "show", sweep, "--csv", "--sort", "-sq"]).exits(0).stdout;
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["task", "run", "state", "exit_code", "seconds", "n", "sq", "n"]);
    assert_eq!((rows[1][2], rows[1][3], rows[1][6]), ("failed", "5", "4"), "{csv}");
    assert_eq!((rows[3][0], rows[3][2], rows[3][7]), ("0", "completed", "0"), "{csv}");
    world.sizar(&["sweep", "retry", sweep]).exits(1);
    let attempts = |number: u32| {
        let run = world.sizar(&["show", &format!("{sweep}.{number}"), "--json"]).exits(0).json();
        run["attempts"].as_u64().unwrap()
    };
    assert_eq!([attempts(0), attempts(1), attempts(2)], [1, 1, 2]);
    // a run that comes after one that fails is not run
    let first = world.sizar(&["run", "-q", "--detach", &source, "--", "step.py", "--n", "2"]);
    let first = first.exits(0).stdout.trim().to_owned();
    let after = ["run", "-q", "--detach", &source, "--after", &first, "--", "step.py", "--n", "1"];
    let said = world.sizar(&after);
    if said.code == 0 {
        let second = said.stdout.trim().to_owned();
        assert_ne!(world.sizar(&["wait", &second]).code, 0);
        let run = world.sizar(&["show", &second, "--json"]).exits(0).json();
        assert!(run["reason"].as_str().unwrap().contains("was not run"), "{run}");
        assert_eq!(run["attempts"], 0, "{run}");
    } else {
        // it had failed by then
        assert!(said.stderr.contains("is failed"), "{said}");
    }
}

#[test]
fn slow_what_is_piped_to_it_reaches_the_program_and_stays_with_the_run() {
    let world = world_with_shared_cache();
    let source = script(
        &world,
        "count.py",
        "import sys\nif __name__ == '__main__':\n    print(sum(len(line.split()) for line in sys.stdin))\n",
    );
    let words = world.write("words.txt", "one two\nthree\n");
    let mut piped = world.command(&["run", "-q", &source, "--stdin", "-", "--", "count.py"]);
    piped.stdin(fs::File::open(&words).unwrap().into_file());
    assert_eq!(world.said(&mut piped).exits(0).stdout, "3\n");
    let run = newest(&world);
    assert_eq!(run["job"]["data"][0]["there"], "~/.sizar-stdin", "{run}");
    // what was piped is there when it is done again
    fs::remove_file(&words).unwrap();
    let kept = run["job"]["data"][0]["here"].as_str().unwrap();
    let kept = kept.replace("[WORLD]", world.sizar_home().parent().unwrap().as_str());
    assert_eq!(fs::read_to_string(kept).unwrap(), "one two\nthree\n");
    let inside = ["run", &source, "--data", "code:~/.sizar-stdin", "--", "count.py"];
    let said = world.sizar(&inside).exits(125);
    assert!(said.stderr.contains("--stdin FILE"), "{said}");
    let id = run["id"].as_str().unwrap();
    let shown = world.sizar(&["show", id]).exits(0);
    assert!(shown.stdout.contains("as standard input"), "{shown}");
    // a file, a wrong one, and none where nothing is piped
    world.write("two.txt", "one two\n");
    let read =
        |file: &str| ["run", "-q", &source, "--stdin", file, "--", "count.py"].map(str::to_owned);
    let run = |args: [String; 7]| world.sizar(&args.each_ref().map(String::as_str));
    assert_eq!(run(read("two.txt")).exits(0).stdout, "2\n");
    let said = run(read("none.txt")).exits(125);
    assert!(said.stderr.contains("`--stdin`: `none.txt` cannot be read"), "{said}");
    let mut silent = world.command(&["run", &source, "--", "count.py"]);
    silent.stdin(fs::File::open(world.here().join("two.txt")).unwrap().into_file());
    let said = world.said(&mut silent).exits(0);
    assert_eq!(said.stdout, "0\n", "{said}");
}
