//! Commands on a cluster that is up, and faults.

use std::net::TcpListener;
use std::process::Command;

use camino::Utf8PathBuf;

use super::{Cluster, Daemon, INSIDE, files};
use crate::Said;

impl Cluster {
    /// Runs a line of shell as the ordinary account on one of the hosts of [`Self::ssh_config`].
    pub fn ssh(&self, host: &str, line: &str) -> Said {
        let mut command = self.on_network("ssh");
        command.args(["-o", "BatchMode=yes", "-F", self.ssh_config().as_str(), host, line]);
        said(&mut command)
    }

    /// Starts another login node of Slurm, with the same home folders and host key and with processes
    /// and a name of its own, as behind one name in DNS; returns an ssh configuration whose `slurm` is
    /// it.
    pub fn another_login_node(&self) -> std::io::Result<Utf8PathBuf> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let line = format!(
            "C={INSIDE}; . $C/scripts/daemons.sh; \
             sed 's/^Port .*/Port {port}/' $C/etc/sshd-login-slurm.conf >$C/etc/sshd-login2.conf; \
             daemon sshd-login2 unshare --mount --uts --pid --fork --kill-child --mount-proc \
             bash -c 'hostname frontend2; exec /usr/sbin/sshd -D -f $0/etc/sshd-login2.conf' $C; \
             wait_for sshd-login2 listens 127.0.0.1 {port}"
        );
        self.root(&line).exits(0);
        files::line_config(&self.prefix, "slurm", files::port_of(&self.prefix, "slurm"), port)
    }

    /// Starts another way into Slurm's login node, which asks for one of `codes` after the key and takes
    /// each once; returns an ssh configuration whose `slurm` it is, and the file that has a line for
    /// each code that was tried.
    pub fn login_with_codes(&self, codes: &[&str]) -> std::io::Result<(Utf8PathBuf, Utf8PathBuf)> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let tried = format!("{INSIDE}/log/codes");
        let line = format!(
            "C={INSIDE}; . $C/scripts/daemons.sh; printf '%s\\n' {codes} >$C/etc/codes; : >{tried}; \
             cat >$C/etc/code.sh <<'K'\n\
             #!/bin/sh\n\
             code=$(tr -d '\\0'); echo asked >>{tried}\n\
             grep -qx \"$code\" {INSIDE}/etc/codes && sed -i \"/^$code$/d\" {INSIDE}/etc/codes\n\
             K\n\
             chmod 755 $C/etc/code.sh; \
             {{ echo auth required pam_exec.so quiet expose_authtok $C/etc/code.sh; \
             echo auth required pam_permit.so; echo account required pam_permit.so; echo session required pam_permit.so; }} \
             >$C/etc/pam-codes; \
             {{ sed -e 's/^Port .*/Port {port}/' -e 's/^UsePAM no/UsePAM yes/' \
             -e 's/^\\(KbdInteractiveAuthentication\\) no/\\1 yes/' $C/etc/sshd-login-slurm.conf; \
             echo AuthenticationMethods publickey,keyboard-interactive; }} >$C/etc/sshd-codes.conf; \
             daemon sshd-codes unshare --mount bash -c 'mount --bind $0/etc/pam-codes /etc/pam.d/sshd; \
             exec /usr/sbin/sshd -D -f $0/etc/sshd-codes.conf -E $0/log/sshd-codes.log' $C; \
             wait_for sshd-codes listens 127.0.0.1 {port}",
            codes = codes.join(" "),
        );
        self.root(&line).exits(0);
        let own = files::port_of(&self.prefix, "slurm");
        let config = files::line_config(&self.prefix, "slurm", own, port)?;
        Ok((config, self.inside(&tried)))
    }

    /// Runs a line of shell as root on the frontend.
    pub fn root(&self, line: &str) -> Said {
        said(self.enter().args(["bash", "-c", line]))
    }

    /// Starts a daemon that was stopped or killed, and returns when it answers.
    pub fn start(&self, daemon: Daemon<'_>) {
        self.control(&["start", &daemon.to_string()]).exits(0);
    }

    /// Asks a daemon to end and returns when it has ended.
    pub fn stop(&self, daemon: Daemon<'_>) {
        self.control(&["stop", &daemon.to_string()]).exits(0);
    }

    /// Kills a daemon; a node's with everything that runs on the node.
    ///
    /// A `slurmctld` that is killed forgets what it had not saved, which it does every few seconds;
    /// one that is stopped forgets nothing.
    pub fn kill(&self, daemon: Daemon<'_>) {
        self.control(&["kill", &daemon.to_string()]).exits(0);
    }

    /// Cuts the connections that an `sshd` has now; it takes new ones, and what runs is left alone.
    pub fn cut(&self, daemon: Daemon<'_>) {
        self.control(&["cut", &daemon.to_string()]).exits(0);
    }

    /// Returns each daemon that was ever started, and whether it runs.
    pub fn daemons(&self) -> Vec<(String, bool)> {
        let status = self.control(&["status"]).exits(0);
        let lines = status.stdout.lines().filter_map(|line| line.split_once(' '));
        lines.map(|(name, state)| (name.to_owned(), state == "up")).collect()
    }

    /// Lets the walltime of a job of Slurm end now; `slurmctld` sees to it within half a minute.
    pub fn expire(&self, job: &str) {
        self.root(&format!("scontrol update jobid={job} EndTime=now")).exits(0);
    }

    fn control(&self, args: &[&str]) -> Said {
        let script = format!("{INSIDE}/scripts/control.sh");
        said(self.enter().arg("bash").arg(script).args(args))
    }

    /// Returns the beginning of a command in the namespaces of the cluster.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.life.init().to_string()])
            .args(["--mount", "--pid", "--uts", "--net", "--"])
            .env_clear()
            .env("PATH", super::process::PATH)
            .stdin(std::process::Stdio::null());
        command
    }
}

fn said(command: &mut Command) -> Said {
    let output = command.output().expect("the program starts");
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
