//! The GPUs of this machine.

use std::process::Command;

use camino::Utf8Path;
use fs_err as fs;
use sizar_env::gpu::{Gpu, capability};

/// Where NVIDIA's driver describes its cards.
const DRIVER: &str = "/proc/driver/nvidia/gpus";

/// Returns whether there is a GPU that CUDA could use: a few looks at files.
pub fn any() -> bool {
    let cards = fs::read_dir(DRIVER).is_ok_and(|mut entries| entries.next().is_some());
    cards || Utf8Path::new("/dev/nvidia0").exists() || Utf8Path::new("/dev/dxg").exists()
}

/// Returns the NVIDIA GPUs of this machine, as the driver's own program or its files tell.
///
/// Where there is no trace of a driver, nothing is started.
pub fn gpus() -> Vec<Gpu> {
    if !any() {
        return Vec::new();
    }
    let ask = |fields: &str| {
        let query = format!("--query-gpu={fields}");
        let output = Command::new("nvidia-smi").args([&query, "--format=csv,noheader"]).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(parse(&String::from_utf8_lossy(&output.stdout))).filter(|found| !found.is_empty())
    };
    // drivers before 2021 do not tell the capability
    ask("name,compute_cap").or_else(|| ask("name")).unwrap_or_else(described)
}

/// Reads lines such as `NVIDIA H100 PCIe, 9.0`.
fn parse(text: &str) -> Vec<Gpu> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| match line.rsplit_once(',') {
            Some((name, number)) => {
                Gpu { name: name.trim().to_owned(), capability: capability(number) }
            }
            None => Gpu { name: line.to_owned(), capability: None },
        })
        .collect()
}

/// Reads the driver's files; a card without a description is still a card.
fn described() -> Vec<Gpu> {
    let entries = fs::read_dir(DRIVER).into_iter().flatten().flatten();
    let mut found: Vec<Gpu> = entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("information")).ok())
        .filter_map(|text| Some(Gpu { name: model(&text)?, capability: None }))
        .collect();
    if found.is_empty() {
        found.push(Gpu { name: "an NVIDIA GPU".to_owned(), capability: None });
    }
    found
}

fn model(information: &str) -> Option<String> {
    let line = information.lines().find_map(|line| line.strip_prefix("Model:"))?;
    Some(line.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_tells_is_read() {
        let found = parse("NVIDIA H100 80GB HBM3, 9.0\nTesla K80, [N/A]\n\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].capability, Some((9, 0)));
        assert_eq!((found[1].name.as_str(), found[1].capability), ("Tesla K80", None));
        assert_eq!(parse("Tesla V100-SXM2-32GB\n")[0].capability, None);
        let text = "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 0\n";
        assert_eq!(model(text).as_deref(), Some("NVIDIA A100-SXM4-40GB"));
    }
}
