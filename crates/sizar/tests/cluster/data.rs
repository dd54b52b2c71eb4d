//! Data go once: whatever breaks on the way, whatever their names, and whatever rots there.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use sizar_testkit::{Cluster, Line, noise};

use crate::site::{Site, eventually};

/// Digests all that it is shown.
const READ: &str = r"
import hashlib, os

if __name__ == '__main__':
    whole = hashlib.sha256()
    for folder, folders, files in os.walk(b'scans'):
        folders.sort()
        for name in sorted(files):
            with open(os.path.join(folder, name), 'rb') as file:
                whole.update(os.path.join(folder, name) + b'\0' + file.read())
    os.makedirs('out', exist_ok=True)
    with open('out/digest.txt', 'w') as out:
        out.write(whole.hexdigest())
";

const MEBIBYTE: u64 = 1 << 20;
/// What one fault may cost of these three, of which one alone ends the process that has taken chunks and
/// not written them: what was on the line, which is 2 MiB of a channel, and two chunks.
const LOST: u64 = 4 * MEBIBYTE;

#[test]
fn slow_cluster_data_go_once_whatever_breaks_and_rots() {
    let site = Site::of(Cluster::slurm().up(), &[]);
    site.world.write("code/read.py", READ);
    let scans = site.world.here().join("scans");
    let payload = fill(scans.as_std_path());
    let line = site.cluster.line("slurm", Duration::ZERO).unwrap();
    site.add("slurm", line.ssh_config().as_str()).exits(0);
    site.run("slurm", &[]).exits(0);

    let args = ["run", "./code", "--on", "slurm", "--data", "./scans:scans", "--", "read.py"];
    let start = line.passed();
    // `kill -9` of this side
    line.hold_from(start + 8 * MEBIBYTE);
    let mut client = site.spawn(&args);
    until_passed(&line, start + 8 * MEBIBYTE);
    client.kill().unwrap();
    client.wait().unwrap();
    // of the other side, and the line itself
    line.hold_from(start + 14 * MEBIBYTE);
    let client = site.spawn(&args);
    until_passed(&line, start + 14 * MEBIBYTE);
    site.kill_there("__there-transfer");
    line.hold_from(start + 20 * MEBIBYTE);
    until_passed(&line, start + 20 * MEBIBYTE);
    site.forget_logins();
    line.cut();
    line.release();
    let said = client.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let went = line.passed() - start;
    // and the list of what there is, at each try
    assert!(went < payload + MEBIBYTE + 3 * LOST, "{went} of {payload}");
    let first = digest(&site);

    // the same again: nothing of it goes
    site.sizar(&args).exits(0);
    assert_eq!(digest(&site), first);
    let usage = site.show(&site.newest())["usage"].clone();
    assert_eq!(usage["bytes_sent"], 0, "{usage}");
    assert!(usage["control_sent"].as_u64().unwrap() > 0, "{usage}");

    // somebody wrote into the store: that goes again, and no more
    let rot = "cd .sizar/store/blobs && f=$(find . -type f -size -4k | sort | head -n 1) && \
               chmod u+w $f && printf X | dd of=$f bs=1 count=1 conv=notrunc 2>/dev/null";
    site.cluster.ssh("slurm", rot).exits(0);
    site.sizar(&args).exits(0);
    assert_eq!(digest(&site), first);

    // what a run uses stays; the rest is named, and goes when it is old
    let swept = site.sizar(&["target", "gc", "slurm", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(swept["trees_removed"], 0, "{swept}");
    assert!(swept["trees_kept"].as_u64().unwrap() >= 2, "{swept}");
}

/// Makes many small files, names that are awkward, and a large file; returns how many bytes.
fn fill(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut write = |path: &Path, content: &[u8]| {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
        bytes += content.len() as u64;
    };
    for number in 0..3000_u64 {
        let path = folder.join(format!("page{}/{number}.png", number % 30));
        write(&path, &noise(number, 2048));
    }
    let long = vec![b'n'; 255];
    for name in [&b"a\nb"[..], b"\xff\xfe", &long] {
        write(&folder.join(std::ffi::OsStr::from_bytes(name)), name);
    }
    write(&folder.join("model.bin"), &noise(7, 24 << 20));
    bytes
}

fn until_passed(line: &Line, bytes: u64) {
    eventually("bytes passed", || line.passed() >= bytes);
}

/// Returns what the newest run made of what it was shown.
fn digest(site: &Site) -> String {
    let id = site.newest();
    site.ended(&id, "completed");
    site.sizar(&["fetch", &id, "out/digest.txt", "-o", &id]).exits(0);
    fs_err::read_to_string(site.world.here().join(&id).join("out/digest.txt")).unwrap()
}
