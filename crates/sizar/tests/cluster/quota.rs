//! The target's disk fills up while a job runs: bytes, then files.

use sizar_testkit::{Cluster, Size, noise};

use crate::site::Site;

/// Writes until nothing more fits: one file, or many small ones.
const FILL: &str = r"
import argparse, os

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--files', action='store_true')
    parser.add_argument('--bravely', action='store_true')
    args = parser.parse_args()
    os.makedirs('out', exist_ok=True)
    number = 0
    try:
        while True:
            name = 'out/%d.txt' % number if args.files else 'out/all.bin'
            with open(name, 'ab') as file:
                file.write(b'x' if args.files else b'x' * 1048576)
            number += 1
    except OSError as error:
        print('full after', number, flush=True)
        if not args.bravely:
            raise
";

#[test]
fn slow_cluster_a_disk_that_fills_while_a_job_runs_is_told_by_its_receipt() {
    let size = Size { bytes: 900 << 20, files: 20_000 };
    let site = Site::of(Cluster::slurm().home_size(size).up(), &["slurm"]);
    site.world.write("code/fill.py", FILL);
    site.run("slurm", &[]).exits(0);
    for files in [false, true] {
        // room for a few of what the program writes, and for its working copy
        let ballast = if files {
            "mkdir -p b && cd b && free=$(df --output=iavail . | tail -n 1) && \
             seq $((free - 120)) | xargs -r touch"
        } else {
            "free=$(df --output=avail -k . | tail -n 1) && \
             head -c $(((free - 8192) * 1024)) /dev/zero > ballast"
        };
        site.cluster.ssh("slurm", ballast).exits(0);
        data_without_room(&site, files);
        for bravely in [false, true] {
            let mut args = vec!["run", "./code", "--on", "slurm", "--no-rehearsal"];
            args.extend(["--scratch", "no", "--", "fill.py"]);
            args.extend(files.then_some("--files"));
            args.extend(bravely.then_some("--bravely"));
            let said = site.sizar(&args).exits(i32::from(!bravely));
            // where no byte fits, what is printed is lost too
            assert!(!files || said.stdout.contains("full after"), "{said}");
            let id = site.newest();
            let run = site.ended(&id, if bravely { "completed" } else { "failed" });
            assert!(run["notes"].to_string().contains("the quota used up"), "{run}");
            assert!(!Site::results(&run).is_empty(), "{run}");
            // what came home is what lies there, and makes room
            site.cluster.ssh("slurm", &format!("rm -rf .sizar/runs/{id}")).exits(0);
        }
        site.cluster.ssh("slurm", "rm -rf ballast b").exits(0);
    }
}

/// Data for which there is no room: what is free and what is needed is said, nothing is half there,
/// and what came does not go again when there is room.
fn data_without_room(site: &Site, files: bool) {
    let folder = if files { "many" } else { "large" };
    let payload = if files {
        for number in 0..400 {
            site.world.write(&format!("{folder}/{number}.txt"), &format!("file {number}\n"));
        }
        400
    } else {
        let large = site.world.write(&format!("{folder}/a.bin"), "");
        fs_err::write(large, noise(9, 24 << 20)).unwrap();
        24 << 20
    };
    let data = format!("./{folder}:data");
    let run = ["run", "./code", "--on", "slurm", "--data", &data, "--", "train.py"];
    let trees = || site.cluster.ssh("slurm", "ls .sizar/trees").exits(0).stdout;
    let before = trees();
    let said = site.sizar(&run).exits(125);
    assert!(said.stderr.contains("/.sizar` is full"), "{said}");
    assert!(
        said.stderr.contains(if files { " files were still to come" } else { "in 1 file were" }),
        "{said}"
    );
    assert!(said.stderr.contains("`sizar target gc slurm`"), "{said}");
    assert_eq!(trees(), before);
    let ballast = if files {
        "ls -d b/* | head -n 3000 | xargs rm"
    } else {
        "mv ballast b2; truncate -s -40M b2"
    };
    site.cluster.ssh("slurm", ballast).exits(0);
    site.sizar(&run).exits(0);
    let shown = site.ended(&site.newest(), "completed");
    let sent = shown["usage"]["bytes_sent"].as_u64().unwrap();
    // small files are packed well; of the large one most had come
    assert!(files || sent < payload - (4 << 20), "{shown}");
    let blobs = site.cluster.ssh("slurm", "find .sizar/store -name '.new-*' -o -path '*parts/*.*'");
    assert_eq!(blobs.stdout.lines().filter(|line| !line.contains("/.one")).count(), 0, "{blobs}");
    // as it was
    let again = if files {
        "cd b && free=$(df --output=iavail . | tail -n 1) && seq 100000 $((100000 + free - 121)) | xargs -r touch"
    } else {
        "mv b2 ballast; free=$(df --output=avail -k . | tail -n 1) && \
         head -c $(((free - 8192) * 1024)) /dev/zero >> ballast"
    };
    site.cluster.ssh("slurm", again).exits(0);
}
