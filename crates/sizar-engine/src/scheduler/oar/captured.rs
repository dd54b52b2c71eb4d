//! What is read of answers of a real OAR 2.5.9.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sizar_model::resources::ByteSize;
use sizar_model::site::SchedulerVersion;
use sizar_model::{JobHandle, JobReport, JobState, Output, Resources, Site};

use super::Oar;
use crate::scheduler::captured::{no_answer, output};
use crate::scheduler::{
    ArrayRange, Period, Scheduler, SchedulerError, Signal, Submission, Whose, check,
};

fn captured(name: &str) -> Output {
    output(&format!("oar/2.5.9/{name}"))
}

fn oar() -> Oar {
    Oar::new("alice")
}

fn states(reports: &BTreeMap<JobHandle, JobReport>) -> Vec<String> {
    reports.iter().map(|(job, report)| format!("{job} {:?}", report.state)).collect()
}

#[test]
fn what_was_submitted_has_a_handle() {
    let accepted = |id: u64| Submission::Accepted { job: JobHandle::new(id), tasks: vec![] };
    assert_eq!(oar().read_submit(&captured("submit-ok")), accepted(1));
    assert_eq!(oar().read_submit(&captured("submit-json")), accepted(2));
    assert_eq!(oar().read_submit(&captured("submit-besteffort")), accepted(12));
    // OAR looks at neither the script's mode nor its `-d` here
    assert_eq!(oar().read_submit(&captured("submit-noexec")), accepted(5));
    assert_eq!(oar().read_submit(&captured("engine-script")), accepted(20));
    let tasks = |ids: &[u64]| ids.iter().map(|id| JobHandle::new(*id)).collect();
    assert_eq!(
        oar().read_submit(&captured("submit-array")),
        Submission::Accepted { job: JobHandle::new(7), tasks: tasks(&[7, 8, 9]) }
    );
    assert_eq!(
        oar().read_submit(&captured("submit-array-json")),
        Submission::Accepted { job: JobHandle::new(10), tasks: tasks(&[10, 11]) }
    );
}

#[test]
fn what_was_refused_has_a_reason() {
    let refused = |name: &str| match oar().read_submit(&captured(name)) {
        Submission::Refused(refusal) if !refusal.later => refusal.message,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(refused("submit-bad-queue"), "The queue nosuch does not exist");
    assert_eq!(refused("submit-bad-nodes"), "There are not enough resources for your request");
    assert_eq!(refused("submit-never"), "There are not enough resources for your request");
    assert_eq!(refused("submit-bad-type"), "Error: unknown job type: nosuch");
    let property = refused("submit-bad-property");
    assert!(property.contains("column \"nosuch\" does not exist"), "{property}");
    let resource = refused("submit-bad-resource");
    assert!(resource.contains("column \"nosuch\" does not exist"), "{resource}");
}

#[test]
fn a_submission_without_an_answer_is_unknown() {
    let unknown = |output: &Output| match oar().read_submit(output) {
        Submission::Unknown { why } => why,
        other => panic!("{other:?}"),
    };
    unknown(&no_answer());
    // it says that the job is killed, and keeps it waiting
    assert!(unknown(&captured("server-down-sub")).contains("Cannot connect to executor"));
    let found = oar().read_look_up(&[captured("server-down-lookup")]).unwrap();
    assert_eq!(found.len(), 1);
    assert!(matches!(found[0].report.state, JobState::Pending { .. }));
}

#[test]
fn a_job_is_found_by_its_name() {
    let name = "sizar-key-1".parse().unwrap();
    let question = oar().look_up(&name, Timestamp::UNIX_EPOCH);
    assert_eq!(question.len(), 1);
    assert!(question[0].args.contains(&"--sql=job_name = 'sizar-key-1'".to_owned()));
    // OAR says nothing at all of a name that is not there
    assert!(oar().read_look_up(&[captured("look-up-none")]).unwrap().is_empty());
    let bob = Oar::new("bob");
    assert!(bob.read_look_up(&[captured("server-down-lookup")]).unwrap().is_empty());
    assert!(oar().read_look_up(&[no_answer()]).is_err());
}

#[test]
fn every_ending_is_told_from_the_others() {
    let reports = oar().read_poll(&captured("poll-full")).unwrap();
    insta::assert_snapshot!(states(&reports).join("\n"), @r#"
    1 Failed { code: None, signal: Some(10) }
    2 Completed
    3 Failed { code: Some(7), signal: None }
    4 Failed { code: None, signal: Some(9) }
    5 Failed { code: Some(126), signal: None }
    6 Completed
    7 TimedOut
    8 TimedOut
    9 TimedOut
    10 Completed
    11 Completed
    12 Preempted
    13 TimedOut
    14 Pending { reason: "Hold" }
    15 Running
    16 Cancelled { by: Some("alice") }
    "#);
    let cancelled = &reports[&JobHandle::new(16)];
    assert_eq!(cancelled.start, Timestamp::from_second(1_795_808_080).ok());
    assert_eq!(cancelled.end, Timestamp::from_second(1_795_808_084).ok());
    assert_eq!(cancelled.nodes, ["node2"]);
    assert_eq!(reports[&JobHandle::new(15)].end, None);
}

#[test]
fn a_job_that_is_not_there_is_missing_and_no_error() {
    assert!(oar().read_poll(&captured("poll-gone")).unwrap().is_empty());
}

#[test]
fn many_jobs_are_one_question() {
    let jobs: Vec<JobHandle> = (1..=3).map(JobHandle::new).collect();
    assert_eq!(oar().poll(&jobs).args, ["--full", "--json", "--job=1", "--job=2", "--job=3"]);
    assert_eq!(oar().account(&jobs).len(), 1);
}

#[test]
fn prose_is_no_answer() {
    let prose = Output { code: Some(0), stdout: "the site is closed".into(), ..Output::default() };
    assert!(matches!(oar().read_poll(&prose), Err(SchedulerError::Unreadable { .. })));
    let broken = Output { code: Some(0), stdout: "{ \"1\" : {".into(), ..Output::default() };
    assert!(matches!(oar().read_poll(&broken), Err(SchedulerError::Json { .. })));
    // oarstat itself, where its database does not answer
    let away = Output {
        code: Some(255),
        stderr: "DB connection error, exiting.\n".into(),
        ..Output::default()
    };
    assert!(matches!(oar().read_poll(&away), Err(SchedulerError::ControllerUnreachable { .. })));
}

#[test]
fn ending_what_has_ended_is_no_error() {
    assert!(oar().read_cancel(&captured("cancel")).is_ok());
    assert!(oar().read_cancel(&captured("cancel-ended")).is_ok());
    assert!(oar().read_cancel(&captured("signal")).is_ok());
    assert!(matches!(
        oar().read_cancel(&captured("cancel-gone")),
        Err(SchedulerError::Failed { .. })
    ));
    assert!(matches!(
        oar().read_cancel(&captured("server-down-del")),
        Err(SchedulerError::ControllerUnreachable { .. })
    ));
    let jobs = [5, 6].map(JobHandle::new);
    assert_eq!(oar().cancel(&jobs)[0].args, ["5", "6"]);
    assert_eq!(oar().signal(&jobs, Signal::Usr1)[0].args, ["--signal", "SIGUSR1", "5", "6"]);
}

#[test]
fn scripts_have_plain_paths() {
    assert_eq!(
        oar().submit("/home/a/run/job.sh".into()).unwrap().args,
        ["--scanscript", "/home/a/run/job.sh"]
    );
    for path in ["/home/a b/job.sh", "/home/$(id)/x", "/a;b", "/a\nb"] {
        assert!(oar().submit(path.into()).is_err(), "{path}");
    }
    assert_eq!(
        oar().task_index(ArrayRange { first: 5, last: 9, at_once: None }),
        "$((OAR_ARRAY_INDEX - 1 + 5))"
    );
}

#[test]
fn nodes_are_mapped() {
    let oar = Oar { memory_property: Some("memnode".into()), ..oar() };
    let nodes = oar.read_nodes(&[captured("nodes"), captured("poll-full")]).unwrap();
    let lines: Vec<String> = nodes
        .iter()
        .map(|node| {
            let jobs: Vec<String> =
                node.jobs.iter().map(|job| format!("{} of {}", job.job, job.user)).collect();
            format!(
                "{} {:?} {}/{} {:?} {jobs:?}",
                node.name, node.condition, node.cores_used, node.cores, node.memory
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    node1 Mixed 2/4 Some(ByteSize(4194304000)) ["1 of alice", "12 of alice"]
    node2 Mixed 3/4 Some(ByteSize(8388608000)) ["7 of alice", "8 of alice", "9 of alice"]
    node3 Down 0/4 Some(ByteSize(12582912000)) []
    "#);
}

#[test]
fn the_queue_is_listed() {
    let queue = oar().read_queue(&captured("queue")).unwrap();
    let lines: Vec<String> = queue
        .iter()
        .map(|job| format!("{} {:?} {} cores {:?}", job.job, job.name, job.cores, job.state))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    14 Some("held") 1 cores Pending { reason: "Hold" }
    17 Some("wait1") 0 cores Pending { reason: "No enough matching resources (no_matching_slot)" }
    18 Some("wait2") 0 cores Pending { reason: "No enough matching resources (no_matching_slot)" }
    19 Some("wait3") 12 cores Pending { reason: "R=12,W=0:10:0,J=B,N=wait3" }
    "#);
    assert!(oar().queue(Whose::Mine).args.contains(&"--user".to_owned()));
}

#[test]
fn usage_is_read() {
    let everyone = oar().read_usage(&captured("accounting")).unwrap();
    assert_eq!(everyone.len(), 1);
    assert_eq!(everyone[0].user, "alice");
    assert!((everyone[0].core_hours * 3600.0 - 821.0).abs() < 0.01);
    let mine = oar().read_usage(&captured("accounting-user")).unwrap();
    let rows: Vec<(Option<&str>, i64)> = mine
        .iter()
        .map(|row| (row.account.as_deref(), (row.core_hours * 3600.0).round() as i64))
        .collect();
    assert_eq!(rows, [(Some("nosuch"), 3), (Some("default"), 818)]);
    let start = Timestamp::from_second(1_795_737_600).unwrap();
    let end = Timestamp::from_second(1_795_824_000).unwrap();
    let question = oar().usage(Whose::Mine, &Period { start, end });
    assert_eq!(question.args, ["--accounting=2026-11-27, 2026-11-28", "--user"]);
    // a period that ends within a day takes in what was used on that day
    let evening = Timestamp::from_second(1_795_809_600).unwrap();
    assert_eq!(oar().usage(Whose::Mine, &Period { start, end: evening }).args, question.args);
}

#[test]
fn a_site_is_learned() {
    let site = oar().read_probe(&[captured("version"), captured("queue-nodes")]).unwrap();
    assert_eq!(site.version, Some(SchedulerVersion(2, 5, 9)));
    assert_eq!(site.memory_property.as_deref(), Some("memnode"));
    assert_eq!(site.gpu_property, None);
    let groups: Vec<(u32, u32, Option<ByteSize>)> = site.partitions[0]
        .node_groups
        .iter()
        .map(|group| (group.count, group.cores, group.memory))
        .collect();
    let gigabytes = |number: u64| Some(ByteSize((number * 1000) << 20));
    assert_eq!(groups, [(1, 4, gigabytes(4)), (1, 4, gigabytes(8)), (1, 4, gigabytes(12))]);
    assert!(site.features.contains(&"cluster".to_owned()));
    assert!(!site.features.contains(&"resource_id".to_owned()));
    let text = toml::to_string(&site).unwrap();
    assert_eq!(toml::from_str::<Site>(&text).unwrap(), site);
    let wish = Resources { cpus: Some(5), partition: None, ..Resources::default() };
    let refusals = check(&wish, None, &site, Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(refusals[0].to_string(), "5 cores on a node: partition `default` has 4");
    // queues cannot be asked for: a name that is not known may be right
    let wish = Resources { partition: Some("production".into()), ..Resources::default() };
    assert_eq!(check(&wish, None, &site, Timestamp::UNIX_EPOCH), Ok(()));
}

/// The names that fields have in the database, and in newer versions' answers.
///
/// <https://github.com/oar-team/oar/blob/37db5384/sources/core/qfunctions/oarstat#L332>
#[test]
fn fields_of_newer_versions_are_read() {
    let text = r#"[{"id": 5, "name": "k", "user": "alice", "state": "Terminated", "exit_code": "256",
        "start_time": 1795808080, "stop_time": 1795808084, "network_addresses": ["node2"],
        "queue_name": "default", "types": [], "events": []},
        {"id": 6, "job_name": "l", "job_user": "alice", "state": "Bewildered", "events": []}]"#;
    let output = Output { code: Some(0), stdout: text.into(), ..Output::default() };
    let reports = oar().read_poll(&output).unwrap();
    assert_eq!(
        states(&reports),
        ["5 Failed { code: Some(1), signal: None }", "6 Unknown(\"Bewildered\")"]
    );
    let report = &reports[&JobHandle::new(5)];
    assert_eq!(report.nodes, ["node2"]);
    assert_eq!(report.end, Timestamp::from_second(1_795_808_084).ok());
    let queue = oar().read_queue(&output).unwrap();
    assert_eq!(queue[1].name.as_deref(), Some("l"));
    assert_eq!(queue[1].user, "alice");
    let none = Output { code: Some(0), stdout: "[]\n".into(), ..Output::default() };
    assert!(oar().read_poll(&none).unwrap().is_empty());
}
