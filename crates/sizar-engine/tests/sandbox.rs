//! What foreign programs can and cannot reach.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod process_world;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Stdio;

use camino::Utf8PathBuf;
use process_world::{World, as_process, python, role, shell};
use sizar_engine::process::ProcessError;
use sizar_engine::sandbox::{Binding, SandboxKind, detect, landlock_abi};
use sizar_model::artifact::Ending;
use sizar_model::{Invocation, NetworkAccess};

for_each_kind!(bubblewrap Bubblewrap, landlock Landlock: {
    slow_the_users_files_stay_out_of_sight the_users_files_stay_out_of_sight,
    slow_what_is_readable_is_not_writable what_is_readable_is_not_writable,
    slow_its_own_folders_are_writable its_own_folders_are_writable,
    slow_without_network_nothing_is_reached without_network_nothing_is_reached,
    slow_its_own_loopback_works its_own_loopback_works,
    slow_the_whole_network_when_asked_for the_whole_network_when_asked_for,
    slow_the_index_and_nothing_else_is_reached the_index_and_nothing_else_is_reached,
    slow_variables_are_clean variables_are_clean,
    slow_other_processes_are_safe other_processes_are_safe,
    slow_semaphores_and_pipes_work semaphores_and_pipes_work,
});

#[test]
fn slow_something_is_detected() {
    assert_ne!(detect(), SandboxKind::None, "this test needs bubblewrap or Landlock");
}

/// Makes a folder in the real home folder, which no confinement lists.
fn secret_folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let home = std::env::var("HOME").unwrap();
    let folder = tempfile::Builder::new().prefix(".sizar-test-").tempdir_in(home).unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    fs_err::write(path.join("id_ed25519"), "the secret").unwrap();
    (folder, path)
}

fn the_users_files_stay_out_of_sight(kind: SandboxKind) {
    let world = World::new(kind);
    let (_folder, secret) = secret_folder();
    for script in [
        format!("cat {secret}/id_ed25519"),
        format!("ls {secret}"),
        format!("ls {}/*", std::env::var("HOME").unwrap()),
        "cat /etc/shadow".to_owned(),
        format!("cat {}", world.root.join("other")),
        format!("echo x > {secret}/new"),
        format!("rm {secret}/id_ed25519"),
        format!("mv {secret}/id_ed25519 ."),
        format!("ln {secret}/id_ed25519 ."),
        format!("ln -s {secret}/id_ed25519 link && cat link"),
    ] {
        fs_err::write(world.root.join("other"), "the secret").unwrap();
        let done = world.shell(&script);
        assert_ne!(done.ending, Ending::Exited { code: 0 }, "{script}: {}", done.stdout);
        assert!(!done.stdout.contains("the secret"), "{script}");
    }
    let left: Vec<_> = fs_err::read_dir(&secret).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["id_ed25519"]);
}

fn what_is_readable_is_not_writable(kind: SandboxKind) {
    let mut world = World::new(kind);
    let data = world.root.join("data");
    fs_err::create_dir(&data).unwrap();
    fs_err::write(data.join("a"), "data").unwrap();
    world.confinement.readable.push(data.clone());
    assert_eq!(world.shell(&format!("cat {data}/a")).stdout, "data");
    for script in [
        format!("echo x >> {data}/a"),
        format!("echo x > {data}/b"),
        format!("rm {data}/a"),
        format!("mkdir {data}/c"),
        "echo x > /usr/sizar-test".to_owned(),
        "echo x > /opt/sizar-test".to_owned(),
        "echo x > /sizar-test".to_owned(),
        "echo x > /etc/sizar-test".to_owned(),
    ] {
        assert_ne!(world.shell(&script).ending, Ending::Exited { code: 0 }, "{script}");
    }
    // A read-only file cannot be cut short either.
    let done = world.python(&format!("import os; os.truncate('{data}/a', 0)"));
    assert!(done.ending != Ending::Exited { code: 0 } || landlock_abi() < 3);
    assert_eq!(fs_err::read_to_string(data.join("a")).unwrap(), "data");
}

fn its_own_folders_are_writable(kind: SandboxKind) {
    let world = World::new(kind);
    let script = "set -e; echo a > here; mkdir d; mv here d/; echo b > ~/there; \
                  f=$(mktemp); echo c > $f; echo $HOME; mkdir -p $XDG_CACHE_HOME/x";
    let done = world.shell(script);
    assert_eq!(done.ending, Ending::Exited { code: 0 }, "{}", done.stderr);
    assert_eq!(fs_err::read_to_string(world.work.join("d/here")).unwrap(), "a\n");
    assert_eq!(fs_err::read_to_string(world.confinement.home.join("there")).unwrap(), "b\n");
    assert_eq!(done.stdout, format!("{}\n", world.confinement.home));
    let temporary = fs_err::read_dir(&world.confinement.tmp).unwrap();
    let names = temporary.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("tmp.")).count(), 1);
}

fn without_network_nothing_is_reached(kind: SandboxKind) {
    let world = World::new(kind);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script =
        format!("import socket; socket.create_connection(('127.0.0.1', {port}), 5).send(b'x')");
    let done = world.python(&script);
    assert_eq!(done.ending, Ending::Exited { code: 1 }, "{}", done.stderr);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

fn its_own_loopback_works(kind: SandboxKind) {
    let world = World::new(kind);
    let script = "
import socket
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
client.send(b'to myself')
print(peer.recv(100).decode())
print(socket.gethostbyname('localhost'))
";
    let done = world.python(script);
    // Without a network namespace of its own there is no loopback to allow, and the record says so.
    if done.notes.iter().any(|note| note.contains("TCP, also to itself, was refused")) {
        assert_eq!(done.ending, Ending::Exited { code: 1 });
        return;
    }
    assert_eq!(done.stdout, "to myself\n127.0.0.1\n", "{}{:?}", done.stderr, done.notes);
}

fn the_whole_network_when_asked_for(kind: SandboxKind) {
    let world = World::new(kind);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script =
        format!("import socket; socket.create_connection(('127.0.0.1', {port}), 5).send(b'x')");
    let done = world.python_with(NetworkAccess::Full, &script);
    assert_eq!(done.ending, Ending::Exited { code: 0 }, "{}", done.stderr);
    listener.accept().unwrap();
}

fn the_index_and_nothing_else_is_reached(kind: SandboxKind) {
    let world = World::new(kind);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "
import os, socket, urllib.request as u
print('six' in u.urlopen('https://pypi.org/simple/six/').read().decode())
for url in ['https://evil.example/', 'http://evil.example/', 'https://pypi.org:22/']:
    opener = u.build_opener(u.ProxyHandler({{k: os.environ['HTTPS_PROXY'] for k in ['http', 'https']}}))
    try: opener.open(url)
    except OSError as error: print(error)
for address in [('127.0.0.1', {port}), ('151.101.0.223', 443)]:
    try: socket.create_connection(address, 5); print('reached')
    except OSError as error: print('refused')
"
    );
    let done = world.python_with(NetworkAccess::Index, &script);
    let expected = "True\n<urlopen error Tunnel connection failed: 403 Forbidden>\n\
                    HTTP Error 403: Forbidden\n\
                    <urlopen error Tunnel connection failed: 403 Forbidden>\nrefused\nrefused\n";
    assert_eq!(done.stdout, expected, "{}", done.stderr);
    for host in ["evil.example:443", "evil.example:80", "pypi.org:22"] {
        let note = format!("refused a connection to `{host}`");
        assert!(done.notes.contains(&note), "{:?}", done.notes);
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(done.ending, Ending::Exited { code: 0 });
    // The way there does not change how a program ends.
    let ended = |script| world.run(shell(script).network(NetworkAccess::Index)).unwrap().ending;
    assert_eq!(ended("exit 9"), Ending::Exited { code: 9 });
    assert_eq!(ended("kill -9 $$"), Ending::Signalled { signal: 9 });
    let missing = world.run(Invocation::new("no-such-program").network(NetworkAccess::Index));
    assert!(matches!(missing, Err(ProcessError::ProgramNotFound { .. })), "{missing:?}");
}

#[test]
fn slow_role_environment() {
    let Some((kind, _)) = role() else { return };
    println!("{}", World::new(kind).shell("env").stdout);
}

fn variables_are_clean(kind: SandboxKind) {
    let world = World::new(kind);
    let output = as_process("slow_role_environment", kind, &world.root)
        .env("AWS_SECRET_ACCESS_KEY", "the secret")
        .env("LD_PRELOAD_NOT", "the secret")
        .env("LC_TIME", "de_DE.UTF-8")
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // the first variable stands behind the name of the test
    assert!(text.lines().any(|line| line.ends_with("LC_TIME=de_DE.UTF-8")), "{text}");
    assert!(text.contains("WANDB_MODE=offline\n"), "{text}");
    assert!(!text.contains("the secret"), "{text}");
    let set =
        world.run(shell("echo $A $LD_LIBRARY_PATH").env("A", "b").env("LD_LIBRARY_PATH", "/x"));
    assert_eq!(set.unwrap().stdout, "b /x\n");
}

fn other_processes_are_safe(kind: SandboxKind) {
    let world = World::new(kind);
    let me = std::process::id();
    for script in [
        format!("open('/proc/{me}/environ').read()"),
        format!("open('/proc/{me}/mem', 'rb')"),
        format!("import os; os.listdir('/proc/{me}/root/root')"),
        format!("import os; os.kill({me}, 0)"),
    ] {
        if script.contains("kill") && kind == SandboxKind::Landlock && landlock_abi() < 6 {
            continue;
        }
        let done = world.python(&script);
        assert_eq!(done.ending, Ending::Exited { code: 1 }, "{script}: {}", done.stdout);
    }
}

fn semaphores_and_pipes_work(kind: SandboxKind) {
    let world = World::new(kind);
    let script = "
import multiprocessing as m, subprocess, sys
from multiprocessing import shared_memory
def f(x): return x * x
if __name__ == '__main__':
    with m.Pool(2) as pool: print(pool.map(f, range(3)))
    s = shared_memory.SharedMemory(create=True, size=100 << 20); s.buf[-1] = 1; s.close(); s.unlink()
    print(subprocess.check_output([sys.executable, '-c', 'print(1)']).decode().strip())
";
    fs_err::write(world.work.join("pool.py"), script).unwrap();
    let done = world.run(Invocation::new("/usr/bin/python3").args(["pool.py"])).unwrap();
    assert_eq!(done.stdout, "[0, 1, 4]\n1\n", "{}", done.stderr);
}

#[test]
fn slow_bubblewrap_shows_files_under_other_names() {
    let mut world = World::new(SandboxKind::Bubblewrap);
    let data = world.root.join("scans");
    fs_err::create_dir(&data).unwrap();
    fs_err::write(data.join("a"), "scan").unwrap();
    let there = ["/mnt/data/x", "/etc/other/x", "/home/someone/data"].map(Utf8PathBuf::from);
    for there in there.iter().chain(&[world.work.join("data/imgs")]) {
        let binding = Binding { here: data.clone(), there: there.clone(), writable: false };
        world.confinement.bindings.push(binding);
        assert_eq!(world.shell(&format!("cat {there}/a")).stdout, "scan", "{there}");
        let written = world.shell(&format!("echo x > {there}/b"));
        assert_ne!(written.ending, Ending::Exited { code: 0 });
    }
    assert_eq!(fs_err::read_dir(&data).unwrap().count(), 1);
}

#[test]
fn slow_landlock_says_which_names_it_cannot_give() {
    let mut world = World::new(SandboxKind::Landlock);
    let data = world.root.join("scans");
    fs_err::create_dir(&data).unwrap();
    fs_err::write(data.join("a"), "scan").unwrap();
    let binding = |there| Binding { here: data.clone(), there, writable: false };
    // A link made by the caller will do.
    let link = world.work.join("data");
    fs_err::os::unix::fs::symlink(&data, &link).unwrap();
    world.confinement.bindings = vec![binding(link)];
    assert_eq!(world.shell("cat data/a").stdout, "scan");
    assert_ne!(world.shell("echo x > data/b").ending, Ending::Exited { code: 0 });
    world.confinement.bindings = vec![binding("/mnt/sizar-test/x".into())];
    let error = world.run(shell("true")).unwrap_err();
    assert!(
        matches!(error, ProcessError::BindingNeedsBubblewrap { there } if there == "/mnt/sizar-test/x")
    );
}

#[test]
fn slow_bubblewrap_says_who_one_is() {
    let world = World::new(SandboxKind::Bubblewrap);
    let script = "import os, pwd, socket; print(os.getuid(), pwd.getpwuid(os.getuid()).pw_name, \
                  socket.gethostname(), socket.gethostbyname(socket.gethostname()))";
    assert_eq!(world.python(script).stdout, "1000 researcher sizar 127.0.0.1\n");
    // `/tmp` is the run's own, whatever wrote to it.
    world.shell("echo a > /tmp/file; echo b > /var/tmp/file2");
    for name in ["file", "file2"] {
        assert!(world.confinement.tmp.join(name).exists());
    }
}

#[test]
fn slow_bubblewrap_itself_does_not_load_what_the_program_should() {
    let world = World::new(SandboxKind::Bubblewrap);
    // Outside, loading this would fail loudly on standard error before bubblewrap starts.
    let invocation = python("import os; print(os.environ['LD_PRELOAD'])")
        .env("LD_PRELOAD", world.work.join("missing.so").as_str());
    let done = world.run(invocation).unwrap();
    let complaints = done.stderr.matches("cannot be preloaded").count();
    assert_eq!(complaints, 1, "{}", done.stderr);
}

#[test]
fn slow_pip_and_uv_install_from_the_index() {
    let mut world = World::new(SandboxKind::Bubblewrap);
    let path = std::env::var("PATH").unwrap();
    let mut found = path.split(':').map(|folder| Utf8PathBuf::from(folder).join("uv"));
    if let Some(uv) = found.find_map(|uv| uv.canonicalize_utf8().ok()) {
        world.confinement.readable.push(uv.clone());
        let venv = Invocation::new(uv.as_str()).args(["venv", "-p", "/usr/bin/python3", "env"]);
        assert_eq!(world.run(venv).unwrap().ending, Ending::Exited { code: 0 });
        let install =
            Invocation::new(uv.as_str()).args(["pip", "install", "-p", "env", "six==1.16.0"]);
        let done = world.run(install.network(NetworkAccess::Index)).unwrap();
        assert_eq!(done.ending, Ending::Exited { code: 0 }, "{}", done.stderr);
    }
    let download = ["-m", "pip", "download", "--no-deps", "-d", "got", "six==1.16.0"];
    let download = Invocation::new("/usr/bin/python3").args(download).network(NetworkAccess::Index);
    let done = world.run(download).unwrap();
    assert_eq!(done.ending, Ending::Exited { code: 0 }, "{}", done.stderr);
    assert!(world.work.join("got/six-1.16.0-py2.py3-none-any.whl").exists());
}
