//! The files of a cluster before it starts: scripts, options, keys, ssh configuration.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::builder::Size;
use super::ports::Ports;
use super::{ClusterBuilder, ClusterError, INSIDE, USER, login_environment, process};

const SCRIPTS: [(&str, &str); 7] = [
    ("init.sh", include_str!("../../cluster/init.sh")),
    ("control.sh", include_str!("../../cluster/control.sh")),
    ("daemons.sh", include_str!("../../cluster/daemons.sh")),
    ("site.sh", include_str!("../../cluster/site.sh")),
    ("ssh.sh", include_str!("../../cluster/ssh.sh")),
    ("slurm.sh", include_str!("../../cluster/slurm.sh")),
    ("oar.sh", include_str!("../../cluster/oar.sh")),
];

/// The keys of the hosts, and the one with which the account logs in.
const KEYS: [&str; 4] = ["host_login-slurm", "host_login-oar", "host_transfer", "id"];

const FOLDER: &str = "sizar-cluster-";

/// Makes a temporary folder that says to whom it belongs.
pub(super) fn temporary() -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix(FOLDER).tempdir()?;
    let owner = std::process::id();
    let start = process::started(owner as i32).unwrap_or_default();
    fs::write(folder.path().join("owner"), format!("{owner} {start}"))?;
    Ok(folder)
}

/// Removes temporary folders whose owner was killed before it could.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(FOLDER) {
            let Ok(text) = fs::read_to_string(entry.path().join("owner")) else { continue };
            let Some((owner, start)) = text.split_once(' ') else { continue };
            let lives = owner
                .parse()
                .is_ok_and(|owner| process::started(owner).is_some_and(|started| started == start));
            if !lives {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Writes everything that the scripts read.
pub(super) fn lay_out(
    prefix: &Utf8Path,
    wanted: &ClusterBuilder,
    ports: &Ports,
) -> Result<(), ClusterError> {
    clear(prefix).map_err(ClusterError::Folder)?;
    write_files(prefix, wanted, ports).map_err(ClusterError::Folder)?;
    copy_settings(prefix)?;
    keys(prefix)?;
    let known = known_hosts(prefix, wanted, ports).map_err(ClusterError::Folder)?;
    fs::write(prefix.join("known_hosts"), known).map_err(ClusterError::Folder)?;
    fs::write(prefix.join("ssh_config"), ssh_config(prefix, wanted, ports))
        .map_err(ClusterError::Folder)
}

/// Returns whether the cluster in `prefix` was made with that option.
pub(super) fn option(prefix: &Utf8Path, name: &str) -> bool {
    let options = fs::read_to_string(prefix.join("options")).unwrap_or_default();
    options.lines().any(|line| line.strip_prefix(name) == Some("=1"))
}

/// Returns the ports of the cluster in `prefix`, by name.
pub(super) fn ports(prefix: &Utf8Path) -> Vec<(String, u16)> {
    let options = fs::read_to_string(prefix.join("options")).unwrap_or_default();
    let lines = options.lines().filter_map(|line| line.split_once("_PORT="));
    let named = lines.map(|(name, port)| Some((name.to_ascii_lowercase(), port.parse().ok()?)));
    named.flatten().collect()
}

/// Returns the port of a host of the ssh configuration.
pub(super) fn port_of(prefix: &Utf8Path, host: &str) -> u16 {
    let name = match host {
        "slurm" => "login_slurm",
        "oar" => "login_oar",
        _ => "transfer",
    };
    ports(prefix).iter().find(|(one, _)| one == name).map_or(0, |(_, port)| *port)
}

/// Writes an ssh configuration in which a host is reached by another port.
pub(super) fn line_config(
    prefix: &Utf8Path,
    host: &str,
    port: u16,
    through: u16,
) -> std::io::Result<Utf8PathBuf> {
    let path = prefix.join(format!("ssh_config-{through}"));
    let config = fs::read_to_string(prefix.join("ssh_config"))?;
    // the first value counts
    let host = format!("Host {host}\n  Port {through}\n  HostKeyAlias [127.0.0.1]:{port}\n\n");
    fs::write(&path, host + &config)?;
    Ok(path)
}

/// Removes what an earlier cluster left in the folder, apart from its keys.
fn clear(prefix: &Utf8Path) -> std::io::Result<()> {
    for entry in prefix.read_dir_utf8()? {
        let entry = entry?;
        match entry.file_name() {
            "keys" | "owner" => {}
            _ if entry.file_type()?.is_dir() => fs::remove_dir_all(entry.path())?,
            _ => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn write_files(prefix: &Utf8Path, wanted: &ClusterBuilder, ports: &Ports) -> std::io::Result<()> {
    fs::set_permissions(prefix, Permissions::from_mode(0o755))?;
    for folder in ["scripts", "etc/home", "etc/profile.d", "keys", "log", "run"] {
        fs::create_dir_all(prefix.join(folder))?;
    }
    fs::set_permissions(prefix.join("etc"), Permissions::from_mode(0o755))?;
    for (name, text) in SCRIPTS {
        fs::write(prefix.join("scripts").join(name), text)?;
    }
    fs::write(prefix.join("options"), options(wanted, ports))?;
    fs::write(prefix.join("etc/bashrc"), format!("{}\n", wanted.bashrc))?;
    let variables = login_environment::variables(INSIDE, USER);
    for (name, text) in [
        ("etc/setenv", login_environment::set_env(&variables)),
        ("etc/profile.d/zz-site.sh", login_environment::profile(INSIDE, &variables)),
    ] {
        // addresses of package indexes may carry passwords
        fs::write(prefix.join(name), text)?;
        fs::set_permissions(prefix.join(name), Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn options(wanted: &ClusterBuilder, ports: &Ports) -> String {
    let size = |size: Option<Size>| {
        size.map_or(String::new(), |size| format!("{},{}", size.bytes, size.files))
    };
    let flags = [
        ("SLURM", wanted.slurm),
        ("OAR", wanted.oar),
        ("ACCOUNTING", wanted.accounting),
        ("PRIVATE_NETWORK", wanted.private_network),
        ("MEMORY_ENFORCED", wanted.memory_enforced),
        ("STAY", wanted.stay),
    ];
    let flags = flags.map(|(name, flag)| format!("{name}={}\n", u8::from(flag))).concat();
    let ports = ports.named().map(|(name, port)| format!("{name}={port}\n")).concat();
    format!(
        "{flags}{ports}MAX_SESSIONS={}\nNODE_TIMEOUT={}\nHOME_SIZE={}\nSCRATCH_SIZE={}\n",
        wanted.max_sessions,
        wanted.node_timeout,
        size(wanted.home),
        size(wanted.scratch),
    )
}

/// Copies the files in which this user says how packages are reached.
fn copy_settings(prefix: &Utf8Path) -> Result<(), ClusterError> {
    let Some(home) = std::env::var_os("HOME").map(std::path::PathBuf::from) else { return Ok(()) };
    let files = [".config/pip", ".config/uv", ".pip", ".condarc", ".mambarc"];
    let there: Vec<_> = files.into_iter().filter(|name| home.join(name).exists()).collect();
    if there.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("cp");
    command.args(["-rL", "--parents"]).args(there).arg(prefix.join("etc/home")).current_dir(home);
    checked("cp", &mut command)
}

fn keys(prefix: &Utf8Path) -> Result<(), ClusterError> {
    let folder = prefix.join("keys");
    for name in KEYS {
        if !folder.join(name).exists() {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", "sizar", "-f"]);
            checked("ssh-keygen", command.arg(folder.join(name)))?;
        }
    }
    fs::copy(folder.join("id.pub"), folder.join("authorized")).map_err(ClusterError::Folder)?;
    // `sshd` reads it as the account
    for (path, mode) in [(folder.clone(), 0o755), (folder.join("authorized"), 0o644)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(ClusterError::Folder)?;
    }
    Ok(())
}

fn checked(program: &'static str, command: &mut Command) -> Result<(), ClusterError> {
    let output = command.output().map_err(|source| ClusterError::Program { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ClusterError::Failed { program, said })
}

/// Returns the hosts: name in the ssh configuration, port, key.
fn hosts(wanted: &ClusterBuilder, ports: &Ports) -> Vec<(&'static str, u16, &'static str)> {
    let slurm = [
        ("slurm", ports.of("LOGIN_SLURM_PORT"), "host_login-slurm"),
        ("slurm-transfer", ports.of("TRANSFER_PORT"), "host_transfer"),
    ];
    let oar = [
        ("oar", ports.of("LOGIN_OAR_PORT"), "host_login-oar"),
        ("oar-transfer", ports.of("TRANSFER_PORT"), "host_transfer"),
    ];
    let slurm = slurm.into_iter().filter(|_| wanted.slurm);
    slurm.chain(oar.into_iter().filter(|_| wanted.oar)).collect()
}

fn known_hosts(
    prefix: &Utf8Path,
    wanted: &ClusterBuilder,
    ports: &Ports,
) -> std::io::Result<String> {
    let mut text = String::new();
    for (_, port, key) in hosts(wanted, ports) {
        let key = fs::read_to_string(prefix.join(format!("keys/{key}.pub")))?;
        let line = format!("[127.0.0.1]:{port} {key}");
        if !text.contains(&line) {
            text.push_str(&line);
        }
    }
    Ok(text)
}

fn ssh_config(prefix: &Utf8Path, wanted: &ClusterBuilder, ports: &Ports) -> String {
    let hosts = hosts(wanted, ports);
    let each = hosts.iter().map(|(name, port, _)| format!("Host {name}\n  Port {port}\n\n"));
    let names: Vec<_> = hosts.iter().map(|(name, _, _)| *name).collect();
    format!(
        "{each}Host {names}\n  HostName 127.0.0.1\n  User {USER}\n  \
         IdentityFile \"{prefix}/keys/id\"\n  IdentitiesOnly yes\n  \
         UserKnownHostsFile \"{prefix}/known_hosts\"\n  GlobalKnownHostsFile /dev/null\n  \
         StrictHostKeyChecking yes\n",
        each = each.collect::<String>(),
        names = names.join(" "),
    )
}
