//! An environment that came as one file, where it is needed at once: on a login node, or in place.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::part::{Part, tree_of};
use super::relocate::plan_moved;
use super::shelf;
use crate::elsewhere::sent::LOCK;
use crate::home::Home;
use crate::run::RunPlan;

/// A plan whose environment is there, as long as this lives.
#[derive(Debug)]
pub(in super::super) struct Moment {
    folder: Option<Utf8PathBuf>,
    plan: RunPlan,
}

impl Moment {
    pub fn plan(&self) -> &RunPlan {
        &self.plan
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder
            && let Err(error) = shelf::remove(folder)
        {
            tracing::debug!(%error, "an unpacked environment was not removed");
        }
    }
}

/// Returns the plan as it is, or, where its environment is not unpacked, one whose environment lies
/// on this machine's own disk for a moment; in place, where there is no room.
///
/// # Errors
///
/// What the operating system says, and where the packed form is not whole.
pub(in super::super) fn for_a_moment(shared: &Home, plan: &RunPlan) -> io::Result<Moment> {
    let Some(tree) = packed_tree(shared, plan) else {
        return Ok(Moment { folder: None, plan: plan.clone() });
    };
    let part = Part::folder(shared, tree.clone());
    let own = std::env::temp_dir();
    let places = Utf8Path::from_path(&own).into_iter().chain(["/var/tmp".into()]);
    for place in places {
        super::clear_dead(place);
        if super::fits(place, &part.need, false).is_err() {
            continue;
        }
        let folder = super::own_folder(place, "moment")?;
        let to = folder.join("tree");
        let moves = [(tree.clone(), to.clone())];
        let moment = Moment { folder: Some(folder), plan: plan_moved(plan, &moves) };
        part.bring(shared, &to, &moves)?;
        return Ok(moment);
    }
    unpack_in_place(shared, plan)?;
    Ok(Moment { folder: None, plan: plan.clone() })
}

/// Unpacks the environment of a plan where the plan says that it lies, unless it is there.
///
/// # Errors
///
/// As [`for_a_moment`].
pub(in super::super) fn unpack_in_place(shared: &Home, plan: &RunPlan) -> io::Result<()> {
    let Some(tree) = packed_tree(shared, plan) else { return Ok(()) };
    let parent = tree.parent().unwrap_or(Utf8Path::new("."));
    // of the tasks of an array one unpacks it; who sweeps takes this lock, too
    let name = parent.file_name().unwrap_or_default();
    let _turn = shared.lock(&format!("{LOCK}{name}"), || {}).map_err(io::Error::other)?;
    if tree.exists() {
        return Ok(());
    }
    let part = Part::folder(shared, tree.clone());
    let staging = tempfile::Builder::new().prefix(".new-").tempdir_in(parent)?;
    let new = Utf8PathBuf::try_from(staging.path().join("tree")).map_err(io::Error::other)?;
    part.bring(shared, &new, &[])?;
    fs::rename(&new, &tree)
}

/// Returns the tree in which the environment of a plan was sent, where it is not unpacked.
fn packed_tree(shared: &Home, plan: &RunPlan) -> Option<Utf8PathBuf> {
    tree_of(shared, &plan.prefix).filter(|tree| !tree.exists())
}
