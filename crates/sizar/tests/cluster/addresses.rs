//! Data that lie at an address: the target fetches them, and this machine where it cannot.

use sha2::Digest as _;
use sizar_testkit::{Answer, Cluster, Server, noise};

use crate::site::{Site, eventually};

/// Copies what it is shown into its results.
const COPY: &str = r"
import os, shutil, sys

if __name__ == '__main__':
    os.makedirs('out', exist_ok=True)
    shutil.copy(sys.argv[1], 'out/copy')
";

/// Loads weights as PyTorch does, if they are where PyTorch looks first.
const LOAD: &str = r"
import os, shutil

def load_state_dict_from_url(url):
    name = url.rsplit('/', 1)[1]
    for folder in ('hub/checkpoints', 'checkpoints'):
        path = os.path.join(os.path.expanduser('~/.cache/torch'), folder, name)
        shutil.copy(path, 'out/' + folder.replace('/', '-'))

URLS = {'net': 'ADDRESS', 'other': 'https://127.0.0.1:1/other.pth'}

if __name__ == '__main__':
    os.makedirs('out', exist_ok=True)
    load_state_dict_from_url(URLS['net'])
";

const MEBIBYTE: usize = 1 << 20;

#[test]
fn slow_cluster_data_at_an_address_are_fetched_there_and_here_where_that_fails() {
    let site = Site::of(Cluster::slurm().up(), &["slurm"]);
    site.world.write("code/copy.py", COPY);
    let profile = site.world.sizar_home().join("targets/slurm/target.toml");
    let known = fs_err::read_to_string(&profile).unwrap();
    let internet = |answer: bool| {
        fs_err::write(&profile, format!("{known}\n[machine]\ninternet = {answer}\n")).unwrap();
    };
    internet(true);
    let bytes = noise(5, 3 * MEBIBYTE);
    let sum = format!("{:x}", sha2::Sha256::digest(&bytes));
    // it breaks, stands still, and goes on
    let server = Server::start({
        let bytes = bytes.clone();
        move |number, request| Answer {
            broken_at: (number == 0).then_some(MEBIBYTE),
            stalls_at: (number == 1).then_some(MEBIBYTE),
            status: if request.path.starts_with("/gone") { 404 } else { 200 },
            ..Answer::ok(bytes.clone())
        }
    });
    let run = |address: &str| {
        let data = format!("{address}:in/scans.bin");
        let args = ["run", "./code", "--on", "slurm", "--data", &data];
        [&args[..], &["--", "copy.py", "in/scans.bin"]].concat().join("\0")
    };
    let words = |line: &str| line.split('\0').map(str::to_owned).collect::<Vec<_>>();
    let address = format!("{}#sha256={sum}", server.url("/d/scans.bin"));
    let line = words(&run(&address));
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let client = site.spawn(&line);
    eventually("it stands still", || server.requests().len() == 2);
    // the connection to the target breaks, too
    let there = site.cluster.inside("/home/alice/.sizar/cache/data");
    let named = |there: &camino::Utf8Path| {
        let names = there.read_dir_utf8().into_iter().flatten().flatten();
        names.map(|entry| entry.file_name().to_owned()).collect::<Vec<_>>()
    };
    assert!(named(&there).iter().all(|name| name.ends_with(".coming")), "{:?}", named(&there));
    site.kill_there("__there-get");
    let said = crate::site::said(client);
    assert_ne!(said.code, 0, "{said}");
    // the same command goes on
    site.sizar(&line).exits(0);
    let ranges: Vec<_> = server.requests().iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, Some(1 << 20), Some(2 << 20)]);
    let id = site.newest();
    let shown = site.ended(&id, "completed");
    assert!(shown["usage"]["bytes_sent"].as_u64().unwrap() < MEBIBYTE as u64, "{shown}");
    site.sizar(&["fetch", &id, "-o", "got"]).exits(0);
    assert_eq!(fs_err::read(site.world.here().join("got/out/copy")).unwrap(), bytes);
    // nothing is asked for again
    site.sizar(&line).exits(0);
    assert_eq!(server.requests().len(), 3);

    // what is wrong is wrong from everywhere: it is not tried from here
    let wrong = format!("{}#sha256={}", server.url("/d/scans.bin"), "0".repeat(64));
    for (address, why) in
        [(wrong, "SHA-256"), (format!("{}#sha256={sum}", server.url("/gone")), "404")]
    {
        let line = words(&run(&address));
        let said = site.sizar(&line.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(said.code == 125 && said.stderr.contains(why), "{said}");
        assert!(
            said.stderr.contains("on slurm") && !said.stderr.contains("fetched here"),
            "{said}"
        );
    }
    assert_eq!(named(&there).iter().filter(|name| !name.ends_with(".coming")).count(), 1);

    // a target without an internet gets it from here
    internet(false);
    let other = format!("{}#sha256={sum}", server.url("/other/scans.bin"));
    let line = words(&run(&other));
    let said = site.sizar(&line.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
    assert!(said.stderr.contains("does not reach the internet"), "{said}");
    let shown = site.ended(&site.newest(), "completed");
    assert!(shown["usage"]["bytes_sent"].as_u64().unwrap() > 3 * MEBIBYTE as u64, "{shown}");
    weights_are_fetched_before_the_job(&site);
}

fn weights_are_fetched_before_the_job(site: &Site) {
    let bytes = noise(6, 2 * MEBIBYTE);
    let sum = format!("{:x}", sha2::Sha256::digest(&bytes));
    let server = Server::start({
        let bytes = bytes.clone();
        move |_, _| Answer::ok(bytes.clone())
    });
    let gets = || server.requests().iter().filter(|request| request.method == "GET").count();
    let address = server.url(&format!("/w/net-{sum}.pth"));
    site.world.write("code/load.py", &LOAD.replace("ADDRESS", &address));
    let run = |options: &[&str]| {
        let line = [&["run", "./code", "--on", "slurm"], options, &["--", "load.py"]].concat();
        site.forget_logins();
        site.world.said(site.world.command(&line).env("SIZAR_WEIGHTS_HOSTS", "127.0.0.1"))
    };
    // foreign code does not have this machine's neighbours asked
    let said =
        site.sizar(&["run", "./code", "--on", "slurm", "--dry-run", "--", "load.py"]).exits(0);
    assert!(said.stderr.contains("load.py:14") && server.requests().is_empty(), "{said}");
    let name = format!("load.py:14 would download `net-{sum}.pth`");
    let said = run(&["--dry-run"]).exits(0);
    assert!(
        said.stderr.contains(&format!("{name} (2.0 MiB): it is fetched before the job")),
        "{said}"
    );
    // without it, what the code asks for is named and is not there
    let said = run(&["--weights", "no"]);
    assert!(
        said.code == 1 && said.stderr.contains(&format!("{address}`, and nodes have")),
        "{said}"
    );
    let said = run(&["--weights", "1M"]);
    assert!(said.code == 1 && said.stderr.contains("`--weights 2M` allows it"), "{said}");
    assert_eq!(gets(), 0);
    run(&[]).exits(0);
    let id = site.newest();
    site.sizar(&["fetch", &id, "-o", "loaded"]).exits(0);
    for place in ["hub-checkpoints", "checkpoints"] {
        let path = site.world.here().join("loaded/out").join(place);
        assert_eq!(fs_err::read(path).unwrap(), bytes);
    }
    let shown = site.ended(&id, "completed");
    let paths = Site::results(&shown);
    assert_eq!(paths.len(), 2, "{paths:?}");
    // the next run is as quick as any, and asks nobody
    let asked = server.requests().len();
    run(&[]).exits(0);
    let usage = site.show(&site.newest())["usage"].clone();
    assert_eq!((server.requests().len(), gets()), (asked, 1), "{usage}");
    // what is not what its name says is not shown
    let wrong = server.url(&format!("/w/net-{}a.pth", "0".repeat(63)));
    site.world.write("code/load.py", &LOAD.replace("ADDRESS", &wrong));
    let said = run(&[]);
    assert!(said.code == 1 && said.stderr.contains("could not be fetched"), "{said}");
}
