//! What in the code hinders somebody else's run, told once for each file.

use std::collections::BTreeMap;

use sizar_model::Inspection;
use sizar_model::inspection::{Finding, HardCodedPath, Sighting};

use super::devices::needs_a_gpu;
use super::facts::finding;
use super::reading::is_beside_a_run;

/// Judges what was seen.
pub fn findings(inspection: &Inspection) -> Vec<Finding> {
    let mut found = gpu(&inspection.devices);
    found.extend(maps(&inspection.devices));
    found.extend(paths(&inspection.hard_coded_paths));
    found.extend(drives(inspection));
    found.extend(compilers(inspection));
    found
}

fn by_file<'a>(
    sightings: impl Iterator<Item = &'a Sighting>,
) -> BTreeMap<&'a str, Vec<&'a Sighting>> {
    let mut files: BTreeMap<&str, Vec<&Sighting>> = BTreeMap::new();
    for seen in sightings {
        files.entry(seen.path.as_str()).or_default().push(seen);
    }
    files
}

/// Says ` (and 3 more in this file)`.
fn and_more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" (and {} more in this file)", count - 1),
    }
}

fn gpu(devices: &[Sighting]) -> Vec<Finding> {
    let files = by_file(
        devices.iter().filter(|seen| needs_a_gpu(&seen.kind) && !is_beside_a_run(&seen.path)),
    );
    let told = files.into_iter().filter_map(|(path, seen)| {
        let first = seen.first()?;
        let more = and_more(seen.len());
        let message = format!("`{}` without asking whether there is a GPU{more}", first.text);
        Some(finding("gpu-without-fallback", message, path, first.line))
    });
    told.collect()
}

fn maps(devices: &[Sighting]) -> Vec<Finding> {
    let files = by_file(devices.iter().filter(|seen| seen.kind == "map_location_missing"));
    let told = files.into_iter().filter_map(|(path, seen)| {
        let first = seen.first()?;
        let more = and_more(seen.len());
        let message = format!("`{}` does not say `map_location`{more}", first.text);
        Some(finding("map-location-missing", message, path, first.line))
    });
    told.collect()
}

fn paths(paths: &[HardCodedPath]) -> Vec<Finding> {
    let mut files: BTreeMap<&str, Vec<&HardCodedPath>> = BTreeMap::new();
    for path in paths.iter().filter(|path| path.kind != "relative") {
        files.entry(path.path.as_str()).or_default().push(path);
    }
    let told = files.into_iter().filter_map(|(file, seen)| {
        let first = seen.first()?;
        let mut values: Vec<&str> = seen.iter().map(|path| path.value.as_str()).collect();
        values.sort_unstable();
        values.dedup();
        let message = match values.len() {
            1 => format!("`{}` is a path of the authors' machine", first.value),
            count => format!("{count} paths of the authors' machine, such as `{}`", first.value),
        };
        Some(finding("absolute-path", message, file, first.line))
    });
    told.collect()
}

fn drives(inspection: &Inspection) -> Vec<Finding> {
    let on_drives = inspection.weights.iter().chain(&inspection.datasets).filter(|seen| {
        matches!(seen.kind.as_str(), "google_drive" | "file_share" | "gdown")
            || seen.text.contains("drive.google.com")
    });
    let told = by_file(on_drives).into_iter().filter_map(|(path, seen)| {
        let first = seen.first()?;
        let more = and_more(seen.len());
        let message = format!("`{}` is a personal file share{more}", first.text);
        Some(finding("weights-on-a-drive", message, path, first.line))
    });
    told.collect()
}

fn compilers(inspection: &Inspection) -> Vec<Finding> {
    let own =
        inspection.packaging.iter().filter(|file| file.compiles).map(|file| {
            finding("compiled-extension", "installing it runs a compiler", &file.path, 0)
        });
    let at_run_time = inspection.devices.iter().filter(|seen| seen.kind == "compiles");
    let later = at_run_time.map(|seen| {
        let message = format!("`{}` runs a compiler when it is imported or called", seen.text);
        finding("compiled-extension", message, &seen.path, seen.line)
    });
    own.chain(later).collect()
}
