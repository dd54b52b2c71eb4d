//! A line that is cut again and again, a disk that fills here, files that are seen late there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use sizar_testkit::{Cluster, Daemon};

use crate::site::{Site, eventually};

/// Copies what it is given, and makes a result of twenty mebibytes and a hundred small ones.
const LARGE: &str = r"
import argparse, hashlib, os

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--read')
    parser.add_argument('--size', type=int, default=20)
    args = parser.parse_args()
    os.makedirs('out', exist_ok=True)
    if args.read:
        with open(args.read, 'rb') as file, open('out/digest.txt', 'w') as out:
            out.write(hashlib.sha256(file.read()).hexdigest())
    with open('out/large.bin', 'wb') as out:
        for piece in range(args.size):
            block = hashlib.sha256(str(piece).encode()).digest()
            out.write(block * (1048576 // len(block)))
    for number in range(100):
        with open('out/%d.txt' % number, 'w') as out:
            out.write(str(number) * 100)
";

const MEBIBYTE: u64 = 1 << 20;
/// What one cut may cost.
const CHUNK: u64 = 8 * MEBIBYTE;

#[test]
fn slow_cluster_a_line_that_is_cut_and_a_full_disk_lose_nothing() {
    let site = Site::of(Cluster::slurm().up(), &[]);
    site.world.write("code/large.py", LARGE);
    let disk = Disk::at(site.world.sizar_home());
    let line = site.cluster.line("slurm", Duration::ZERO).unwrap();
    site.add("slurm", line.ssh_config().as_str()).exits(0);
    // what is sent once for all runs is there
    site.run("slurm", &[]).exits(0);

    let block: Vec<u8> =
        (0..40 * MEBIBYTE / 8).flat_map(|n| (n * 0x9e37_79b9).to_le_bytes()).collect();
    site.world.write("scans/page.bin", ""); // makes the folder
    fs_err::write(site.world.here().join("scans/page.bin"), &block).unwrap();
    let upload = ["run", "./code", "--on", "slurm", "--detach", "--data", "./scans:scans"];
    let upload = [&upload[..], &["--", "large.py", "--read", "scans/page.bin"]].concat();
    let (id, cuts) = cut_often(&site, &line, || {
        let said = site.world.said(&mut site.world.command(&upload));
        assert_eq!(said.code, 0, "{said}");
        said
    });
    let (said, id) = (format!("{id}"), id.stdout.trim().to_owned());
    let sent = usage(&site, &id)["bytes_sent"].as_u64().unwrap();
    let payload = block.len() as u64;
    assert!(
        cuts > 0 && sent <= payload * 101 / 100 + cuts * CHUNK + MEBIBYTE,
        "{sent} in {cuts} cuts: {said}"
    );
    // the job may have begun: its receipt has room from then on
    let parts = "find .sizar -name '*.part' ! -name receipt.json.part";
    let parts = site.cluster.ssh("slurm", parts).stdout;
    assert_eq!(parts, "");

    // on the way back, a cut is answered by asking again
    eventually("the receipt", || site.there(&id, "attempt-1/receipt.json").exists());
    let before = usage(&site, &id)["bytes_received"].as_u64().unwrap();
    let ((), cuts) = cut_often(&site, &line, || {
        while site.world.sizar(&["wait", &id]).code != 0 {
            let here = site.world.sizar_home().join(format!("runs/{id}/attempt-1"));
            assert!(!here.exists(), "what is not whole has its name");
            site.forget_logins();
        }
    });
    let came = usage(&site, &id)["bytes_received"].as_u64().unwrap() - before;
    assert!(came <= 21 * MEBIBYTE + cuts * CHUNK, "{came} in {cuts} cuts");
    let run = site.ended(&id, "completed");
    assert_eq!(Site::results(&run).len(), 102, "{run}");
    site.sizar(&["fetch", &id, "out/digest.txt", "-o", "back"]).exits(0);
    let digest = fs_err::read_to_string(site.world.here().join("back/out/digest.txt")).unwrap();
    let sum = std::process::Command::new("sha256sum")
        .arg(site.world.here().join("scans/page.bin"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&sum.stdout).starts_with(&digest), "{digest}");

    let locks = site.cluster.ssh("slurm", "ls .sizar/locks").stdout;
    assert_eq!(locks, "", "leases end with what they are for");
    the_disk_here_is_full(&site, &disk);
    a_receipt_is_seen_late(&site);
    the_controller_is_dead(&site);
}

/// Cuts the line while `work` is done, each time that three mebibytes have passed, five times at most.
fn cut_often<T>(site: &Site, line: &sizar_testkit::Line, work: impl FnOnce() -> T) -> (T, u64) {
    /// Says that the work is over, also where it failed.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ending = Over(&over);
        let cutting = scope.spawn(|| {
            let mut cuts = 0;
            while !over.load(Ordering::Relaxed) && cuts < 5 {
                let before = line.passed();
                while line.passed() < before + 3 * MEBIBYTE && !over.load(Ordering::Relaxed) {
                    site.forget_logins();
                    std::thread::sleep(Duration::from_millis(2));
                }
                if over.load(Ordering::Relaxed) {
                    break;
                }
                line.cut();
                cuts += 1;
            }
            cuts
        });
        let done = work();
        drop(ending);
        (done, cutting.join().unwrap())
    })
}

/// A file system of its own for the laptop's home.
struct Disk(camino::Utf8PathBuf);

impl Disk {
    fn at(path: camino::Utf8PathBuf) -> Self {
        fs_err::create_dir_all(&path).unwrap();
        let disk = Self(path);
        disk.mount(&["-t", "tmpfs", "-o", "size=1g", "tmpfs"]);
        disk
    }

    /// Makes it so large that this many bytes are free.
    fn leave(&self, bytes: u64) {
        let mut stat = std::process::Command::new("stat");
        stat.args(["-f", "-c", "%b %f %S"]).arg(&self.0);
        let text = String::from_utf8(stat.output().unwrap().stdout).unwrap();
        let numbers: Vec<u64> = text.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let size = (numbers[0] - numbers[1]) * numbers[2] + bytes;
        self.mount(&["-o", &format!("remount,size={size}")]);
    }

    fn mount(&self, args: &[&str]) {
        let status = std::process::Command::new("mount").args(args).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn usage(site: &Site, id: &str) -> Value {
    site.world.sizar(&["show", id, "--json", "--no-refresh"]).exits(0).json()["usage"].clone()
}

/// The home's file system has no room for all results.
fn the_disk_here_is_full(site: &Site, disk: &Disk) {
    let args = ["run", "./code", "--on", "slurm", "--detach", "--", "large.py", "--size", "30"];
    let id = site.sizar(&args).exits(0).stdout.trim().to_owned();
    eventually("the receipt", || site.there(&id, "attempt-1/receipt.json").exists());
    disk.leave(12 * MEBIBYTE);
    let waited = site.sizar(&["wait", &id]);
    assert_ne!(waited.code, 0, "{waited}");
    assert!(waited.stderr.contains("the disk here is full"), "{waited}");
    assert!(waited.stderr.contains("MiB of 30.0 MiB"), "{waited}");
    assert!(site.there(&id, "attempt-1/work/out/large.bin").exists());
    let before = usage(site, &id)["bytes_received"].as_u64().unwrap();
    disk.leave(100 * MEBIBYTE);
    site.sizar(&["resume", &id]).exits(0);
    site.ended(&id, "completed");
    let came = usage(site, &id)["bytes_received"].as_u64().unwrap() - before;
    assert!(came < 20 * MEBIBYTE, "{came}");
}

/// As NFS shows files: the receipt comes to be seen some time after the job has ended.
fn a_receipt_is_seen_late(site: &Site) {
    let id = site.detached("slurm", &["--", "--sleep", "3"]);
    site.until_it_prints(&id);
    let receipt = site.there(&id, "attempt-1/receipt.json");
    let aside = receipt.with_file_name(".nfs000001");
    eventually("the receipt", || fs_err::rename(&receipt, &aside).is_ok());
    eventually("the job has ended", || {
        site.jobs("slurm", &id, 1).iter().all(|job| job.code.is_some())
    });
    // within the grace nothing is judged, however often it is asked
    for _ in 0..2 {
        let shown = site.show(&id);
        assert!(["queued", "running"].contains(&shown["state"].as_str().unwrap()), "{shown}");
    }
    fs_err::rename(&aside, &receipt).unwrap();
    site.sizar(&["wait", &id]).exits(0);
    site.ended(&id, "completed");
}

/// What asks a controller that is away ends soon, and says so.
fn the_controller_is_dead(site: &Site) {
    site.cluster.kill(Daemon::Slurmctld);
    let began = std::time::Instant::now();
    let said = site.sizar(&["nodes", "slurm"]);
    assert_ne!(said.code, 0, "{said}");
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}: {said}", began.elapsed());
    assert!(said.stderr.contains("in time") || said.stderr.contains("cannot be reached"), "{said}");
}
