//! What an environment computes on: the GPU of this machine, or the CPU in its place.

use sizar_model::inspection::{Driver, Inspection, Sighting};
use sizar_model::{Deviation, Device, EnvSpec, PythonVersion};
use uv_pep440::Version;

use crate::gpu::{FirstRelease, Gpu};
use crate::{knowledge, name};

/// The shim that turns calls for CUDA into their form for the CPU.
pub const CPU_SHIM: &str = "cpu";

/// The variable by which CUDA programs are told which GPUs they may see.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// Calls that ask for CUDA, or that do so unless the code is told otherwise.
const KINDS: &[&str] = &[
    "cuda_call",
    "cuda_device",
    "cuda_tensor",
    "cuda_default",
    "set_device",
    "distributed",
    "data_parallel",
    "map_location_missing",
    "tf_device_gpu",
];

/// The releases of torch's family that go together, and what else is built for the same CUDA.
const TORCH_FAMILY: &[&str] = &["torch", "torchvision", "torchaudio", "torchtext"];

/// Fits a specification to the device that is wished for and to the GPUs that are there.
///
/// Returns the Pythons that the change leaves, where it leaves only some.
pub fn fit(
    spec: &mut EnvSpec,
    inspection: &Inspection,
    driver: Option<&Driver>,
    wished: Device,
    gpus: &[Gpu],
) -> Option<Vec<PythonVersion>> {
    let seen = asks_for_cuda(inspection, driver)?;
    let reason = match wished {
        Device::Cpu => "the CPU was asked for".to_owned(),
        Device::Auto if gpus.is_empty() => "this machine has no GPU".to_owned(),
        Device::Auto | Device::Cuda => {
            let (gpu, framework, first) = too_new(spec, gpus)?;
            let planned = planned(spec, framework).unwrap_or_else(|| "of its time".to_owned());
            let because = format!(
                "{framework} {planned} has no code for {} ({}), which needs {} or newer",
                gpu.name,
                gpu.capability.map_or_else(
                    || "by its name".to_owned(),
                    |(major, minor)| format!("compute capability {major}.{minor}")
                ),
                first.version
            );
            if wished == Device::Cuda {
                return Some(renew(spec, framework, first, because));
            }
            format!("{because}; `--device cuda` takes it")
        }
    };
    spec.shims.push(CPU_SHIM.to_owned());
    // a GPU that is there must not be found after all
    if !gpus.is_empty() {
        spec.variables.insert(VISIBLE.to_owned(), String::new());
    }
    let more = if seen.kind.ends_with("_guarded") { ", where it asks for it," } else { "" };
    spec.deviations.push(Deviation {
        rule: "cpu-for-cuda".into(),
        reason: format!(
            "{reason}, so what asks for CUDA{more} runs on the CPU (`{}` at {}:{})",
            seen.text, seen.path, seen.line
        ),
    });
    None
}

/// Returns the first call for CUDA among the files that the driver needs; those that happen
/// whatever the machine is come first.
fn asks_for_cuda<'a>(inspection: &'a Inspection, driver: Option<&Driver>) -> Option<&'a Sighting> {
    let closure = driver.map(|driver| driver.closure.as_slice()).filter(|files| !files.is_empty());
    let needed = |seen: &&Sighting| {
        let kind = seen.kind.trim_end_matches("_guarded");
        KINDS.contains(&kind) && closure.is_none_or(|files| files.contains(&seen.path))
    };
    let order = |seen: &&'a Sighting| {
        (seen.kind.ends_with("_guarded"), seen.kind == "map_location_missing")
    };
    inspection.devices.iter().filter(needed).min_by_key(order)
}

/// Finds a framework that is older than the GPU.
fn too_new<'g>(
    spec: &EnvSpec,
    gpus: &'g [Gpu],
) -> Option<(&'g Gpu, &'static str, &'static FirstRelease)> {
    let frameworks =
        [("torch", "torch"), ("tensorflow", "tensorflow"), ("tensorflow-gpu", "tensorflow")];
    for gpu in gpus {
        for (distribution, framework) in frameworks {
            let asked = requirement(spec, distribution);
            let Some(first) = asked.and_then(|_| gpu.first_release(framework)) else { continue };
            let older = match planned(spec, distribution) {
                Some(pin) => is_before(&pin, &first.version),
                None => spec.exclude_newer.is_some_and(|date| date < first.date),
            };
            if older {
                return Some((gpu, framework, first));
            }
        }
    }
    None
}

fn requirement<'a>(spec: &'a EnvSpec, distribution: &str) -> Option<&'a String> {
    spec.requirements.iter().find(|asked| name::of_requirement(asked) == distribution)
}

/// Returns the version that a requirement pins, exactly or to a minor release.
fn planned(spec: &EnvSpec, distribution: &str) -> Option<String> {
    let asked = requirement(spec, distribution)?;
    let exact = name::exact_pin(asked).map(str::to_owned);
    exact.or_else(|| {
        let (_, version) = asked.split(';').next()?.split_once("==")?;
        Some(version.trim().strip_suffix(".*")?.to_owned())
    })
}

fn is_before(version: &str, first: &str) -> bool {
    match (version.parse::<Version>(), first.parse::<Version>()) {
        (Ok(version), Ok(first)) => version < first,
        _ => false,
    }
}

/// Takes the oldest release that has code for the GPU, and what belongs to it.
fn renew(
    spec: &mut EnvSpec,
    framework: &str,
    first: &FirstRelease,
    because: String,
) -> Vec<PythonVersion> {
    let minor = first.version.rsplit_once('.').map_or(first.version.as_str(), |(minor, _)| minor);
    let pair = knowledge::pairs().iter().find(|pair| framework == "torch" && pair.torch == minor);
    for asked in &mut spec.requirements {
        let name = name::of_requirement(asked);
        *asked = match (name.as_str(), pair) {
            ("torch", _) if framework == "torch" => format!("torch=={minor}.*"),
            (other, Some(pair)) if TORCH_FAMILY.contains(&other) => {
                let member = pair.members().find(|(member, _)| *member == other);
                member.map_or(other.to_owned(), |(_, minor)| format!("{other}=={minor}.*"))
            }
            ("tensorflow" | "tensorflow-gpu", _) if framework == "tensorflow" => {
                format!("tensorflow=={minor}.*")
            }
            _ => continue,
        };
    }
    if spec.exclude_newer.is_some_and(|date| date < first.date) {
        spec.exclude_newer = Some(first.date);
    }
    spec.deviations.push(Deviation { rule: "gpu-floor".into(), reason: because });
    first.python.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Wishes, plan};
    use sizar_model::inspection::{Declared, PackagingFile};

    fn repository(torch: &str, sightings: &[(&str, &str)]) -> Inspection {
        let declared = |name: &str, requirement: &str| Declared {
            name: name.into(),
            requirement: Some(requirement.into()),
            raw: requirement.into(),
            path: "requirements.txt".into(),
            line: 1,
            scope: "install".into(),
            repaired: None,
            unreadable: None,
        };
        Inspection {
            code_date: Some("2020-03-01T00:00:00Z".parse().unwrap()),
            packaging: vec![PackagingFile {
                path: "requirements.txt".into(),
                kind: "requirements_txt".into(),
                name: None,
                version: None,
                requires_python: None,
                build_backend: None,
                compiles: false,
                only_compiles: false,
                unreadable: Vec::new(),
            }],
            declared: vec![declared("torch", torch), declared("torchvision", "torchvision==0.5.0")],
            devices: sightings
                .iter()
                .map(|(kind, path)| Sighting {
                    kind: (*kind).into(),
                    text: "net.cuda()".into(),
                    path: (*path).into(),
                    line: 7,
                })
                .collect(),
            ..Inspection::default()
        }
    }

    fn hopper() -> Vec<Gpu> {
        vec![Gpu { name: "NVIDIA H100".into(), capability: Some((9, 0)) }]
    }

    fn planned_for(inspection: &Inspection, device: Device, gpus: Vec<Gpu>) -> EnvSpec {
        let pythons: Vec<_> = (6..=13).map(|minor| PythonVersion::minor(3, minor)).collect();
        let wishes = Wishes { device, gpus, ..Wishes::default() };
        plan(inspection, None, &pythons, &wishes).unwrap().spec
    }

    fn rules(spec: &EnvSpec) -> Vec<&str> {
        spec.deviations.iter().map(|deviation| deviation.rule.as_str()).collect()
    }

    #[test]
    fn without_a_gpu_calls_for_cuda_run_on_the_cpu() {
        let spec = planned_for(
            &repository("torch==1.4.0", &[("cuda_call", "train.py")]),
            Device::Auto,
            Vec::new(),
        );
        assert_eq!(spec.shims, ["cpu"]);
        assert!(spec.variables.is_empty());
        let reason = &spec.deviations.iter().find(|d| d.rule == "cpu-for-cuda").unwrap().reason;
        assert!(reason.contains("no GPU") && reason.contains("train.py:7"), "{reason}");
    }

    #[test]
    fn code_that_asks_for_no_gpu_gets_no_shim() {
        let inspection = repository("torch==1.4.0", &[("compiles", "setup.py"), ("half", "a.py")]);
        assert!(planned_for(&inspection, Device::Cpu, hopper()).shims.is_empty());
    }

    #[test]
    fn only_the_files_of_the_driver_count() {
        let inspection = repository("torch==1.4.0", &[("cuda_call", "train.py")]);
        let driver = |closure: &str| Driver {
            path: closure.into(),
            name: None,
            entry: None,
            framework: "argparse".into(),
            role: "other".into(),
            role_reason: String::new(),
            subcommands: Vec::new(),
            options: Vec::new(),
            closure: vec![closure.into()],
            dispensable: Vec::new(),
            python_at_least: None,
            python_at_most: None,
        };
        assert!(asks_for_cuda(&inspection, Some(&driver("eval.py"))).is_none());
        assert!(asks_for_cuda(&inspection, Some(&driver("train.py"))).is_some());
    }

    #[test]
    fn a_gpu_that_the_time_knows_is_used() {
        let inspection = repository("torch==1.4.0", &[("cuda_call", "train.py")]);
        let volta = vec![Gpu { name: "Tesla V100".into(), capability: None }];
        let spec = planned_for(&inspection, Device::Auto, volta);
        assert!(spec.shims.is_empty() && !rules(&spec).contains(&"cpu-for-cuda"));
        let unknown = vec![Gpu { name: "a card of tomorrow".into(), capability: None }];
        assert!(planned_for(&inspection, Device::Auto, unknown).shims.is_empty());
    }

    #[test]
    fn a_gpu_that_is_newer_than_torch_is_left_alone() {
        for torch in ["torch==1.4.0", "torch>=1.0"] {
            let inspection = repository(torch, &[("cuda_call", "train.py")]);
            let spec = planned_for(&inspection, Device::Auto, hopper());
            assert_eq!(spec.shims, ["cpu"], "{torch}");
            assert_eq!(spec.variables["CUDA_VISIBLE_DEVICES"], "");
            let reason = &spec.deviations.iter().find(|d| d.rule == "cpu-for-cuda").unwrap().reason;
            assert!(reason.contains("needs 2.1.0") && reason.contains("--device cuda"), "{reason}");
        }
    }

    #[test]
    fn with_device_cuda_the_oldest_torch_for_the_gpu_is_taken() {
        let inspection = repository("torch==1.4.0", &[("cuda_call", "train.py")]);
        let spec = planned_for(&inspection, Device::Cuda, hopper());
        assert!(spec.shims.is_empty());
        assert!(spec.requirements.contains(&"torch==2.1.*".to_owned()), "{:?}", spec.requirements);
        assert!(spec.requirements.contains(&"torchvision==0.16.*".to_owned()));
        assert_eq!(spec.python, PythonVersion::minor(3, 8));
        assert!(spec.exclude_newer.unwrap() > "2023-10-01T00:00:00Z".parse().unwrap());
        assert!(rules(&spec).contains(&"gpu-floor"));
    }

    #[test]
    fn the_cpu_can_be_asked_for_beside_a_gpu() {
        let inspection = repository("torch==2.4.0", &[("cuda_call_guarded", "train.py")]);
        let spec = planned_for(&inspection, Device::Cpu, hopper());
        assert_eq!(spec.shims, ["cpu"]);
        assert_eq!(spec.variables["CUDA_VISIBLE_DEVICES"], "");
    }
}
