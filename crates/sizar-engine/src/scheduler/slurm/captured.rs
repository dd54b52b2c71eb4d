//! What is read of answers of a real Slurm 22.05.8.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sizar_model::cluster::NodeCondition;
use sizar_model::resources::ByteSize;
use sizar_model::site::{GpuGroup, PartLimits, SchedulerVersion};
use sizar_model::{JobHandle, JobReport, JobState, Output, Resources, Site, Walltime};

use super::Slurm;
use crate::scheduler::captured::{no_answer, output};
use crate::scheduler::script::tests::plain;
use crate::scheduler::{Period, Scheduler, SchedulerError, Signal, Submission, Whose};

fn captured(name: &str) -> Output {
    output(&format!("slurm/22.05.8/{name}"))
}

fn slurm() -> Slurm {
    Slurm::new("alice")
}

fn states(reports: &BTreeMap<JobHandle, JobReport>) -> Vec<String> {
    reports.iter().map(|(job, report)| format!("{job} {:?}", report.state)).collect()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn what_was_submitted_has_a_handle() {
    let accepted = |text: &str| Submission::Accepted { job: text.parse().unwrap(), tasks: vec![] };
    assert_eq!(slurm().read_submit(&captured("submit-ok")), accepted("1"));
    assert_eq!(slurm().read_submit(&captured("submit-ok-clusters")), accepted("2;testcluster"));
    // accounting may be away
    assert_eq!(slurm().read_submit(&captured("dbd-down-sbatch")), accepted("30"));
    let noisy = Output { stdout: "Welcome to the site\n123\n".into(), ..captured("submit-ok") };
    assert_eq!(slurm().read_submit(&noisy), accepted("123"));
}

#[test]
fn what_was_refused_has_a_reason() {
    let refused = |name: &str| match slurm().read_submit(&captured(name)) {
        Submission::Refused(refusal) if !refusal.later => refusal.message,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(
        refused("submit-bad-partition"),
        "invalid partition specified: gpuu; Invalid partition name specified"
    );
    assert_eq!(
        refused("submit-bad-account"),
        "Invalid account or account/partition combination specified"
    );
    assert_eq!(refused("submit-bad-qos"), "Invalid qos specification");
    assert_eq!(refused("submit-bad-gres"), "Requested node configuration is not available");
    assert_eq!(refused("submit-bad-constraint"), "Invalid feature specification");
    assert_eq!(refused("submit-bad-array"), "Invalid job array specification");
    assert_eq!(refused("submit-bad-reservation"), "Requested reservation is invalid");
    assert!(refused("submit-bad-mem").starts_with("Memory specification can not be satisfied; "));
}

#[test]
fn a_submission_without_an_answer_is_unknown() {
    let unknown = |output: &Output| match slurm().read_submit(output) {
        Submission::Unknown { why } => why,
        other => panic!("{other:?}"),
    };
    let why = unknown(&captured("ctld-down-sbatch"));
    assert_eq!(why, "Unable to contact slurm controller (connect failure)");
    unknown(&no_answer());
    unknown(&Output { code: Some(0), ..Output::default() });
    // sisyphus#281: the jobs were there
    let timed_out =
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n";
    let timed_out = Output { code: Some(1), stderr: timed_out.into(), ..Output::default() };
    unknown(&timed_out);
    // the id was printed, and then the line broke
    unknown(&Output { code: Some(255), stdout: "12\n".into(), ..Output::default() });
}

#[test]
fn limits_that_are_enforced_refuse_at_once() {
    let refusal = |name: &str| match slurm().read_submit(&captured(name)) {
        Submission::Refused(refusal) => refusal,
        other => panic!("{name}: {other:?}"),
    };
    for name in ["submit-limits-time", "submit-limits-nodes", "submit-bad-nodes"] {
        assert!(!refusal(name).later, "{name}");
    }
    assert!(refusal("submit-limits-jobs").later);
}

#[test]
fn a_full_queue_is_a_refusal_for_now() {
    let stderr = "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: \
                  Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n";
    let output = Output { code: Some(1), stderr: stderr.into(), ..Output::default() };
    assert!(matches!(slurm().read_submit(&output), Submission::Refused(refusal) if refusal.later));
}

#[test]
fn a_job_is_found_by_its_name() {
    let found = slurm().read_look_up(&[captured("look-up"), captured("look-up-past")]).unwrap();
    // 3, 4 and 6 were refused, and are kept as failed jobs
    let jobs: Vec<String> = found.iter().map(|found| found.job.to_string()).collect();
    assert_eq!(jobs, ["1", "8"]);
    assert_eq!(found[0].report.state, JobState::Running);
    let none = slurm().read_look_up(&[captured("look-up-none"), captured("look-up-none")]);
    assert!(none.unwrap().is_empty());
}

#[test]
fn a_look_up_without_an_answer_finds_not_nothing() {
    let queue = captured("look-up-none");
    for outputs in [
        vec![captured("ctld-down-squeue"), queue.clone()],
        vec![queue.clone(), captured("dbd-down-sacct")],
        vec![queue.clone(), no_answer()],
        vec![queue.clone()],
    ] {
        assert!(slurm().read_look_up(&outputs).is_err(), "{outputs:?}");
    }
    let without = Slurm { accounting: false, ..slurm() };
    assert!(without.read_look_up(&[queue]).unwrap().is_empty());
}

#[test]
fn every_job_of_the_queue_is_told() {
    let reports = slurm().read_poll(&captured("poll-all")).unwrap();
    insta::assert_snapshot!(states(&reports).join("\n"), @r#"
    1 Running
    2 Completed
    3 Failed { code: None, signal: None }
    4 Failed { code: None, signal: None }
    6 Failed { code: None, signal: None }
    8 Pending { reason: "PartitionTimeLimit" }
    9 Failed { code: None, signal: None }
    10 Failed { code: None, signal: None }
    11_0 Running
    11_1 Running
    11_2 Pending { reason: "JobArrayTaskLimit" }
    11_3 Pending { reason: "JobArrayTaskLimit" }
    11_4 Pending { reason: "JobArrayTaskLimit" }
    11_5 Pending { reason: "JobArrayTaskLimit" }
    11_6 Pending { reason: "JobArrayTaskLimit" }
    11_7 Pending { reason: "JobArrayTaskLimit" }
    11_8 Pending { reason: "JobArrayTaskLimit" }
    11_9 Pending { reason: "JobArrayTaskLimit" }
    12 Pending { reason: "PartitionTimeLimit" }
    13 Pending { reason: "PartitionNodeLimit" }
    14 Pending { reason: "ReqNodeNotAvail, UnavailableNodes:ghost01" }
    15 Pending { reason: "BeginTime" }
    16 Running
    17 Running
    18 Pending { reason: "JobHeldUser" }
    19 Failed { code: None, signal: None }
    20 Pending { reason: "DependencyNeverSatisfied" }
    21 Cancelled { by: None }
    24 TimedOut
    25 Cancelled { by: None }
    26 Pending { reason: "ReqNodeNotAvail, Reserved for maintenance" }
    "#);
    let running = &reports[&"17".parse().unwrap()];
    assert_eq!(running.nodes, ["cpu01", "cpu02"]);
    assert_eq!(running.start, Some(at(1_795_807_958)));
    // `squeue` gives the expected end
    assert_eq!(running.end, None);
    let refused = &reports[&"3".parse().unwrap()];
    assert!(refused.never_ran());
    assert_eq!(refused.detail.as_deref(), Some("BadConstraints"));
    assert_eq!(reports[&"24".parse().unwrap()].end, Some(at(1_795_807_971)));
    // expected to start after the maintenance
    assert_eq!(reports[&"26".parse().unwrap()].start, Some(at(1_796_009_565)));
}

#[test]
fn steps_of_an_array_are_kept() {
    let reports = slurm().read_poll(&captured("poll-array")).unwrap();
    let tasks: Vec<u32> =
        reports.keys().filter(|job| job.id == 39).filter_map(|job| job.task).collect();
    assert_eq!(tasks, (0..100).step_by(3).collect::<Vec<u32>>());
}

#[test]
fn a_list_of_tasks_is_whole() {
    let reports = slurm().read_poll(&captured("poll-gaps")).unwrap();
    let tasks: Vec<u32> = reports.keys().filter_map(|job| job.task).collect();
    let mut asked: Vec<u32> = (3..90).map(|i| i * i % 997 + i).collect();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(tasks, asked);
    // what Slurm cuts off without `SLURM_BITSTR_LEN=0` is missing, and what is there is right
    let cut = slurm().read_poll(&captured("poll-gaps-cut")).unwrap();
    assert!(!cut.is_empty() && cut.len() < reports.len());
    assert!(cut.keys().all(|job| reports.contains_key(job)));
}

/// The accounting calls a job ended that waits to run again: the queue is to be asked first.
#[test]
fn what_became_of_a_job_whose_node_died() {
    let queue = slurm().read_poll(&captured("poll-nodefail")).unwrap();
    insta::assert_snapshot!(states(&queue).join("\n"), @r#"
    56 NodeFailed
    57 Pending { reason: "BeginTime" }
    "#);
    let past = slurm().read_account(&[captured("account-nodefail")]).unwrap();
    insta::assert_snapshot!(states(&past).join("\n"), @r#"
    56 NodeFailed
    57 NodeFailed
    "#);
}

#[test]
fn what_became_of_a_job_that_made_room() {
    let queue = slurm().read_poll(&captured("poll-preempted")).unwrap();
    insta::assert_snapshot!(states(&queue).join("\n"), @r#"
    58 Pending { reason: "BeginTime" }
    59 Running
    "#);
    let past = slurm().read_account(&[captured("account-preempted")]).unwrap();
    insta::assert_snapshot!(states(&past).join("\n"), @r#"
    58 Preempted
    59 Running
    "#);
}

#[test]
fn a_job_that_left_the_queue_is_missing_and_no_error() {
    assert!(slurm().read_poll(&captured("poll-gone")).unwrap().is_empty());
    let some = slurm().read_poll(&captured("poll-some")).unwrap();
    assert_eq!(states(&some).len(), 2);
}

#[test]
fn another_cluster_is_named_in_handles() {
    let slurm = Slurm { cluster: Some("testcluster".into()), ..slurm() };
    let reports = slurm.read_poll(&captured("clusters-poll")).unwrap();
    assert_eq!(states(&reports), ["38;testcluster Running"]);
    let poll = slurm.poll(&["38;testcluster".parse().unwrap()]);
    assert!(poll.args.contains(&"--clusters=testcluster".to_owned()), "{poll:?}");
    assert!(!poll.args.contains(&"--noheader".to_owned()));
}

/// In a federation, `sbatch` names the cluster though none was asked for.
#[test]
fn jobs_of_several_clusters_are_not_confused() {
    let jobs: Vec<JobHandle> =
        ["5;north", "5;south", "6;south"].map(|id| id.parse().unwrap()).to_vec();
    let cancel = slurm().cancel(&jobs);
    assert_eq!(cancel[0].args, ["--clusters=north", "5"]);
    assert_eq!(cancel[1].args, ["--clusters=south", "5", "6"]);
    let poll = slurm().poll(&jobs);
    assert!(poll.args.contains(&"--clusters=north,south".to_owned()), "{poll:?}");
    let account = slurm().account(&jobs);
    assert_eq!(account.len(), 1);
    assert!(account[0].args.contains(&"--clusters=north,south".to_owned()), "{account:?}");
    let text = "5|COMPLETED|0:0|1795807957|1795808077|n1|north\n5|TIMEOUT|0:0|1795807957|1795808077|s1|south\n";
    let output = Output { code: Some(0), stdout: text.into(), ..Output::default() };
    let reports = slurm().read_account(&[output]).unwrap();
    assert_eq!(states(&reports), ["5;north Completed", "5;south TimedOut"]);
}

#[test]
fn a_controller_that_is_away_says_nothing_of_jobs() {
    let away = |result: Result<(), SchedulerError>| {
        assert!(matches!(result, Err(SchedulerError::ControllerUnreachable { .. })), "{result:?}");
    };
    away(slurm().read_poll(&captured("ctld-down-squeue")).map(drop));
    away(slurm().read_cancel(&captured("ctld-down-scancel")));
    away(slurm().read_queue(&captured("ctld-down-squeue")).map(drop));
    away(slurm().read_nodes(&[captured("ctld-down-scontrol"), captured("nodes-jobs")]).map(drop));
    let without = Slurm { accounting: false, ..slurm() };
    away(without.read_account(&[captured("ctld-down-scontrol")]).map(drop));
    assert!(matches!(slurm().read_poll(&no_answer()), Err(SchedulerError::NoAnswer { .. })));
    let missing =
        Output { code: Some(127), stderr: "sh: squeue: not found".into(), ..Output::default() };
    assert!(matches!(slurm().read_poll(&missing), Err(SchedulerError::NotInstalled { .. })));
}

#[test]
fn accounting_that_is_away_is_not_accounting_that_is_none() {
    let answer = slurm().read_account(&[captured("dbd-down-sacct")]);
    assert!(matches!(answer, Err(SchedulerError::AccountingUnreachable { .. })), "{answer:?}");
    for name in ["no-accounting-sacct", "no-accounting-sacctmgr", "no-accounting-sreport"] {
        let answer = slurm().read_account(&[captured(name)]);
        assert!(matches!(answer, Err(SchedulerError::NoAccounting)), "{answer:?}");
    }
}

#[test]
fn ended_jobs_are_accounted_for() {
    let reports = slurm().read_account(&[captured("account-done")]).unwrap();
    insta::assert_snapshot!(states(&reports).join("\n"), @r#"
    1 Completed
    2 Completed
    3 Failed { code: Some(1), signal: None }
    8 Pending { reason: "" }
    9 Failed { code: Some(7), signal: None }
    10 Failed { code: None, signal: Some(9) }
    11_0 Completed
    11_1 Completed
    11_2 Running
    11_3 Running
    11_4 Pending { reason: "" }
    11_5 Pending { reason: "" }
    11_6 Pending { reason: "" }
    11_7 Pending { reason: "" }
    11_8 Pending { reason: "" }
    11_9 Pending { reason: "" }
    21 Cancelled { by: Some("1001") }
    24 TimedOut
    25 Cancelled { by: Some("0") }
    "#);
}

#[test]
fn ended_jobs_are_told_without_accounting() {
    let slurm = Slurm { accounting: false, ..slurm() };
    let jobs: Vec<JobHandle> = ["1", "3", "15", "999999"].map(|id| id.parse().unwrap()).to_vec();
    assert_eq!(slurm.account(&jobs).len(), 4);
    let reports = slurm
        .read_account(&["show-job-1", "show-job-3", "show-job-15", "show-job-gone"].map(captured))
        .unwrap();
    insta::assert_snapshot!(states(&reports).join("\n"), @r#"
    1 Running
    3 Failed { code: None, signal: Some(1) }
    15 Pending { reason: "BeginTime" }
    "#);
    assert_eq!(reports[&"1".parse().unwrap()].nodes, ["cpu01"]);
}

#[test]
fn ending_what_has_ended_is_no_error() {
    for name in ["cancel-gone", "cancel-ended", "signal"] {
        assert!(slurm().read_cancel(&captured(name)).is_ok(), "{name}");
    }
    let jobs = ["5", "6_7"].map(|id| id.parse().unwrap());
    assert_eq!(slurm().cancel(&jobs)[0].args, ["5", "6_7"]);
    let signal = slurm().signal(&jobs, Signal::Usr1);
    assert_eq!(signal[0].args, ["--batch", "--signal=USR1", "5", "6_7"]);
}

/// `engine-script.sh` quotes as is done here, and this is what `sbatch` has read.
#[test]
fn quoted_values_arrive() {
    let job = captured("engine-script-job").stdout;
    assert!(job.contains(r#" Comment=a " # b \ c --wrap=x "#), "{job}");
    assert!(job.contains(" ExcNodeList=cpu03 ") && job.contains(" Requeue=0 "), "{job}");
    let name = "sizar-key-9".parse().unwrap();
    let args = ["--comment=a \" # b \\ c --wrap=x"].map(str::to_owned).to_vec();
    let wish = Resources { scheduler_args: args, ..Resources::default() };
    let script = slurm().script(&plain(&name, &wish)).unwrap();
    assert!(script.contains(r#"#SBATCH "--comment=a \" # b \\ c --wrap=x""#), "{script}");
}

#[test]
fn many_jobs_are_one_question() {
    let jobs: Vec<JobHandle> = (1..=3).map(JobHandle::new).collect();
    let poll = slurm().poll(&jobs);
    assert!(poll.args.contains(&"--jobs=1,2,3".to_owned()), "{poll:?}");
    assert_eq!(poll.env["SLURM_TIME_FORMAT"], "%s");
    let tasks: Vec<JobHandle> = (0..3).map(|task| JobHandle::new(7).with_task(task)).collect();
    assert!(slurm().poll(&tasks).args.contains(&"--jobs=7".to_owned()));
    let jobs: Vec<JobHandle> = (0..1000).map(JobHandle::new).collect();
    assert!(slurm().poll(&jobs).args.contains(&"--user=alice".to_owned()));
    assert_eq!(slurm().account(&jobs).len(), 2);
}

#[test]
fn nodes_are_mapped() {
    let nodes = slurm().read_nodes(&[captured("nodes"), captured("nodes-jobs")]).unwrap();
    let lines: Vec<String> = nodes
        .iter()
        .map(|node| {
            let gpus: Vec<String> = node
                .gpus
                .iter()
                .map(|gpus| format!("{}/{} {:?}", gpus.used, gpus.total, gpus.kind))
                .collect();
            let jobs: Vec<String> = node.jobs.iter().map(|job| job.job.to_string()).collect();
            format!(
                "{} {:?} {}/{} {gpus:?} {jobs:?} {:?}",
                node.name, node.condition, node.cores_used, node.cores, node.reason
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    cpu01 Busy 8/8 [] ["37", "38", "39_0", "39_3"] None
    cpu02 Mixed 1/8 [] ["37"] None
    cpu03 Free 0/8 [] [] None
    cpu04 Drained 0/8 [] [] Some("fixture: bad disk")
    ghost01 Down 0/8 [] [] Some("fixture: never started")
    gpu01 Mixed 2/4 ["1/2 Some(\"a100\")"] ["36"] None
    gpu02 Free 0/4 ["0/2 Some(\"a100\")"] [] None
    "#);
    assert_eq!(nodes[0].memory, Some(ByteSize(8000 << 20)));
    assert_eq!(nodes[0].partitions, ["short", "long"]);
    assert!(!NodeCondition::Drained.takes_work());
}

#[test]
fn the_queue_is_listed() {
    let queue = slurm().read_queue(&captured("queue")).unwrap();
    let lines: Vec<String> = queue
        .iter()
        .map(|job| {
            format!(
                "{} x{} {:?} {} nodes {} cores {} gpus {:?}",
                job.job, job.tasks, job.name, job.nodes, job.cores, job.gpus, job.state
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    36 x1 Some("odd|name") 1 nodes 2 cores 1 gpus Running
    41 x1 Some("maint") 1 nodes 1 cores 0 gpus Pending { reason: "ReqNodeNotAvail, Reserved for maintenance" }
    42 x1 Some("ghost") 1 nodes 1 cores 0 gpus Pending { reason: "ReqNodeNotAvail, UnavailableNodes:ghost01" }
    39 x32 Some("array") 1 nodes 1 cores 0 gpus Pending { reason: "JobArrayTaskLimit" }
    40 x1 Some("toolong") 1 nodes 1 cores 0 gpus Pending { reason: "PartitionTimeLimit" }
    43 x1 Some("range") 2 nodes 1 cores 0 gpus Pending { reason: "JobHeldUser" }
    37 x1 Some("twonode") 2 nodes 4 cores 0 gpus Running
    38 x1 Some("one") 1 nodes 3 cores 0 gpus Running
    39_0 x1 Some("array") 1 nodes 1 cores 0 gpus Running
    39_3 x1 Some("array") 1 nodes 1 cores 0 gpus Running
    "#);
    assert_eq!(queue[0].time_left, Some(Walltime(596)));
    assert_eq!(queue[0].account.as_deref(), Some("proj1"));
    assert!(slurm().queue(Whose::Mine).args.contains(&"--user=alice".to_owned()));
}

#[test]
fn usage_is_summed_up() {
    let rows = slurm().read_usage(&captured("usage")).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].account.as_deref(), rows[0].user.as_str()), (Some("proj1"), "alice"));
    assert!(rows[0].core_hours > 0.6 && rows[0].core_hours < 1.5, "{rows:?}");
    let gpu_seconds = rows[0].gpu_hours.unwrap() * 3600.0;
    assert!((gpu_seconds - 125.0).abs() < 0.01, "{rows:?}");
    let everyone = slurm().read_usage(&captured("usage-everyone")).unwrap();
    assert_eq!(everyone.len(), 1);
    assert_eq!(
        (everyone[0].account.as_deref(), everyone[0].user.as_str()),
        (Some("proj1"), "alice")
    );
    assert!((everyone[0].core_hours * 3600.0 - 3882.0).abs() < 0.01);
    assert!((everyone[0].gpu_hours.unwrap() * 3600.0 - 270.0).abs() < 0.01);
    let period = Period { start: at(1_795_737_600), end: at(1_795_824_000) };
    let question = slurm().usage(Whose::Mine, &period);
    assert!(question.args.contains(&"--starttime=2026-11-27T00:00:00".to_owned()), "{question:?}");
}

pub(super) fn probed() -> Site {
    let outputs = ["config", "partition", "reservation", "sinfo", "assoc", "qos"]
        .map(|what| captured(&format!("site-{what}")));
    slurm().read_probe(&outputs).unwrap()
}

#[test]
fn a_site_is_learned() {
    let site = probed();
    assert_eq!(site.version, Some(SchedulerVersion(22, 5, 8)));
    assert_eq!(site.cluster.as_deref(), Some("testcluster"));
    assert_eq!(site.accounting, Some(true));
    assert_eq!(site.max_array_size, Some(10_001));
    assert_eq!(site.finished_jobs_stay, Some(Walltime(300)));
    assert_eq!(site.part_limits, Some(PartLimits::Queued));
    assert_eq!(site.default_memory_per_core, Some(ByteSize(100 << 20)));
    let names: Vec<&str> =
        site.partitions.iter().map(|partition| partition.name.as_str()).collect();
    assert_eq!(names, ["short", "long", "gpu"]);
    assert_eq!(site.default_partition().unwrap().name, "short");
    assert_eq!(site.partition("short").unwrap().max_walltime, Some(Walltime(1800)));
    assert_eq!(site.partition("short").unwrap().max_nodes, None);
    let gpu = &site.partition("gpu").unwrap().node_groups[0];
    assert_eq!(gpu.gpus, [GpuGroup { kind: Some("a100".into()), count: 2 }]);
    assert_eq!((gpu.count, gpu.cores, gpu.memory), (2, 4, Some(ByteSize(16_000 << 20))));
    assert_eq!(site.accounts[0].name, "proj1");
    assert_eq!(site.accounts[0].qos, ["normal", "premium", "scavenger"]);
    assert_eq!(
        site.qos.iter().find(|qos| qos.name == "premium").unwrap().max_walltime,
        Some(Walltime(3600))
    );
    assert_eq!(site.maintenance.len(), 1);
    assert!(site.maintenance[0].all_nodes);
    assert_eq!(site.features, ["a100", "ib", "skylake"]);
    let text = toml::to_string(&site).unwrap();
    assert_eq!(toml::from_str::<Site>(&text).unwrap(), site);
}

#[test]
fn a_probe_is_content_with_what_it_gets() {
    let site = slurm()
        .read_probe(&[
            captured("site-config"),
            captured("site-partition"),
            no_answer(),
            captured("ctld-down-sinfo"),
            captured("dbd-down-assoc"),
            captured("no-accounting-sacctmgr"),
        ])
        .unwrap();
    assert_eq!(site.partitions.len(), 3);
    assert!(site.accounts.is_empty() && site.qos.is_empty() && site.maintenance.is_empty());
    assert!(slurm().read_probe(&[captured("ctld-down-scontrol")]).is_err());
}
