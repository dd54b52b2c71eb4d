//! A real sshd on the loopback, in a folder of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

const PROGRAM: &str = "/usr/sbin/sshd";

/// An sshd that lets the user of the test in, by a key of its own; it ends when it is dropped.
///
/// It needs no privileges and touches nothing outside its folder. Where it has privileges, other
/// accounts may log in as well.
pub struct Sshd {
    folder: tempfile::TempDir,
    server: Child,
    port: u16,
}

impl Sshd {
    /// Starts one with these further lines of `sshd_config`.
    pub fn start(lines: &[&str]) -> Self {
        Self::start_with(|_| lines.iter().map(|line| (*line).to_owned()).collect())
    }

    /// Starts one whose lines name files in its folder, which the closure makes.
    ///
    /// # Panics
    ///
    /// Where there is no sshd: a test that needs it does not pass without it.
    pub fn start_with(lines: impl Fn(&Utf8Path) -> Vec<String>) -> Self {
        assert!(
            Utf8Path::new(PROGRAM).exists(),
            "there is no {PROGRAM}: apt-get install openssh-server"
        );
        let folder =
            tempfile::Builder::new().prefix("sizar-sshd-").tempdir().expect("a temporary folder");
        let path = Utf8Path::from_path(folder.path()).expect("a path in UTF-8").to_owned();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a folder to share");
        for key in ["host", "id"] {
            new_key(&path.join(key));
        }
        fs::copy(path.join("id.pub"), path.join("authorized")).expect("a copy of the key");
        // compiled into sshd for where it has privileges to give up
        let _ = fs::create_dir_all("/run/sshd");
        for _ in 0..20 {
            let port = free_port();
            let mut text = lines(&path).join("\n");
            text.push_str(&format!(
                "\nPort {port}\nListenAddress 127.0.0.1\nHostKey {path}/host\nPidFile none\n\
                 AuthorizedKeysFile {path}/authorized\nUsePAM no\nStrictModes no\nUseDNS no\n\
                 PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n\
                 PermitRootLogin yes\nMaxStartups 200\nSubsystem sftp internal-sftp\n\
                 LogLevel VERBOSE\n"
            ));
            fs::write(path.join("sshd_config"), text).expect("a configuration");
            if let Some(server) = serve(&path, port) {
                let sshd = Self { folder, server, port };
                sshd.know("known_hosts", &sshd.path("host.pub"));
                return sshd;
            }
        }
        let log = fs::read_to_string(path.join("log")).unwrap_or_default();
        panic!("sshd does not start: {log}");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns a path in its folder.
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("a path in UTF-8").join(name)
    }

    /// Returns what it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Returns how many logins it has let in.
    pub fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }

    /// Writes an `ssh_config` in which the host `login` is this sshd; `lines` go before the rest,
    /// and so count more.
    pub fn client_config(&self, lines: &[&str]) -> Utf8PathBuf {
        let path = self.path(&format!("ssh_config_{}", random_word()));
        let text = format!(
            "Host *\n  {}\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {}\n  \
             GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  HostKeyAlias login\n",
            lines.join("\n  "),
            self.port,
            self.path("id"),
            self.path("known_hosts"),
        );
        fs::write(&path, text).expect("a configuration");
        path
    }

    /// Writes a file of known hosts in which `login` has the key in the file `key`.
    pub fn know(&self, name: &str, key: &Utf8Path) -> Utf8PathBuf {
        let key = fs::read_to_string(key).expect("a public key");
        fs::write(self.path(name), format!("login {key}")).expect("a file of known hosts");
        self.path(name)
    }

    /// Makes a key that nobody knows, and returns the file of its secret half.
    pub fn foreign_key(&self) -> Utf8PathBuf {
        let path = self.path(&format!("foreign_{}", random_word()));
        new_key(&path);
        path
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let mut below = vec![self.server.id()];
        let mut next = 0;
        while let Some(process) = below.get(next).copied() {
            let children = format!("/proc/{process}/task/{process}/children");
            let children = fs::read_to_string(children).unwrap_or_default();
            below.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            next += 1;
        }
        let mut kill = Command::new("kill");
        kill.arg("-9").args(below.iter().map(ToString::to_string)).stderr(Stdio::null());
        let _ = kill.status();
        let _ = self.server.wait();
    }
}

/// Writes a program into a folder, such as one for `ForceCommand`.
pub fn write_program(path: &Utf8Path, text: &str) {
    fs::write(path, text).expect("a program");
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("an executable file");
}

fn serve(folder: &Utf8Path, port: u16) -> Option<Child> {
    let mut server = Command::new(PROGRAM)
        .args(["-D", "-f", folder.join("sshd_config").as_str(), "-E", folder.join("log").as_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sshd starts");
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        if matches!(server.try_wait(), Ok(Some(_))) {
            return None;
        }
        // by its own word: who answers at the port may be another that was faster
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        if log.contains(&format!("Server listening on 127.0.0.1 port {port}.")) {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = server.kill();
    let _ = server.wait();
    None
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("its number").port()
}

fn new_key(path: &Utf8Path) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path.as_str()])
        .status()
        .expect("apt-get install openssh-client");
    assert!(status.success(), "a key");
}

fn random_word() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:08x}", RandomState::new().hash_one(0) as u32)
}
