//! Real schedulers: they come up, run jobs of an ordinary account, and leave nothing behind.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_testkit::{Cluster, Daemon, Size};

#[test]
fn slow_cluster_slurm_runs_a_job_that_was_submitted_through_ssh() {
    let cluster = Cluster::slurm().up();
    let batch = "#!/bin/bash -l\n#SBATCH -p short -N 2 -t 1 -o out\n\
                 echo mine >/tmp/mine\nsrun -l bash -c 'hostname; ls /tmp'\n\
                 module load gcc/12.2 && echo gcc $GCC_VERSION\n";
    fs::write(cluster.inside("/home/alice/batch"), batch).unwrap();
    let said = cluster.ssh("slurm", "sbatch --parsable -W batch && sort out").exits(0);
    // each node has a name and a /tmp of its own
    let output = said.stdout.lines().skip(1).collect::<Vec<_>>();
    assert_eq!(output, ["0: cpu01", "0: mine", "1: cpu02", "gcc 12.2"], "{said}");
    let home = cluster.ssh("slurm", "id -un; pwd; echo $SCRATCH; hostname").exits(0).stdout;
    assert_eq!(home, "alice\n/home/alice\n/run/sizar-cluster/scratch/alice\nfrontend\n");
    let nodes = cluster.ssh("slurm", "sinfo -h -N -o '%N %T' | sort -u").exits(0).stdout;
    assert!(nodes.contains("cpu04 drained") && nodes.contains("gpu02 idle"), "{nodes}");
    nothing_is_left_after(&cluster.root("readlink /proc/1/ns/pid").exits(0).stdout, || {
        drop(cluster);
    });
}

#[test]
fn slow_cluster_oar_runs_a_job_that_was_submitted_through_ssh() {
    let cluster = Cluster::oar().up();
    cluster.kill(Daemon::Almighty);
    cluster.start(Daemon::Almighty);
    let submit = "oarsub -l /nodes=1/core=2,walltime=0:1:0 'hostname; sort -u $OAR_NODE_FILE'";
    let said = cluster.ssh("oar", submit).exits(0);
    let job = said.stdout.lines().find_map(|line| line.strip_prefix("OAR_JOB_ID=")).unwrap();
    let ended = format!("oarstat -s -j {job}");
    eventually(&said.to_string(), || cluster.ssh("oar", &ended).stdout.contains("Terminated"));
    let output = cluster.ssh("oar", &format!("cat OAR.{job}.stdout")).exits(0).stdout;
    assert_eq!(output, "node1\nnode1\n");
    nothing_is_left_after(&cluster.root("readlink /proc/1/ns/pid").exits(0).stdout, || {
        drop(cluster);
    });
}

#[test]
fn slow_cluster_oar_kills_a_job_at_its_walltime_of_seconds() {
    let cluster = Cluster::oar().up();
    let submit = "oarsub -l /core=1,walltime=0:0:4 'sleep 300'";
    let said = cluster.ssh("oar", submit).exits(0);
    let job = said.stdout.lines().find_map(|line| line.strip_prefix("OAR_JOB_ID=")).unwrap();
    let state = format!("oarstat -fj {job} -J");
    eventually(&said.to_string(), || {
        let stdout = cluster.ssh("oar", &state).stdout;
        stdout.contains("\"state\" : \"Error\"") && stdout.contains("\"WALLTIME\"")
    });
}

#[test]
fn slow_cluster_accounting_says_completed() {
    let cluster = Cluster::slurm().accounting(true).up();
    let submit = "sbatch --parsable -W -A proj1 --qos premium --wrap true";
    let job = cluster.ssh("slurm", submit).exits(0).stdout;
    let state = |job: &str| {
        cluster.ssh("slurm", &format!("sacct -X -n -P -j {job} -o state,account")).stdout
    };
    eventually(&job, || state(job.trim()) == "COMPLETED|proj1\n");
    cluster.stop(Daemon::Slurmdbd);
    let down = cluster.ssh("slurm", "sacct -n");
    assert_ne!(down.code, 0, "{down}");
    cluster.ssh("slurm", "sbatch --parsable --wrap true").exits(0);
    cluster.start(Daemon::Slurmdbd);
    cluster.ssh("slurm", "sacct -n").exits(0);
}

#[test]
fn slow_cluster_a_greedy_job_is_out_of_memory() {
    if !Cluster::can_enforce_memory() {
        eprintln!("skipped: this machine has no memory groups of version 1");
        return;
    }
    let cluster = Cluster::slurm().memory_enforced().up();
    let greedy = "sbatch --parsable -W -o out --mem=50M --wrap \"python3 -c 'import time; \
                  x = bytearray(300000000); time.sleep(30)'\"";
    let job = cluster.ssh("slurm", greedy).stdout;
    let state = format!("scontrol show job {} | grep JobState", job.trim());
    eventually(&job, || cluster.ssh("slurm", &state).stdout.contains("JobState=OUT_OF_MEMORY"));
    drop(cluster);
    assert!(!std::path::Path::new("/sys/fs/cgroup/memory/slurm_cpu01").exists());
}

#[test]
fn slow_cluster_daemons_stop_and_start_alone() {
    let cluster = Cluster::slurm().node_timeout(5).up();
    let submit = "sbatch --parsable --no-requeue -t 5 -w cpu02 -o /dev/null --wrap 'sleep 600'";
    let lost = cluster.ssh("slurm", submit).exits(0).stdout.trim().to_owned();
    let expired = cluster.ssh("slurm", &submit.replace("cpu02", "cpu01")).exits(0).stdout;
    let expired = expired.trim().to_owned();
    let state = |job: &str| {
        let line = format!("scontrol show job {job} | grep -o 'JobState=[A-Z_]*'");
        cluster.ssh("slurm", &line).stdout.trim().to_owned()
    };
    eventually("running", || {
        state(&lost) == "JobState=RUNNING" && state(&expired) == "JobState=RUNNING"
    });

    cluster.stop(Daemon::Slurmctld);
    assert!(cluster.daemons().contains(&("slurmctld".to_owned(), false)));
    cluster.start(Daemon::Slurmctld);
    assert_eq!(state(&expired), "JobState=RUNNING");

    cluster.kill(Daemon::Slurmd("cpu02"));
    cluster.expire(&expired);
    eventually("the node fails", || state(&lost) == "JobState=NODE_FAIL");
    eventually("the walltime ends", || state(&expired) == "JobState=TIMEOUT");
    cluster.start(Daemon::Slurmd("cpu02"));
    let again = "sbatch -W -w cpu02 -o /dev/null --wrap true";
    cluster.ssh("slurm", again).exits(0);
}

#[test]
fn slow_cluster_site_is_as_awkward_as_asked_for() {
    let small = Size { bytes: 1 << 20, files: 20 };
    let cluster = Cluster::slurm()
        .bashrc("echo 'welcome to the cluster'")
        .max_sessions(1)
        .scratch_size(small)
        .up();
    let said = cluster.ssh("slurm", "echo said").exits(0);
    assert_eq!(said.stdout, "welcome to the cluster\nsaid\n");
    let full = cluster.ssh("slurm", "head -c 2000000 /dev/zero >$SCRATCH/x");
    assert!(full.stderr.contains("No space left on device"), "{full}");
    let files =
        cluster.ssh("slurm", "rm $SCRATCH/x; for i in $(seq 30); do touch $SCRATCH/$i; done");
    assert!(files.stderr.contains("No space left on device"), "{files}");

    let refused = cluster.ssh("slurm-transfer", "echo said");
    assert!(refused.stdout.contains("This service allows sftp connections only."), "{refused}");
    fs::write(cluster.inside("/home/alice/here"), "there\n").unwrap();
    let to = cluster.prefix().join("fetched");
    let mut sftp = Command::new("sftp");
    sftp.args(["-q", "-F", cluster.ssh_config().as_str(), "slurm-transfer:here", to.as_str()]);
    assert!(sftp.status().unwrap().success());
    assert_eq!(fs::read_to_string(to).unwrap(), "there\n");

    // a cut ends the connection, not what runs
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", cluster.ssh_config().as_str(), "slurm", "touch begun; sleep 2; touch ended"]);
    let mut ssh = ssh.stdin(Stdio::null()).spawn().unwrap();
    eventually("begun", || cluster.inside("/home/alice/begun").exists());
    cluster.cut(Daemon::LoginSlurm);
    assert_eq!(ssh.wait().unwrap().code(), Some(255));
    eventually("ended", || cluster.inside("/home/alice/ended").exists());
}

#[test]
fn slow_cluster_line_is_cut_after_the_question_and_before_the_answer() {
    let cluster = Cluster::slurm().up();
    let line = cluster.line("slurm", Duration::from_millis(20)).unwrap();
    let ssh = |shell: &str| {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", line.ssh_config().as_str(), "slurm", shell]);
        ssh.stdin(Stdio::null());
        ssh
    };
    let said = ssh("echo said").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "said\n", "{said:?}");

    let submit = "touch logged-in; until [ -e go ]; do sleep 0.1; done; sbatch --wrap 'sleep 60'";
    let mut submission = ssh(submit).spawn().unwrap();
    eventually("the login", || cluster.inside("/home/alice/logged-in").exists());
    line.hold_answers();
    fs::write(cluster.inside("/home/alice/go"), "").unwrap();
    let jobs = || cluster.root("squeue -h -o %i").exits(0).stdout.lines().count();
    eventually("the job", || jobs() == 1);
    assert!(submission.try_wait().unwrap().is_none(), "the answer came");
    line.cut();
    assert_eq!(submission.wait().unwrap().code(), Some(255));
    line.release();
    assert!(ssh("true").status().unwrap().success());
    assert_eq!((jobs(), line.connections()), (1, 3));
}

#[test]
fn slow_cluster_two_are_up_at_once_and_one_has_a_network_of_its_own() {
    let first = Cluster::slurm().with_oar().up();
    let second = Cluster::slurm().with_oar().with_private_network().up();
    for cluster in [&first, &second] {
        cluster.ssh("slurm", "sbatch -W -o /dev/null --wrap true").exits(0);
        assert_eq!(cluster.ssh("oar", "oarstat").exits(0).stdout, "");
    }
    let mut outside = Command::new("ssh");
    outside.args(["-F", second.ssh_config().as_str(), "slurm", "true"]);
    assert_eq!(outside.stderr(Stdio::null()).status().unwrap().code(), Some(255));
}

#[test]
fn slow_cluster_nothing_is_left_when_its_owner_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let note = Utf8PathBuf::from_path_buf(folder.path().join("namespace")).unwrap();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "an_owner_of_a_cluster_that_is_killed", "--ignored"])
        .env("SIZAR_TEST_NOTE", &note)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the cluster of the owner", || {
        assert!(owner.try_wait().unwrap().is_none(), "the owner ended");
        note.exists()
    });
    let namespace = fs::read_to_string(&note).unwrap();
    assert!(processes_in(&namespace) > 10);
    nothing_is_left_after(&namespace, || {
        owner.kill().unwrap();
        owner.wait().unwrap();
    });
}

/// The owner of the cluster of the test above, in a process of its own.
#[test]
#[ignore = "a part of another test"]
fn an_owner_of_a_cluster_that_is_killed() {
    let Some(note) = std::env::var_os("SIZAR_TEST_NOTE").map(std::path::PathBuf::from) else {
        return;
    };
    let cluster = Cluster::slurm().with_oar().up();
    let submit = "sbatch --wrap 'sleep 600'; oarsub -l /core=1 'sleep 600'";
    cluster.ssh("slurm", submit.split(';').next().unwrap()).exits(0);
    cluster.ssh("oar", submit.split(';').nth(1).unwrap()).exits(0);
    eventually("both jobs run", || cluster.root("pgrep -c -x sleep").stdout.trim() == "2");
    let namespace = cluster.root("readlink /proc/1/ns/pid").exits(0).stdout;
    fs::write(note.with_extension("part"), namespace).unwrap();
    fs::rename(note.with_extension("part"), note).unwrap();
    loop {
        std::thread::park();
    }
}

/// Waits for a condition, for two minutes at most: the machine may be busy.
#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(2);
    while !condition() {
        assert!(Instant::now() < end, "never came: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[track_caller]
fn nothing_is_left_after(namespace: &str, end: impl FnOnce()) {
    end();
    eventually("the end of the last process", || processes_in(namespace) == 0);
}

/// Counts the processes in a namespace of processes.
fn processes_in(namespace: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("the processes").filter_map(Result::ok);
    let links = processes.filter_map(|entry| fs::read_link(entry.path().join("ns/pid")).ok());
    links.filter(|link| link.to_str() == Some(namespace.trim())).count()
}
