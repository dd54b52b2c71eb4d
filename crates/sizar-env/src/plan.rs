//! From an inspection to the first specification of an environment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sizar_model::inspection::{Driver, Inspection};
use sizar_model::{Deviation, Device, EnvSpec, ProjectInstall, PythonVersion};

use crate::build_steps;
use crate::device;
use crate::era;
use crate::gpu::Gpu;
use crate::heavy;
use crate::knowledge;
use crate::name;
use crate::pins::{self, PinFacts, PinnedWheels};
use crate::python::{self, NoPython, PythonChoice};
use crate::requirements;

/// What the user asked for beside the source.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub python: Option<PythonVersion>,
    /// Nothing newer than this is resolved, whatever the source's own date.
    pub date: Option<Timestamp>,
    /// PEP 508 requirements.
    pub extra_requirements: Vec<String>,
    /// What the index knows of the pinned releases.
    pub pins: Vec<PinFacts>,
    pub device: Device,
    /// The GPUs of the machine that is planned for.
    pub gpus: Vec<Gpu>,
}

/// A first specification, and what may be tried beside it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub spec: EnvSpec,
    /// The Pythons that may be tried, best first; the specification has the first.
    pub pythons: Vec<PythonVersion>,
    /// Why this Python, as a sentence.
    pub python_reason: String,
    /// The distribution's name, where the source is a package.
    pub package: Option<String>,
    /// Requirements that nothing declares: those that may go first if they cannot be had.
    pub undeclared: Vec<String>,
}

/// Plans an environment for `driver`, or for everything in the source.
///
/// # Errors
///
/// [`NoPython`] where none of the `available` Pythons can run the code.
pub fn plan(
    inspection: &Inspection,
    driver: Option<&Driver>,
    available: &[PythonVersion],
    wishes: &Wishes,
) -> Result<Plan, NoPython> {
    let mut selection = requirements::select(inspection, driver);
    selection.deviations.extend(pins::mend(&mut selection.requirements, &wishes.pins));
    let mut date = wishes.date.or(inspection.code_date).or(inspection.commit_date);
    if wishes.date.is_none()
        && let Some(code) = date
        && let Some((other, reason)) = pins::date_by_pins(code, &wishes.pins)
    {
        date = Some(other);
        selection.deviations.push(Deviation { rule: "dated-by-pins".into(), reason });
    }
    let evidence = python::evidence(inspection, driver);
    let choice = python::choose(&evidence, date, available, wishes.python)?;
    let choice = with_wheels(choice, wishes);
    let Some(first) = choice.ranked.first().copied() else {
        return Err(NoPython::NothingAvailable);
    };
    let package = requirements::package_name(inspection);
    // a date that the user gives is exact; a date that the source has gets some slack
    let cutoff = wishes.date.or_else(|| date.map(era::cutoff));
    let mut deviations = choice.deviations;
    let cutoff = cutoff.map(|cutoff| match era::wheels_from(first, cutoff) {
        Some(wheels) if wishes.date.is_none() => {
            deviations.push(Deviation {
                rule: "later-date".into(),
                reason: format!(
                    "Python {} is newer than the code; there are packages for it since {}",
                    first.without_patch(),
                    wheels.strftime("%Y-%m")
                ),
            });
            wheels
        }
        _ => cutoff,
    });
    let mut requirements = selection.requirements;
    let slow = heavy::as_wheels(&mut requirements, &wishes.pins, first);
    deviations.extend(slow);
    requirements.extend(wishes.extra_requirements.iter().cloned());
    deviations.extend(selection.deviations);
    let build_steps = build_steps::of(inspection);
    for requirement in build_steps::requirements(inspection, &build_steps) {
        let name = name::of_requirement(&requirement);
        if !requirements.iter().any(|known| name::of_requirement(known) == name) {
            requirements.push(requirement);
        }
    }
    let mut extra_build_requirements = BTreeMap::new();
    if !selection.build.is_empty() && package.is_some() {
        extra_build_requirements.insert(".".to_owned(), selection.build);
    }
    let installer = python::installer(first);
    let mut dates =
        cutoff.map(|cutoff| era::package_dates(cutoff, installer, first)).unwrap_or_default();
    let wheels = cutoff.map(|cutoff| era::first_wheels(cutoff, first)).unwrap_or_default();
    if wishes.date.is_some() {
        dates.retain(|package, _| !wheels.contains_key(package));
    } else {
        deviations.extend(heavy::first_wheels(&requirements, &wheels));
    }
    let mut spec = EnvSpec {
        python: first,
        requirements,
        constraints: selection.constraints,
        project: if package.is_some() { ProjectInstall::Install } else { ProjectInstall::OnPath },
        exclude_newer: cutoff,
        exclude_newer_package: dates,
        build_constraints: date.map(|date| era::build_constraints(date, first)).unwrap_or_default(),
        extra_build_requirements,
        metadata: knowledge::metadata()
            .iter()
            .map(|(release, known)| (release.clone(), known.requires.clone()))
            .collect(),
        shims: Vec::new(),
        installer,
        build_steps,
        source_edits: Vec::new(),
        left_out: selection.left_out,
        conda: None,
        variables: BTreeMap::new(),
        deviations,
    };
    let kept = device::fit(&mut spec, inspection, driver, wishes.device, &wishes.gpus);
    let ranked = match kept {
        Some(kept) => among(&kept, choice.ranked, available, &mut spec),
        None => choice.ranked,
    };
    seed_setuptools(&mut spec, date);
    Ok(Plan {
        spec,
        pythons: ranked,
        python_reason: choice.reason,
        package,
        undeclared: selection.undeclared,
    })
}

/// Keeps the Pythons that a framework has wheels for; others are taken where none of the ranked is.
fn among(
    kept: &[PythonVersion],
    ranked: Vec<PythonVersion>,
    available: &[PythonVersion],
    spec: &mut EnvSpec,
) -> Vec<PythonVersion> {
    let fits = |python: &PythonVersion| kept.iter().any(|wheel| python.satisfies(*wheel));
    let mut fitting: Vec<_> = ranked.iter().copied().filter(fits).collect();
    if fitting.is_empty() {
        fitting = available.iter().copied().filter(fits).collect();
        fitting.sort();
    }
    match fitting.first() {
        Some(first) => {
            spec.python = *first;
            fitting
        }
        None => ranked,
    }
}

/// Puts the Pythons that the most pinned releases have wheels for before the others.
fn with_wheels(mut choice: PythonChoice, wishes: &Wishes) -> PythonChoice {
    let pinned: Vec<PinnedWheels> = wishes.pins.iter().filter_map(PinFacts::wheels).collect();
    let lacking = |python: PythonVersion| {
        let has = move |wheels: &&PinnedWheels| wheels.pythons.iter().any(|w| python.satisfies(*w));
        pinned.iter().filter(move |wheels| !has(wheels))
    };
    let before = choice.ranked.first().copied();
    choice.ranked.sort_by_key(|python| lacking(*python).map(|wheels| wheels.weight).sum::<usize>());
    let after = choice.ranked.first().copied();
    if let (Some(before), Some(after)) = (before, after)
        && before != after
    {
        let names: Vec<_> = lacking(before).map(|wheels| wheels.release.as_str()).collect();
        let python = before.without_patch();
        choice.reason = format!("there are no wheels of {} for Python {python}", names.join(", "));
        choice.deviations.retain(|deviation| deviation.rule != "nearest-python");
    }
    choice
}

/// Adds what every virtual environment held until Python 3.12, so that nobody declared it.
fn seed_setuptools(spec: &mut EnvSpec, date: Option<Timestamp>) {
    let declared = spec.requirements.iter().any(|r| name::of_requirement(r) == "setuptools");
    let limit = spec.exclude_newer.is_none_or(|cutoff| cutoff > LAST_PKG_RESOURCES);
    if declared {
        if limit {
            spec.constraints.push("setuptools<81".to_owned());
        }
    } else if spec.python < PythonVersion::minor(3, 12) && date.is_some() {
        spec.requirements.push("setuptools<81".to_owned());
        spec.deviations.push(Deviation {
            rule: "seeded-setuptools".into(),
            reason: "environments of its time held setuptools, so nobody declared it".into(),
        });
    }
}

/// setuptools 82, without `pkg_resources`, came in February 2026.
const LAST_PKG_RESOURCES: Timestamp = Timestamp::constant(1_769_904_000, 0);

#[cfg(test)]
mod tests {
    use super::*;
    use sizar_model::Installer;
    use sizar_model::inspection::{Declared, Import, PackagingFile};

    fn declared(name: &str, requirement: &str, path: &str, scope: &str) -> Declared {
        Declared {
            name: name.into(),
            requirement: Some(requirement.into()),
            raw: requirement.into(),
            path: path.into(),
            line: 1,
            scope: scope.into(),
            repaired: (scope == "build")
                .then(|| "imported by setup.py, not declared as a build requirement".to_owned()),
            unreadable: None,
        }
    }

    fn import(module: &str, distribution: &str, files: &[&str]) -> Import {
        Import {
            module: module.into(),
            distribution: Some(distribution.into()),
            declared: false,
            optional: false,
            conditional: false,
            files: files.iter().map(|file| (*file).to_owned()).collect(),
        }
    }

    fn file(path: &str, kind: &str, name: Option<&str>) -> PackagingFile {
        PackagingFile {
            path: path.into(),
            kind: kind.into(),
            name: name.map(str::to_owned),
            version: None,
            requires_python: None,
            build_backend: None,
            compiles: false,
            only_compiles: false,
            unreadable: Vec::new(),
        }
    }

    fn pythons() -> Vec<PythonVersion> {
        (6..=13).map(|minor| PythonVersion::minor(3, minor)).collect()
    }

    /// A package of 2018 whose `setup.py` imports what it does not declare.
    fn audio_package() -> Inspection {
        Inspection {
            code_date: Some("2018-11-14T14:56:22Z".parse().unwrap()),
            packaging: vec![file("setup.py", "setup_py", Some("Audio_Package"))],
            declared: vec![
                declared("numpy", "numpy>=1.13.4", "setup.py", "install"),
                declared("cython", "Cython", "setup.py", "build"),
                declared("numpy", "numpy", "setup.py", "build"),
                declared("pytest", "pytest", "setup.py", "test"),
            ],
            imports: vec![
                import("mido", "mido", &["audio/midi.py"]),
                import("matplotlib", "matplotlib", &["tests/test_audio.py"]),
            ],
            ..Inspection::default()
        }
    }

    #[test]
    fn an_old_package_is_planned_as_of_its_time() {
        let plan = plan(&audio_package(), None, &pythons(), &Wishes::default()).unwrap();
        let spec = &plan.spec;
        assert_eq!(spec.python, PythonVersion::minor(3, 6));
        assert_eq!(spec.requirements, ["mido", "numpy>=1.13.4", "setuptools<81"]);
        assert_eq!(spec.project, ProjectInstall::Install);
        assert_eq!(plan.package.as_deref(), Some("audio-package"));
        assert_eq!(spec.extra_build_requirements["."], ["Cython", "numpy"]);
        assert_eq!(spec.exclude_newer, Some("2018-11-28T14:56:22Z".parse().unwrap()));
        assert!(spec.exclude_newer_package.contains_key("setuptools"));
        assert!(spec.build_constraints.contains(&"Cython<3".to_owned()));
        let rules: Vec<_> = spec.deviations.iter().map(|d| d.rule.as_str()).collect();
        assert!(rules.contains(&"undeclared-import") && rules.contains(&"seeded-setuptools"));
    }

    #[test]
    fn scripts_without_packaging_are_put_on_the_path() {
        let inspection = Inspection {
            commit_date: Some("2020-06-01T00:00:00Z".parse().unwrap()),
            packaging: vec![file("requirements.txt", "requirements_txt", None)],
            declared: vec![
                declared("sklearn", "sklearn>=0.20", "requirements.txt", "install"),
                declared("pkg-resources", "pkg-resources==0.0.0", "requirements.txt", "install"),
                declared("opencv-python", "opencv-python", "requirements.txt", "install"),
                declared("torch", "torch==1.5.0", "requirements.txt", "install"),
                declared("torchvision", "torchvision", "requirements.txt", "install"),
            ],
            imports: vec![import("cv2", "opencv-python-headless", &["train.py"])],
            ..Inspection::default()
        };
        let plan = plan(&inspection, None, &pythons(), &Wishes::default()).unwrap();
        assert_eq!(plan.spec.project, ProjectInstall::OnPath);
        assert_eq!(
            plan.spec.requirements,
            [
                "opencv-python",
                "scikit-learn>=0.20",
                "torch==1.5.0",
                "torchvision==0.6.*",
                "setuptools<81"
            ]
        );
    }

    #[test]
    fn only_the_drivers_own_imports_are_added() {
        let driver = Driver {
            path: "tool.py".into(),
            name: None,
            entry: None,
            framework: "argparse".into(),
            role: "other".into(),
            role_reason: String::new(),
            subcommands: Vec::new(),
            options: Vec::new(),
            closure: vec!["tool.py".into(), "lib.py".into()],
            dispensable: Vec::new(),
            python_at_least: None,
            python_at_most: None,
        };
        let inspection = Inspection {
            imports: vec![
                import("yaml", "PyYAML", &["lib.py"]),
                import("torch", "torch", &["train.py"]),
            ],
            ..Inspection::default()
        };
        let plan = plan(&inspection, Some(&driver), &pythons(), &Wishes::default()).unwrap();
        assert_eq!(plan.spec.requirements, ["pyyaml"]);
        assert_eq!(plan.undeclared, ["pyyaml"]);
    }

    #[test]
    fn wheels_of_pinned_releases_decide() {
        let wishes = Wishes {
            pins: vec![PinFacts {
                pin: pins::pin_of("torch==1.4.0").unwrap(),
                releases: vec![pins::Release {
                    version: "1.4.0".into(),
                    published: None,
                    yanked: false,
                    source: false,
                    wheels: true,
                    pythons: vec![PythonVersion::minor(3, 7), PythonVersion::minor(3, 8)],
                }],
                relatives: Vec::new(),
            }],
            ..Wishes::default()
        };
        let plan = plan(&audio_package(), None, &pythons(), &wishes).unwrap();
        assert_eq!(plan.spec.python, PythonVersion::minor(3, 7));
        assert!(plan.python_reason.contains("torch==1.4.0"));
    }

    #[test]
    fn python_2_gets_its_own_engine_and_dates() {
        let mut inspection = audio_package();
        inspection.python.at_most = Some(PythonVersion::minor(2, 7));
        let available = [pythons(), vec![PythonVersion::minor(2, 7)]].concat();
        let plan = plan(&inspection, None, &available, &Wishes::default()).unwrap();
        assert_eq!(plan.spec.python, PythonVersion::minor(2, 7));
        assert_eq!(plan.spec.installer, Installer::Pip);
        assert_eq!(plan.spec.exclude_newer, Some("2018-11-28T14:56:22Z".parse().unwrap()));
        let setuptools = plan.spec.exclude_newer_package["setuptools"];
        assert!(setuptools > "2020-05-30T00:00:00Z".parse().unwrap(), "44.1.1 may be taken");
    }

    #[test]
    fn what_had_no_wheels_comes_later_unless_the_date_is_wished() {
        let mut inspection = audio_package();
        inspection.python.at_most = Some(PythonVersion::minor(2, 7));
        inspection.code_date = Some("2016-02-01T00:00:00Z".parse().unwrap());
        let available = [PythonVersion::minor(2, 7)];
        let planned = plan(&inspection, None, &available, &Wishes::default()).unwrap().spec;
        assert!(planned.exclude_newer_package["numpy"] > planned.exclude_newer.unwrap());
        let said = planned.deviations.iter().find(|said| said.rule == "first-wheels").unwrap();
        assert!(said.reason.starts_with("numpy: ") && said.reason.contains("2016-04"), "{said:?}");
        let date = Some("2016-02-01T00:00:00Z".parse().unwrap());
        let wished = Wishes { date, ..Wishes::default() };
        let planned = plan(&inspection, None, &available, &wished).unwrap().spec;
        assert!(!planned.exclude_newer_package.contains_key("numpy"));
        assert!(planned.deviations.iter().all(|said| said.rule != "first-wheels"));
    }

    #[test]
    fn a_wished_python_and_date_are_exact() {
        let wishes = Wishes {
            python: Some(PythonVersion::minor(3, 8)),
            date: Some("2021-01-01T00:00:00Z".parse().unwrap()),
            extra_requirements: vec!["six".into()],
            pins: Vec::new(),
            ..Wishes::default()
        };
        let plan = plan(&audio_package(), None, &pythons(), &wishes).unwrap();
        assert_eq!(plan.pythons, [PythonVersion::minor(3, 8)]);
        assert_eq!(plan.spec.exclude_newer, wishes.date);
        assert!(plan.spec.requirements.contains(&"six".to_owned()));
    }
}
