//! The target's disk fills up while a job runs: bytes, then files.

use sizar_testkit::{Cluster, Size};

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
             seq $((free - 120)) | xargs touch"
        } else {
            "free=$(df --output=avail -k . | tail -n 1) && \
             head -c $(((free - 8192) * 1024)) /dev/zero > ballast"
        };
        site.cluster.ssh("slurm", ballast).exits(0);
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
