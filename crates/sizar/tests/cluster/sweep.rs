//! Sweeps as job arrays: one job for each task, whatever happens on the way.

use serde_json::Value;
use sizar_testkit::Cluster;

use crate::site::{CLAIMED, Site};

/// Six tasks, of which the third fails.
const SIX: [&str; 4] = ["--zip", "code=0,0,3,0,0,0", "--zip", "sleep=0,0,0,0,0,0.1"];

#[test]
fn slow_cluster_a_sweep_is_an_array_of_runs() {
    let site = Site::of(Cluster::slurm().with_oar().up(), &["slurm", "oar"]);
    for target in ["slurm", "oar"] {
        one_fails_and_is_retried(&site, target);
        an_answer_is_lost(&site, target);
        one_comes_after_others(&site, target);
    }
    a_data_set_is_laid_out_for_it(&site);
    it_is_divided_under_the_limits_of_the_site(&site);
    it_is_cancelled(&site);
}

fn one_fails_and_is_retried(site: &Site, target: &str) {
    let metric = "epoch=epoch ([0-9]+)";
    let mut args = SIX.to_vec();
    args.extend(["--time", "3m", "--metric", metric, "--metric", "none=out/none.json:a"]);
    let said = site.sizar(&line(target, &args)).exits(1);
    assert!(said.stdout.contains("5 completed, 1 failed"), "{said}");
    let id = newest(site);
    let table = shown(site, &id);
    assert_eq!(table["states"], serde_json::json!({"completed": 5, "failed": 1}), "{table}");
    for (number, row) in rows(&table).iter().enumerate() {
        let code = if number == 2 { 3 } else { 0 };
        assert_eq!(row["exit_code"], code, "{row}");
        assert_eq!(row["parameters"]["code"], code.to_string(), "{row}");
        assert_eq!(row["metrics"], serde_json::json!({"epoch": 2.0, "none": null}), "{row}");
        let run = row["run"].as_str().unwrap();
        let used = site.world.sizar_home().join("runs").join(run).join("attempt-1/usage.csv");
        assert!(used.is_file(), "{used}");
    }
    assert_eq!(worked(site, target, &id, 1), 6);
    // each has its own results, and all came home
    site.sizar(&["fetch", &id, "-o", &id]).exits(0);
    for number in 0..6 {
        let last = site.world.here().join(&id).join(number.to_string()).join("out/last.txt");
        assert_eq!(fs_err::read_to_string(last).unwrap(), "last\n");
    }
    site.sizar(&["sweep", "retry", &id]).exits(1);
    let attempts: Vec<u64> =
        rows(&shown(site, &id)).iter().map(|row| row["attempts"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 1, 2, 1, 1, 1]);
    assert_eq!(worked(site, target, &id, 2), 1);
    let log = site.sizar(&["logs", &format!("{id}.2")]).exits(0).stdout;
    assert!(log.contains("epoch 2"), "{log}");
}

/// The client dies at each step: what was handed over is found again, and nothing twice.
fn an_answer_is_lost(site: &Site, target: &str) {
    let line = line(target, &["--grid", "sleep=0,0.1,0.2", "--time", "3m"]);
    let points = [
        "elsewhere:before-submitted",
        "elsewhere:after-submitting",
        "elsewhere:after-submitted",
        "elsewhere:after-prepared",
        "sweep:after-created",
    ];
    // the scheduler makes a difference where it has an array that nobody knows of
    let count = if target == "oar" { 1 } else { points.len() };
    for point in points.into_iter().take(count) {
        site.dies_at(point, &line);
        let id = newest(site);
        site.sizar(&["wait", &id]).exits(0);
        assert_eq!(worked(site, target, &id, 1), 3, "{target}, {point}");
        assert_eq!(worked(site, target, &id, 2), 0, "{target}, {point}");
    }
}

fn one_comes_after_others(site: &Site, target: &str) {
    let args = ["--detach", "--zip", "code=0,4", "--zip", "sleep=2,2"];
    let id = site.sizar(&line(target, &args)).exits(0).stdout.trim().to_owned();
    let (well, badly) = (format!("{id}.0"), format!("{id}.1"));
    let after_well = site.detached(target, &["--after", &well]);
    let after_badly = site.detached(target, &["--after", &badly]);
    let after_all = site.detached(target, &["--after", &id]);
    site.sizar(&["wait", &after_well]).exits(0);
    site.ended(&after_well, "completed");
    // both are followed together
    assert_eq!(site.sizar(&["wait", &after_badly, &after_all]).code, 1);
    for run in [&after_badly, &after_all] {
        let run = site.ended(run, "failed");
        let reason = run["reason"].as_str().unwrap();
        assert!(reason.contains("was not run") && reason.contains("is failed"), "{run}");
        assert!(Site::results(&run).is_empty(), "{run}");
    }
    let said = site.run(target, &["--after", &badly]).exits(125);
    assert!(said.stderr.contains("is failed"), "{said}");
}

/// A driver with an option for each part of COCO; it needs no package.
const PARTS: &str = "\
import argparse, json, os

def CocoDetection(root, annFile):
    for image in json.load(open(annFile))['images']:
        print(open(os.path.join(root, image['file_name'])).read())

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--train-images', required=True)
    parser.add_argument('--train-annotations', required=True)
    parser.add_argument('--lr', type=float, default=1)
    args = parser.parse_args()
    CocoDetection(args.train_images, args.train_annotations)
    print('lr', args.lr)
";

/// The data set goes along as it is laid out, and each task's options name its parts.
fn a_data_set_is_laid_out_for_it(site: &Site) {
    site.world.write("code/parts.py", PARTS);
    let mut images = Vec::new();
    for at in 0..5 {
        site.world.write(&format!("marked/p{at}.jpg"), &format!("pixels of {at}"));
        images.push(serde_json::json!({"id": at, "file_name": format!("p{at}.jpg"), "width": 9,
            "height": 9}));
    }
    let document = serde_json::json!({"images": images, "annotations": [], "categories": []});
    site.world.write("marked/all.json", &document.to_string());
    let args = ["sweep", "./code", "--on", "oar", "--data", "coco:./marked", "--grid", "lr=1,2"];
    let driver = ["--time", "3m", "--", "parts.py", "--lr", "{lr}"];
    let said = site.sizar(&[&args[..], &driver].concat()).exits(0);
    assert!(said.stderr.contains("`--train-images data/coco/train2017` is passed"), "{said}");
    let id = newest(site);
    for number in 0..2 {
        let log = site.sizar(&["logs", &format!("{id}.{number}")]).exits(0).stdout;
        assert_eq!(log.matches("pixels of ").count(), 4, "{log}");
        assert!(log.contains(&format!("lr {}.0", number + 1)), "{log}");
    }
    let run = site.sizar(&["show", &format!("{id}.1"), "--json"]).exits(0).json();
    assert_eq!(run["job"]["origins"][0]["places"][0], "data/coco/annotations", "{run}");
}

fn it_is_divided_under_the_limits_of_the_site(site: &Site) {
    let profile = site.world.sizar_home().join("targets/slurm/target.toml");
    let before = fs_err::read_to_string(&profile).unwrap();
    let limits = "\n[site]\nmax_array_size = 2\nmax_submit_jobs = 4\n";
    fs_err::write(&profile, before.clone() + limits).unwrap();
    site.sizar(&line("slurm", &["--grid", "code=0,0,0,0,0,0,0", "--time", "3m"])).exits(0);
    let id = newest(site);
    let parts: Vec<usize> = (1..=8).map(|part| worked(site, "slurm", &id, part)).collect();
    assert_eq!(parts.iter().sum::<usize>(), 7, "{parts:?}");
    assert!(parts.iter().all(|tasks| *tasks <= 2), "{parts:?}");
    fs_err::write(&profile, before).unwrap();
}

fn it_is_cancelled(site: &Site) {
    let args = ["--detach", "--grid", "sleep=600,600,600", "--max-running", "1", "--time", "20m"];
    let id = site.sizar(&line("slurm", &args)).exits(0).stdout.trim().to_owned();
    let first = rows(&shown(site, &id))[0]["run"].as_str().unwrap().to_owned();
    site.until_it_prints(&first);
    site.sizar(&["cancel", &id]).exits(0);
    site.sizar(&["wait", &id]).exits(1);
    assert_eq!(shown(site, &id)["states"], serde_json::json!({"cancelled": 3}));
}

/// Returns the words of a sweep of the driver.
fn line<'a>(target: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", "./code", "--on", target], args, &["--", "train.py"]].concat()
}

fn newest(site: &Site) -> String {
    let sweeps = site.sizar(&["sweep", "list", "--json"]).exits(0).json();
    sweeps[0]["id"].as_str().unwrap().to_owned()
}

fn shown(site: &Site, sweep: &str) -> Value {
    site.sizar(&["sweep", "show", sweep, "--json"]).exits(0).json()
}

fn rows(table: &Value) -> Vec<Value> {
    table["rows"].as_array().unwrap().clone()
}

/// Counts the jobs of an array that did work; fails where one of the same name did none.
#[track_caller]
fn worked(site: &Site, target: &str, sweep: &str, part: u32) -> usize {
    let jobs = site.jobs_named(target, &format!("sizar-{sweep}-{part}"));
    assert!(jobs.iter().all(|job| job.code != Some(CLAIMED)), "{jobs:?}");
    jobs.len()
}
