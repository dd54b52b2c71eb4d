//! The user's data inside a run: shown under its own name, or copied.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use sizar_model::{DataBinding, DataMode};

use super::working_copy::{Baseline, copy_tree};
use super::{Attempt, RunError, RunPlan};
use crate::sandbox::{Binding, Confinement, SandboxKind};

/// Where a program looks for a binding.
enum Place {
    /// Under the working copy or the run's home folder.
    Below(Utf8PathBuf),
    Absolute(Utf8PathBuf),
}

fn place(attempt: &Attempt, there: &Utf8Path) -> Place {
    if there.is_absolute() {
        return Place::Absolute(there.to_owned());
    }
    match there.strip_prefix("~") {
        Ok(below) => Place::Below(attempt.home().join(below)),
        Err(_) => Place::Below(attempt.work().join(there)),
    }
}

/// Makes the places for the user's data in an attempt's folder, and the copies.
pub(super) fn furnish(
    plan: &RunPlan,
    attempt: &Attempt,
    kind: SandboxKind,
    baseline: &mut Baseline,
) -> Result<(), RunError> {
    for (number, binding) in plan.bindings().enumerate() {
        let failed = |source| RunError::Binding {
            here: binding.here.clone(),
            there: binding.there.clone(),
            source,
        };
        match (place(attempt, &binding.there), binding.mode) {
            (Place::Below(there), DataMode::ReadOnly) => {
                make_room(&there).map_err(failed)?;
                show_below(binding, &there, kind).map_err(failed)?;
            }
            (Place::Below(there), DataMode::Copy) => {
                make_room(&there).map_err(failed)?;
                let copied = copy(&binding.here, &there).map_err(failed)?;
                baseline.notes.extend(copied.notes.iter().cloned());
                baseline.adopt(copied, &there, attempt);
            }
            (Place::Absolute(there), mode) => {
                let own_name = mode == DataMode::ReadOnly && there == binding.here;
                if kind != SandboxKind::Bubblewrap && !own_name {
                    return Err(RunError::NeedsBubblewrap { there });
                }
                if mode == DataMode::Copy {
                    let copied = attempt.data().join(number.to_string());
                    fs::create_dir_all(attempt.data()).map_err(failed)?;
                    copy(&binding.here, &copied).map_err(failed)?;
                }
            }
        }
    }
    Ok(())
}

/// Adds the user's data to what the program may see; returns where it is shown read only.
pub(super) fn show(
    plan: &RunPlan,
    attempt: &Attempt,
    baseline: &Baseline,
    confinement: &mut Confinement,
) -> Vec<Utf8PathBuf> {
    let mut shown = Vec::new();
    // first, so that the user's own data wins where both are at the same place
    for path in baseline.shown.iter().filter_map(|path| Utf8Path::from_path(path)) {
        let here = plan.checkout.path.join(path);
        let there = attempt.work().join(path);
        shown.push(there.clone());
        if there.exists() {
            confinement.bindings.push(Binding { here, there, writable: false });
        }
    }
    for (number, binding) in plan.bindings().enumerate() {
        let here = binding.here.clone();
        match (place(attempt, &binding.there), binding.mode) {
            (Place::Below(there), DataMode::ReadOnly) => {
                if confinement.kind == SandboxKind::Bubblewrap {
                    let there = there.clone();
                    confinement.bindings.push(Binding { here, there, writable: false });
                } else {
                    confinement.readable.push(here);
                }
                shown.push(there);
            }
            (Place::Below(_), DataMode::Copy) => {}
            (Place::Absolute(there), DataMode::ReadOnly) => {
                if there == here {
                    confinement.readable.push(here);
                } else {
                    confinement.bindings.push(Binding { here, there, writable: false });
                }
            }
            (Place::Absolute(there), DataMode::Copy) => {
                let here = attempt.data().join(number.to_string());
                confinement.bindings.push(Binding { here, there, writable: true });
            }
        }
    }
    shown
}

/// Makes the folder above `there`, and clears away what the source has in its place.
fn make_room(there: &Utf8Path) -> std::io::Result<()> {
    if let Some(parent) = there.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::symlink_metadata(there) {
        // this is the run's own copy
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(there),
        Ok(_) => fs::remove_file(there),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes what bubblewrap mounts over, or the link that stands for it elsewhere.
fn show_below(binding: &DataBinding, there: &Utf8Path, kind: SandboxKind) -> std::io::Result<()> {
    if kind != SandboxKind::Bubblewrap {
        symlink(&binding.here, there)
    } else if fs::metadata(&binding.here)?.is_dir() {
        fs::create_dir(there)
    } else {
        fs::File::create(there).map(drop)
    }
}

fn copy(here: &Utf8Path, there: &Utf8Path) -> std::io::Result<Baseline> {
    if fs::metadata(here)?.is_dir() {
        return copy_tree(here, there);
    }
    crate::sparse::copy(here.as_std_path(), there.as_std_path())?;
    Ok(Baseline::of_file(&fs::metadata(there)?))
}
