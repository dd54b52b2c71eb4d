//! What a lock holds that installs, is imported and answers, and stops when it comes to work: a
//! check of the imports never meets it, and a training of a night does.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use sizar_model::inspection::{Driver, Inspection, Sighting};
use sizar_model::{Deviation, EnvLock, EnvSpec, PythonVersion};
use uv_pep440::{Version, VersionSpecifiers};

use crate::knowledge::{self, Action, Companion, Conflict, Removed};
use crate::name;
use crate::repair::act;

/// Something that would fail late.
#[derive(Clone, Debug, PartialEq)]
pub struct Latent {
    /// Why, as a deviation that names its rule.
    pub deviation: Deviation,
    /// What mends it, the first that can be had.
    ways: Vec<Vec<Action>>,
}

impl Latent {
    /// The shim that mends it without another release of anything.
    pub fn shim(&self) -> Option<&str> {
        match self.ways.as_slice() {
            [way] => match way.as_slice() {
                [Action::Shim(shim)] => Some(shim),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a deviation speaks of the same, whatever releases it names.
    pub fn is_said_by(&self, other: &Deviation) -> bool {
        let start = |deviation: &Deviation| {
            deviation.reason.split(": ").next().unwrap_or_default().to_owned()
        };
        self.deviation.rule == other.rule && start(&self.deviation) == start(other)
    }

    /// Whether it only asks for something more to be installed.
    pub fn is_addition(&self) -> bool {
        let mut actions = self.ways.iter().flatten();
        self.ways.len() == 1 && actions.all(|action| matches!(action, Action::Add(_)))
    }

    /// Returns the specifications that mend it, the first to be tried first; none that changes
    /// nothing. Another Python is one of `pythons`, on which the code can run.
    pub fn ways(&self, spec: &EnvSpec, pythons: &[PythonVersion]) -> Vec<EnvSpec> {
        let ways = self.ways.iter().map(|actions| {
            let mut other = spec.clone();
            for action in actions {
                act(&mut other, action, pythons, pythons);
            }
            other
        });
        let mut ways: Vec<EnvSpec> = ways.filter(|other| other != spec).collect();
        for way in &mut ways {
            way.deviations.push(self.deviation.clone());
        }
        ways
    }
}

/// Finds what would fail late, where `driver` or, without one, anything but a test comes to it.
///
/// For an older release of something, which changes it for all, the `chosen` driver has to come to
/// it: a script of other times that lies beside it decides nothing.
pub fn latent(
    lock: &EnvLock,
    inspection: &Inspection,
    driver: Option<&Driver>,
    chosen: Option<&Driver>,
) -> Vec<Latent> {
    let mut found: Vec<Latent> =
        knowledge::conflicts().iter().filter_map(|row| conflict(row, lock)).collect();
    let uses = uses_of(inspection, driver).unwrap_or_else(|| inspection.uses.iter().collect());
    let chosen_uses = uses_of(inspection, driver.or(chosen)).unwrap_or_default();
    found.extend(knowledge::companions().iter().filter_map(|row| companion(row, lock, &uses)));
    for row in knowledge::removed() {
        let Some(version) = version_of(lock, &row.distribution) else { continue };
        let before =
            |release: &str| Version::from_str(release).is_ok_and(|release| version < release);
        if before(&row.since) || row.until.as_deref().is_some_and(|until| !before(until)) {
            continue;
        }
        let uses = if row.shim.is_some() { &uses } else { &chosen_uses };
        if uses.iter().any(|seen| row.unless.contains(&seen.kind)) {
            continue;
        }
        let Some(seen) = uses.iter().find(|seen| row.is_of(&seen.kind)) else { continue };
        let place = format!("{}:{}", seen.path, seen.line);
        found.push(removed(row, &seen.kind, &place));
    }
    found
}

/// Returns the uses in what a driver comes to; nothing where that is not known.
fn uses_of<'a>(inspection: &'a Inspection, driver: Option<&Driver>) -> Option<Vec<&'a Sighting>> {
    let driver = driver.filter(|driver| !driver.closure.is_empty())?;
    let closure: BTreeSet<&str> = driver.needed().collect();
    Some(inspection.uses.iter().filter(|seen| closure.contains(seen.path.as_str())).collect())
}

fn within(versions: &str, version: &Version) -> bool {
    VersionSpecifiers::from_str(versions).is_ok_and(|versions| versions.contains(version))
}

fn companion(row: &Companion, lock: &EnvLock, uses: &[&Sighting]) -> Option<Latent> {
    let version = version_of(lock, &row.distribution)?;
    if row.versions.as_deref().is_some_and(|versions| !within(versions, &version)) {
        return None;
    }
    let add = name::of_requirement(&row.add);
    if row.beside.iter().chain([&add]).any(|other| version_of(lock, other).is_some()) {
        return None;
    }
    let seen = uses.iter().find(|seen| row.is_of(&seen.kind));
    let always = row.names.is_empty() && row.methods.is_empty();
    let place = match seen {
        Some(seen) => format!(" (`{}:{}`)", seen.path, seen.line),
        None if always => String::new(),
        None => return None,
    };
    let reason = format!("{}, which nothing declares{place}", row.cause);
    let deviation = Deviation { rule: "undeclared-companion".into(), reason };
    Some(Latent { deviation, ways: vec![vec![Action::Add(row.add.clone())]] })
}

fn conflict(row: &Conflict, lock: &EnvLock) -> Option<Latent> {
    let version = version_of(lock, &row.package)?;
    let (beside, other) = row
        .beside
        .iter()
        .find_map(|beside| Some((beside, version_of(lock, beside)?)))
        .filter(|(_, other)| within(&row.beside_versions, other))?;
    if !within(&row.versions, &version) {
        return None;
    }
    let mut ways = vec![constrained(&row.constrain, row.python_at_most)];
    if !row.instead.is_empty() {
        ways.push(row.instead.iter().cloned().map(Action::Instead).collect());
    }
    let reason =
        format!("{}: {} {version} does not work beside {beside} {other}", row.cause, row.package);
    Some(Latent { deviation: Deviation { rule: "known-conflict".into(), reason }, ways })
}

fn removed(row: &Removed, name: &str, place: &str) -> Latent {
    let (way, how) = match &row.shim {
        Some(shim) => (vec![Action::Shim(shim.clone())], "a shim brings it back"),
        None => (constrained(&row.constrain, row.python_at_most), "an older release has it"),
    };
    let what = match name.split_once(':') {
        Some((module, method)) => format!("`{method}` of {module}"),
        None => {
            format!("`{}`", name.replace("(!", " without ").replace('(', " with ").replace(')', ""))
        }
    };
    let reason =
        format!("{} {} removed {what}, which `{place}` uses; {how}", row.distribution, row.since);
    Latent { deviation: Deviation { rule: "removed-name".into(), reason }, ways: vec![way] }
}

fn constrained(limits: &[String], python: Option<PythonVersion>) -> Vec<Action> {
    let python = python.map(Action::PythonAtMost);
    limits.iter().cloned().map(Action::Constrain).chain(python).collect()
}

fn version_of(lock: &EnvLock, distribution: &str) -> Option<Version> {
    if distribution == "python" {
        return Version::from_str(&lock.python.to_string()).ok();
    }
    let package =
        lock.packages.iter().find(|package| name::normalise(&package.name) == distribution)?;
    Version::from_str(&package.version).ok()
}

#[cfg(test)]
mod tests {
    use sizar_model::{Digest, LockedPackage};

    use super::*;
    use crate::plan::{Wishes, plan};

    fn world(packages: &[(&str, &str)]) -> (EnvSpec, EnvLock) {
        let python = [PythonVersion::minor(3, 7), PythonVersion::minor(3, 8)];
        let spec = plan(&Inspection::default(), None, &python, &Wishes::default()).unwrap().spec;
        let lock = serde_json::json!({
            "version": 1, "python": "3.8.18", "platform": "linux-x86_64",
            "source": {"locator": "x", "digest": Digest::of(b"x"), "install": "on_path"},
            "requirements": [], "packages": [],
        });
        let mut lock: EnvLock = serde_json::from_value(lock).unwrap();
        lock.packages = packages
            .iter()
            .map(|(name, version)| LockedPackage {
                name: (*name).into(),
                version: (*version).into(),
                hashes: Vec::new(),
                url: None,
            })
            .collect();
        (spec, lock)
    }

    fn using(uses: &[&str]) -> Inspection {
        let uses = uses.iter().map(|kind| Sighting {
            kind: (*kind).into(),
            text: (*kind).into(),
            path: "net/train.py".into(),
            line: 7,
        });
        Inspection { uses: uses.collect(), ..Inspection::default() }
    }

    fn driver(closure: &[&str]) -> Driver {
        Driver { closure: closure.iter().map(|path| (*path).into()).collect(), ..Driver::default() }
    }

    fn rules(packages: &[(&str, &str)], uses: &[&str]) -> Vec<String> {
        let (_, lock) = world(packages);
        let found = latent(&lock, &using(uses), None, Some(&driver(&["net/train.py"])));
        found.into_iter().map(|latent| latent.deviation.reason).collect()
    }

    #[test]
    fn releases_that_do_not_work_together_are_known() {
        assert_eq!(
            rules(&[("torch", "2.0.1"), ("numpy", "2.1.0")], &[]),
            [
                "torch before 2.3 was built for NumPy 1: numpy 2.1.0 does not work beside torch 2.0.1"
            ]
        );
        assert!(rules(&[("torch", "2.3.0"), ("numpy", "2.1.0")], &[]).is_empty());
        assert!(rules(&[("torch", "2.0.1+cpu"), ("numpy", "1.26.4")], &[]).is_empty());
        assert!(rules(&[("numpy", "2.1.0")], &[]).is_empty());
        assert_eq!(rules(&[("numpy", "2.2.3"), ("tensorflow", "2.10.0")], &[]).len(), 1);
        assert!(rules(&[("numpy", "2.0.2"), ("tensorflow", "2.18.0")], &[]).is_empty());
        assert_eq!(rules(&[("h5py", "3.1.0"), ("tensorflow-gpu", "1.15.5")], &[]).len(), 1);
        assert!(rules(&[("h5py", "2.10.0"), ("tensorflow-gpu", "1.15.5")], &[]).is_empty());
    }

    #[test]
    fn a_name_matters_where_its_release_took_it_away() {
        let uses = ["scipy.misc.imread", "numpy.float"];
        let packages = [("scipy", "1.4.1"), ("numpy", "1.18.5"), ("pillow", "7.0.0")];
        let found = rules(&packages, &uses);
        assert_eq!(
            found,
            ["scipy 1.2 removed `scipy.misc.imread`, which `net/train.py:7` uses; a shim brings \
                 it back"]
        );
        assert!(rules(&[("scipy", "1.1.0"), ("pillow", "6.0.0")], &uses).is_empty());
        assert_eq!(rules(&[("numpy", "1.24.0")], &uses).len(), 1);
        // the Python itself, 3.8 here
        assert_eq!(rules(&[], &["time.clock"]).len(), 1);
        assert!(rules(&[], &["fractions.gcd"]).is_empty());
        let found = rules(&[("pyyaml", "6.0")], &["yaml.load(!Loader)"]);
        assert!(found[0].contains("`yaml.load without Loader`"), "{found:?}");
        let found = rules(&[("networkx", "2.8")], &["networkx:node"]);
        assert!(found[0].contains("`node` of networkx"), "{found:?}");
    }

    #[test]
    fn what_a_library_loads_when_it_is_called_is_added() {
        assert_eq!(
            rules(&[("pandas", "1.3.5")], &["pandas:to_excel"]),
            ["pandas reads and writes tables of Excel by openpyxl, which nothing declares \
                 (`net/train.py:7`)"]
        );
        assert!(
            rules(&[("pandas", "1.3.5"), ("openpyxl", "3.0")], &["pandas:to_excel"]).is_empty()
        );
        assert!(rules(&[("pandas", "1.3.5")], &["ast:to_excel"]).is_empty());
        let parquet = ["pandas.read_parquet"];
        assert_eq!(rules(&[("pandas", "1.3.5")], &parquet).len(), 1);
        assert!(rules(&[("pandas", "1.3.5"), ("fastparquet", "0.8")], &parquet).is_empty());
        // without a name wherever the release is
        assert_eq!(rules(&[("keras", "2.1.5")], &[]).len(), 1);
        assert!(rules(&[("keras", "2.2.4")], &[]).is_empty());
        let (spec, lock) = world(&[("keras", "2.1.5")]);
        let found = latent(&lock, &Inspection::default(), None, None);
        let ways = found[0].ways(&spec, &[]);
        assert_eq!(ways[0].requirements, ["h5py"]);
    }

    #[test]
    fn code_that_knows_both_is_left_alone() {
        let both = ["tensorflow.Session", "tensorflow.compat.v1"];
        assert!(rules(&[("tensorflow", "2.4.0")], &both).is_empty());
        assert_eq!(rules(&[("tensorflow", "2.4.0")], &both[..1]).len(), 1);
    }

    #[test]
    fn a_script_of_other_times_asks_for_no_older_release() {
        let (_, lock) = world(&[("tensorflow", "2.4.0")]);
        let uses = using(&["tensorflow.Session"]);
        let count = |chosen: Option<&Driver>| latent(&lock, &uses, None, chosen).len();
        assert_eq!(count(Some(&driver(&["main.py"]))), 0);
        assert_eq!(count(Some(&driver(&["main.py", "net/train.py"]))), 1);
        assert_eq!(count(None), 0);
    }

    #[test]
    fn the_same_is_said_of_other_releases() {
        let found = |h5py: &str| {
            let (_, lock) = world(&[("h5py", h5py), ("tensorflow", "1.15.0")]);
            latent(&lock, &Inspection::default(), None, None).remove(0)
        };
        assert!(found("3.1.0").is_said_by(&found("3.2.1").deviation));
        let (_, lock) = world(&[("numpy", "2.1.0"), ("torch", "2.0.0")]);
        let other = latent(&lock, &Inspection::default(), None, None).remove(0);
        assert!(!found("3.1.0").is_said_by(&other.deviation));
    }

    #[test]
    fn only_what_the_driver_comes_to_counts() {
        let (_, lock) = world(&[("numpy", "1.24.0")]);
        let count = |closure: &[&str]| {
            latent(&lock, &using(&["numpy.float"]), Some(&driver(closure)), None).len()
        };
        assert_eq!((count(&["net/train.py"]), count(&["main.py"]), count(&[])), (1, 0, 1));
    }

    #[test]
    fn ways_are_tried_in_order_and_change_something() {
        let (mut spec, lock) = world(&[("keras", "2.3.1"), ("tensorflow", "2.4.4")]);
        spec.requirements = vec!["keras<=2.3.1".into(), "tensorflow>=2.3".into()];
        spec.python = PythonVersion::minor(3, 8);
        let found = latent(&lock, &Inspection::default(), None, None);
        assert_eq!(found.len(), 1);
        let pythons = [PythonVersion::minor(3, 7), PythonVersion::minor(3, 8)];
        let ways = found[0].ways(&spec, &pythons);
        assert_eq!(ways.len(), 2);
        assert!(ways[0].constraints.contains(&"tensorflow<2.2".into()));
        assert_eq!(ways[0].python, pythons[0]);
        assert_eq!(ways[1].requirements, ["keras==2.4.3", "tensorflow>=2.3"]);
        assert_eq!(ways[1].deviations.last().unwrap().rule, "known-conflict");
        // what is asked for by nobody cannot be replaced
        spec.requirements.clear();
        assert_eq!(found[0].ways(&spec, &pythons).len(), 1);
    }
}
