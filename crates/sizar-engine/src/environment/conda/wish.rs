//! What a source asks of conda, and what it is in the words of the package index.

use std::collections::{BTreeMap, BTreeSet};

use fs_err as fs;
use sizar_env::{name, requirements};
use sizar_inspect::packaging::conda_environment;
use sizar_model::inspection::{Driver, Inspection};
use sizar_model::{Checkout, CondaSpec, EnvSpec, Installer};

/// What a file of a source asks of conda.
#[derive(Clone, Debug)]
pub struct Wish {
    spec: CondaSpec,
    /// Requirements by the conda package that they are the translation of.
    translated: BTreeMap<String, String>,
}

/// Finds what a source asks of conda, if conda's words are those that bind.
pub fn wish(checkout: &Checkout, inspection: &Inspection, driver: Option<&Driver>) -> Option<Wish> {
    let path = requirements::conda_file(inspection, driver)?;
    // what inspecting could read can be read again
    let bytes = fs::read(checkout.path.join(path)).ok()?;
    let found = conda_environment(path, &String::from_utf8_lossy(&bytes))?;
    let asked: BTreeSet<&str> = found.packages.iter().map(|package| bare(package)).collect();
    let translated = inspection
        .declared
        .iter()
        .filter(|declared| declared.path == path && declared.scope == "conda")
        .filter_map(|declared| {
            let conda = package_name(&declared.raw);
            let requirement = declared.requirement.clone()?;
            asked.contains(bare(&declared.raw)).then_some((conda, requirement))
        })
        .collect();
    let spec = CondaSpec {
        path: Some(path.to_owned()),
        channels: found.channels,
        packages: found.packages,
    };
    Some(Wish { spec, translated })
}

fn bare(written: &str) -> &str {
    written.trim().trim_matches(['"', '\''])
}

/// Returns the name in a match specification, or in the address of a package.
pub(super) fn package_name(written: &str) -> String {
    let bare = bare(written);
    let end = bare.rsplit("::").next().unwrap_or(bare);
    end.split(['=', '<', '>', '!', '~', '[', ' ']).next().unwrap_or(end).to_ascii_lowercase()
}

impl Wish {
    /// Returns the channels that the file names.
    pub fn channels(&self) -> &[String] {
        &self.spec.channels
    }

    /// Has conda give what the file asks of it, and the package index the rest.
    pub fn apply(&self, spec: &mut EnvSpec) {
        let ours: BTreeSet<String> =
            self.translated.values().map(|requirement| name::of_requirement(requirement)).collect();
        spec.requirements.retain(|asked| !ours.contains(&name::of_requirement(asked)));
        spec.constraints.retain(|asked| !ours.contains(&name::of_requirement(asked)));
        spec.conda = Some(self.spec.clone());
        // it alone installs over what conda gives
        spec.installer = Installer::Uv;
    }

    /// Returns the names of the requirements that stand for packages of conda's.
    pub fn translations(&self) -> Vec<String> {
        self.translated.values().map(|requirement| name::of_requirement(requirement)).collect()
    }

    /// Returns the requirement that stands for a package that no channel has.
    pub fn translation(&self, conda: &str) -> Option<&str> {
        self.translated.get(conda).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_what_is_asked() {
        for (written, name) in [
            ("numpy=1.16.2=py37_0", "numpy"),
            ("conda-forge::lxml>=4", "lxml"),
            ("\"Pillow\"", "pillow"),
            ("pytorch[version='>=1']", "pytorch"),
            ("scipy 1.2", "scipy"),
        ] {
            assert_eq!(package_name(written), name);
        }
    }
}
