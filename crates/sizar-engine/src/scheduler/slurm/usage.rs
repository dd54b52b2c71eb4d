//! What was used: `sacct` of the user's own jobs, `sreport` of everybody's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sizar_model::cluster::UsageRow;
use sizar_model::{Invocation, Output};

use super::dialect::Slurm;
use super::{failure, gres};
use crate::scheduler::{Period, SchedulerError, Whose};

fn moment(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

pub(super) fn ask(slurm: &Slurm, whose: Whose, period: &Period) -> Invocation {
    let (start, end) = (moment(period.start), moment(period.end));
    match whose {
        Whose::Mine => slurm
            .command("sacct")
            .args(["--allocations", "--parsable2", "--noheader", "--truncate"])
            .arg(format!("--user={}", slurm.user))
            .arg(format!("--starttime={start}"))
            .arg(format!("--endtime={end}"))
            .arg("--format=Account,User,ElapsedRaw,CPUTimeRAW,AllocTRES"),
        // sums that the daemon keeps by the hour: no list of a million jobs
        Whose::Everyones => slurm
            .command("sreport")
            .args(["--parsable2", "--noheader", "-t", "seconds", "--tres=cpu,gres/gpu"])
            .args(["cluster", "AccountUtilizationByUser"])
            .arg(format!("start={start}"))
            .arg(format!("end={end}"))
            .arg("format=Account,Login,TRESName,Used"),
    }
}

pub(super) fn read(output: &Output) -> Result<Vec<UsageRow>, SchedulerError> {
    let text = failure::answer("sacct", output)?;
    let mut sums: BTreeMap<(String, String), Sum> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('|').collect();
        let added = match fields[..] {
            [account, user, elapsed, cpu, tres] => {
                add_job(&mut sums, account, user, [elapsed, cpu, tres])
            }
            [account, user, tres, used] => add_sum(&mut sums, account, user, [tres, used]),
            _ => None,
        };
        added.ok_or_else(|| SchedulerError::unreadable("sacct", line))?;
    }
    Ok(sums
        .into_iter()
        .map(|((account, user), sum)| UsageRow {
            account: (!account.is_empty()).then_some(account),
            user,
            core_hours: sum.core_seconds / 3600.0,
            gpu_hours: Some(sum.gpu_seconds / 3600.0),
            jobs: (sum.jobs > 0).then_some(sum.jobs),
        })
        .collect())
}

#[derive(Default)]
struct Sum {
    core_seconds: f64,
    gpu_seconds: f64,
    jobs: u64,
}

type Sums = BTreeMap<(String, String), Sum>;

fn add_job(sums: &mut Sums, account: &str, user: &str, fields: [&str; 3]) -> Option<()> {
    let [elapsed, cpu, tres] = fields;
    let elapsed: f64 = elapsed.parse().ok()?;
    // what a job allocates of a kind is listed twice, with the kind and without
    let gpus = gres::gpus(tres);
    let all = gpus.iter().find(|group| group.kind.is_none()).map(|group| group.count);
    let all = all.unwrap_or_else(|| gpus.iter().map(|group| group.count).sum());
    let sum = sums.entry((account.to_owned(), user.to_owned())).or_default();
    // `CPUTimeRAW` is not shortened to the period where `ElapsedRaw` is, before 20.11
    sum.core_seconds += cpu.parse::<f64>().ok()?;
    sum.gpu_seconds += elapsed * f64::from(all);
    sum.jobs += u64::from(elapsed > 0.0);
    Some(())
}

fn add_sum(sums: &mut Sums, account: &str, user: &str, fields: [&str; 2]) -> Option<()> {
    // a line without a user sums up the account and those below it
    if user.is_empty() {
        return Some(());
    }
    let [tres, used] = fields;
    let used: f64 = used.parse().ok()?;
    let sum = sums.entry((account.to_owned(), user.to_owned())).or_default();
    match tres {
        "cpu" => sum.core_seconds += used,
        "gres/gpu" => sum.gpu_seconds += used,
        _ => {}
    }
    Some(())
}
