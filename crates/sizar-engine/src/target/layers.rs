//! The files that a profile is read from.
//!
//! | layer | file | who writes it |
//! | --- | --- | --- |
//! | probe | `$SIZAR_HOME/targets/NAME/probe.toml` | `sizar target add` and `check` |
//! | site | `NAME.toml` in `SIZAR_SITE_TARGETS`, else in `/etc/sizar/targets` | the site |
//! | user | `$SIZAR_HOME/targets/NAME/target.toml` | `sizar target add`, then the user |
//! | project | `.sizar/targets/NAME.toml` in the folder where sizar is called, or above it | the project |
//!
//! A later layer wins, key by key; what is typed on the command line wins over all of them. A
//! project is foreign code: it may say what its runs ask for, and not where they go.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use toml::{Table, Value};

use super::{Profile, TargetError, TargetName};
use crate::home::Home;
use crate::tree_digest::write_by_rename;

/// Where sites keep what they share with their users.
const SITE_TARGETS: &str = "/etc/sizar/targets";

/// What a project's file may set.
const FOR_PROJECTS: [&str; 2] = ["defaults", "modules"];

/// One file of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `probe`, `site`, `user` or `project`.
    pub kind: &'static str,
    pub path: Utf8PathBuf,
}

/// The targets that are known here.
#[derive(Clone, Debug)]
pub struct Targets {
    folder: Utf8PathBuf,
    site: Utf8PathBuf,
    cwd: Option<Utf8PathBuf>,
}

impl Targets {
    /// Finds the targets of `home`; a project's file is looked for from `cwd` upwards.
    pub fn of(home: &Home, cwd: Option<&Utf8Path>) -> Self {
        let site = std::env::var("SIZAR_SITE_TARGETS").ok().filter(|value| !value.is_empty());
        Self {
            folder: home.root().join("targets"),
            site: site.map_or_else(|| SITE_TARGETS.into(), Utf8PathBuf::from),
            cwd: cwd.map(Utf8Path::to_owned),
        }
    }

    /// Returns the names of all targets, in order.
    pub fn names(&self) -> Vec<TargetName> {
        let mut names: Vec<TargetName> = Vec::new();
        let entries = |folder: &Utf8Path| {
            folder.read_dir_utf8().into_iter().flatten().flatten().collect::<Vec<_>>()
        };
        for entry in entries(&self.folder) {
            if entry.path().join("target.toml").is_file() {
                names.extend(entry.file_name().parse().ok());
            }
        }
        for entry in entries(&self.site) {
            names.extend(entry.file_name().strip_suffix(".toml").and_then(|n| n.parse().ok()));
        }
        names.sort();
        names.dedup();
        names
    }

    /// Returns the files of a target that are there, the weakest first.
    pub fn layers(&self, name: &TargetName) -> Vec<Layer> {
        let own = self.folder.join(name.as_str());
        let mut layers = vec![
            Layer { kind: "probe", path: own.join("probe.toml") },
            Layer { kind: "site", path: self.site.join(format!("{name}.toml")) },
            Layer { kind: "user", path: own.join("target.toml") },
        ];
        let project = |folder: &Utf8Path| folder.join(format!(".sizar/targets/{name}.toml"));
        if let Some(cwd) = &self.cwd
            && let Some(path) = cwd.ancestors().map(project).find(|path| path.is_file())
        {
            layers.push(Layer { kind: "project", path });
        }
        layers.retain(|layer| layer.path.is_file());
        layers
    }

    /// Reads what is known of a target.
    ///
    /// # Errors
    ///
    /// [`TargetError::NoSuchTarget`], [`TargetError::Profile`] with the file that is wrong, and
    /// [`TargetError::NotForProjects`].
    pub fn profile(&self, name: &TargetName) -> Result<Profile, TargetError> {
        let layers = self.layers(name);
        if layers.iter().all(|layer| matches!(layer.kind, "probe" | "project")) {
            let known = self.names().iter().map(ToString::to_string).collect();
            return Err(TargetError::NoSuchTarget { name: name.to_string(), known });
        }
        let mut merged = Table::new();
        for layer in &layers {
            let path = &layer.path;
            let wrong = |source| TargetError::Profile { path: path.clone(), source };
            let text = fs::read_to_string(path)
                .map_err(|source| TargetError::File { path: path.clone(), source })?;
            let table: Table = toml::from_str(&text).map_err(wrong)?;
            // each file alone, so that the message names the file
            toml::from_str::<Profile>(&text).map_err(wrong)?;
            if layer.kind == "project"
                && let Some(key) = table.keys().find(|key| !FOR_PROJECTS.contains(&key.as_str()))
            {
                return Err(TargetError::NotForProjects { path: path.clone(), key: key.clone() });
            }
            merge(&mut merged, table);
        }
        let path = self.folder.join(name.as_str());
        Value::Table(merged).try_into().map_err(|source| TargetError::Profile { path, source })
    }

    /// Writes the user's file of a new target.
    ///
    /// # Errors
    ///
    /// [`TargetError::Exists`] where there is one already.
    pub fn add(&self, name: &TargetName, profile: &Profile) -> Result<Utf8PathBuf, TargetError> {
        let path = self.user_file(name);
        if path.exists() {
            return Err(TargetError::Exists { name: name.to_string() });
        }
        let mut table = Table::try_from(profile)?;
        // what says nothing is not worth a line in a file that people edit
        table.retain(|_, value| value.as_table().is_none_or(|table| !table.is_empty()));
        let text = format!(
            "# the target `{name}`; `sizar target show {name}` shows all that is known\n{table}"
        );
        write(&path, &text)?;
        Ok(path)
    }

    /// Writes down what a probe learned.
    ///
    /// # Errors
    ///
    /// [`TargetError::File`] where the file cannot be written.
    pub fn remember(&self, name: &TargetName, probed: &Profile) -> Result<(), TargetError> {
        let mut table = Table::try_from(probed)?;
        // how it is reached is the user's business
        for key in ["address", "scheduler", "ssh_config", "transfer"] {
            table.remove(key);
        }
        let text = format!(
            "# written by `sizar target check {name}`: changes belong into target.toml beside it\n{table}"
        );
        write(&self.folder.join(name.as_str()).join("probe.toml"), &text)
    }

    /// Forgets a target; what is on it stays.
    ///
    /// # Errors
    ///
    /// [`TargetError::NoSuchTarget`] where the user has none of this name.
    pub fn remove(&self, name: &TargetName) -> Result<(), TargetError> {
        if !self.user_file(name).exists() {
            let known = self.names().iter().map(ToString::to_string).collect();
            return Err(TargetError::NoSuchTarget { name: name.to_string(), known });
        }
        let path = self.folder.join(name.as_str());
        fs::remove_dir_all(&path).map_err(|source| TargetError::File { path, source })
    }

    /// Returns the file that the user edits.
    pub fn user_file(&self, name: &TargetName) -> Utf8PathBuf {
        self.folder.join(name.as_str()).join("target.toml")
    }
}

/// Lays `over` onto `under`, table by table; lists are replaced whole.
fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn write(path: &Utf8Path, text: &str) -> Result<(), TargetError> {
    let failed = |source| TargetError::File { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    write_by_rename(path, text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use sizar_model::Resources;
    use sizar_model::resources::Walltime;

    use super::*;

    fn with_targets(test: impl FnOnce(&Targets, &Utf8Path)) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let cwd = root.join("project/sub");
        fs::create_dir_all(&cwd).unwrap();
        let mut targets = Targets::of(&Home::at(root.join("home")), Some(&cwd));
        targets.site = root.join("site");
        test(&targets, &root);
    }

    #[test]
    fn a_profile_says_sizes_as_the_flags_do() {
        let read = |text: &str| toml::from_str::<Profile>(text);
        let profile = read("address = \"a\"\nbwlimit = \"10M\"").unwrap();
        assert_eq!(profile.bwlimit, Some(sizar_model::resources::ByteSize(10 << 20)));
        assert_eq!(read("address = \"a\"\nbwlimit = 10485760").unwrap(), profile);
        assert!(
            read("bwlimit = \"fast\"").unwrap_err().to_string().contains("`fast` is not a size")
        );
    }

    #[test]
    fn a_later_layer_wins_key_by_key() {
        with_targets(|targets, root| {
            let name: TargetName = "tours".parse().unwrap();
            let probed = Profile {
                shell: Some("/bin/sh".into()),
                defaults: Resources { walltime: Some(Walltime(60)), ..Resources::default() },
                ..Profile::default()
            };
            targets.remember(&name, &probed).unwrap();
            assert!(matches!(targets.profile(&name), Err(TargetError::NoSuchTarget { .. })));
            let own = Profile { address: "ssh://a@b".into(), ..Profile::default() };
            targets.add(&name, &own).unwrap();
            fs::create_dir_all(root.join("site")).unwrap();
            fs::write(
                root.join("site/tours.toml"),
                "shell = '/bin/bash -l'\n[defaults]\ncpus = 2\n",
            )
            .unwrap();
            let file = root.join("project/.sizar/targets/tours.toml");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "[defaults]\ncpus = 4\n").unwrap();
            let profile = targets.profile(&name).unwrap();
            assert_eq!(profile.address, "ssh://a@b");
            assert_eq!(profile.shell.as_deref(), Some("/bin/bash -l"));
            assert_eq!(profile.defaults.cpus, Some(4));
            assert_eq!(profile.defaults.walltime, Some(Walltime(60)));
            let kinds: Vec<_> = targets.layers(&name).iter().map(|layer| layer.kind).collect();
            assert_eq!(kinds, ["probe", "site", "user", "project"]);
            assert!(matches!(targets.add(&name, &own), Err(TargetError::Exists { .. })));
        });
    }

    #[test]
    fn a_project_does_not_say_where_code_goes() {
        with_targets(|targets, root| {
            let name: TargetName = "tours".parse().unwrap();
            targets.add(&name, &Profile { address: "a".into(), ..Profile::default() }).unwrap();
            let file = root.join("project/.sizar/targets/tours.toml");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "address = 'evil'\n").unwrap();
            let error = targets.profile(&name).unwrap_err();
            assert!(matches!(error, TargetError::NotForProjects { .. }), "{error}");
        });
    }

    #[test]
    fn a_wrong_key_is_named_with_its_file() {
        with_targets(|targets, _| {
            let name: TargetName = "tours".parse().unwrap();
            targets.add(&name, &Profile { address: "a".into(), ..Profile::default() }).unwrap();
            fs::write(targets.user_file(&name), "adress = 'a'\n").unwrap();
            let error = targets.profile(&name).unwrap_err();
            assert!(matches!(error, TargetError::Profile { .. }), "{error}");
            targets.remove(&name).unwrap();
            assert!(targets.names().is_empty());
        });
    }
}
