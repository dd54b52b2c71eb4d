//! What a login node is and has, as one read-only script tells.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use sizar_model::resources::ByteSize;

/// Asks what the machine is and has: read only, a line `key=value` for each answer.
pub(super) const SCRIPT: &str = include_str!("machine.sh");

/// What a login node is and has; what no answer told is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its home folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<Utf8PathBuf>,
    /// The login node's name; behind one address there are often several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// As `uname -m` says: `x86_64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// As `uname -sr` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The version of glibc; none where the C library is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glibc: Option<String>,
    /// The account's login shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_shell: Option<String>,
    /// `lmod` or `environment-modules`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules: Option<String>,
    /// The file that a batch script reads to have `module`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules_init: Option<Utf8PathBuf>,
    /// Programs and their versions: `uv`, `git`, `tar`, `rsync`, `zstd`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, String>,
    /// Interpreters, with their versions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pythons: BTreeMap<Utf8PathBuf, String>,
    /// Whether the login node reaches the package index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internet: Option<bool>,
    /// Folders to keep things in, the account's home first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub storage: Vec<Storage>,
}

/// A folder to keep things in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// `home`, or the variable that names it: `SCRATCH`, `WORK`.
    pub name: String,
    pub path: Utf8PathBuf,
    /// The kind of its file system: `nfs4`, `lustre`, `ext4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What is free on the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<ByteSize>,
    /// How many files can still be made on the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_inodes: Option<u64>,
    /// The account's quota and what of it is used, where one is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
}

/// How much an account may keep, and keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_used: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inodes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inodes_used: Option<u64>,
}

/// What the script tells beside the machine itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub slurm: bool,
    pub oar: bool,
    /// A folder of the nodes' own, as a word of the shell.
    pub node_scratch: Option<String>,
}

impl Machine {
    /// Reads what the script printed; lines that are none of its own are passed over.
    pub(super) fn read(text: &str) -> (Self, Batch) {
        let mut machine = Self::default();
        let mut batch = Batch::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let some = || Some(value.to_owned());
            match key {
                "user" => machine.user = some(),
                "home" => machine.home = some().map(Utf8PathBuf::from),
                "node" => machine.node = some(),
                "architecture" => machine.architecture = some(),
                "system" => machine.system = some(),
                "glibc" => machine.glibc = some(),
                "login_shell" => machine.login_shell = some(),
                "modules" => machine.modules = some(),
                "modules_init" => machine.modules_init = some().map(Utf8PathBuf::from),
                "internet" => machine.internet = Some(value == "yes"),
                "batch" => match value {
                    "slurm" => batch.slurm = true,
                    "oar" => batch.oar = true,
                    _ => {}
                },
                "node_scratch" => batch.node_scratch = some(),
                "program" => pair(value, &mut machine.programs),
                "python" => {
                    if let Some((path, version)) = value.split_once('|') {
                        machine.pythons.insert(path.into(), version.to_owned());
                    }
                }
                "storage" => machine.storage.extend(storage(value)),
                "quota" => {
                    if let Some((name, quota)) = value.split_once('|')
                        && let Some(kept) = machine.storage.iter_mut().find(|s| s.name == name)
                    {
                        kept.quota = self::quota(quota);
                    }
                }
                _ => {}
            }
        }
        (machine, batch)
    }
}

fn pair(value: &str, into: &mut BTreeMap<String, String>) {
    if let Some((name, version)) = value.split_once('|') {
        into.insert(name.to_owned(), version.trim().to_owned());
    }
}

/// Reads `NAME|KIND|FREE KIB|FREE INODES|PATH`.
fn storage(value: &str) -> Option<Storage> {
    let mut parts = value.splitn(5, '|');
    let mut next = || parts.next().unwrap_or_default().trim().to_owned();
    let (name, kind, free, inodes, path) = (next(), next(), next(), next(), next());
    (!path.is_empty()).then(|| Storage {
        name,
        path: path.into(),
        kind: Some(kind).filter(|kind| !kind.is_empty()),
        free: free.parse().ok().map(|kib: u64| ByteSize(kib << 10)),
        // file systems without a table of inodes say 0, or nothing
        free_inodes: inodes.parse().ok().filter(|&count| count > 0),
        quota: None,
    })
}

/// Reads `KIB USED|KIB LIMIT|FILES USED|FILES LIMIT`; a limit of 0 is none.
fn quota(value: &str) -> Option<Quota> {
    let numbers: Vec<Option<u64>> = value
        .split('|')
        // `quota` marks what is above its limit with a star
        .map(|number| number.trim().trim_end_matches('*').parse().ok())
        .collect();
    let number = |index: usize| numbers.get(index).copied().flatten();
    let limit = |index: usize| number(index).filter(|&limit| limit > 0);
    let quota = Quota {
        bytes_used: number(0).map(|kib| ByteSize(kib << 10)),
        bytes: limit(1).map(|kib| ByteSize(kib << 10)),
        inodes_used: number(2),
        inodes: limit(3),
    };
    (quota.bytes.is_some() || quota.inodes.is_some()).then_some(quota)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_noise_is_passed_over() {
        let text = "Welcome!\nuser=alice\nhome=/home/alice\nbatch=slurm\nmodules=lmod\n\
                    modules_init=/etc/profile.d/lmod.sh\nprogram=git|git version 2.39.5\n\
                    python=/usr/bin/python3.11|3.11.2\ninternet=no\n\
                    storage=home|nfs4|1024|0|/home/alice\nstorage=SCRATCH|lustre|2048|9|/s/a|b\n\
                    quota=home|512*|500|10|0\nnode_scratch=$TMPDIR\n";
        let (machine, batch) = Machine::read(text);
        assert_eq!(machine.user.as_deref(), Some("alice"));
        assert_eq!(machine.internet, Some(false));
        assert_eq!(machine.programs["git"], "git version 2.39.5");
        assert_eq!(machine.storage[0].free, Some(ByteSize(1 << 20)));
        assert_eq!(machine.storage[0].free_inodes, None);
        assert_eq!(machine.storage[1].path, "/s/a|b");
        let quota = machine.storage[0].quota.as_ref().unwrap();
        assert_eq!(
            (quota.bytes_used, quota.bytes),
            (Some(ByteSize(512 << 10)), Some(ByteSize(500 << 10)))
        );
        assert_eq!((quota.inodes_used, quota.inodes), (Some(10), None));
        assert_eq!(batch, Batch { slurm: true, oar: false, node_scratch: Some("$TMPDIR".into()) });
    }

    #[test]
    fn the_script_tells_of_this_machine() {
        let output = std::process::Command::new("sh").args(["-c", SCRIPT]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (machine, _) = Machine::read(&String::from_utf8_lossy(&output.stdout));
        assert_eq!(machine.architecture.as_deref(), Some(std::env::consts::ARCH));
        assert_eq!(machine.storage.first().map(|storage| storage.name.as_str()), Some("home"));
        assert!(machine.programs.contains_key("tar"));
    }
}
