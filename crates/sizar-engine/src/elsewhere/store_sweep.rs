//! What of a target's store nobody uses, and what of it goes.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sizar_model::resources::ByteSize;
use sizar_model::{Progress, RunId, SweepId};

use super::leftovers::{self, Leftovers, Staying};
use super::push::push;
use super::there::SWEEP;
use super::{ElsewhereError, Layout};
use crate::home::Home;
use crate::target::Place;
use crate::transfer::{Kept, Store, Swept, sweep};
use crate::transport::{Answer, Step};

/// How long a sweep may take: a million files on a busy server.
const PATIENCE: Duration = Duration::from_hours(2);
/// How long what a sweep uses stays when nothing tells whether it goes on.
const SWEEP_STAYS: Duration = Duration::from_hours(24 * 30);

/// What of a store may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepPolicy {
    /// Only what no run has wanted for so long.
    pub older_than: Duration,
    /// Also younger things, beyond so much of what nobody uses.
    pub most: Option<ByteSize>,
    /// Nothing is removed.
    pub only_look: bool,
}

/// What a sweep of a target found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptThere {
    /// Of the store.
    #[serde(flatten)]
    pub store: Swept,
    #[serde(flatten)]
    pub beside: Leftovers,
}

/// Removes from a target what nobody uses; returns what went.
///
/// # Errors
///
/// [`ElsewhereError`] where the target cannot be reached, or its store not be read.
pub fn sweep_store(
    home: &Home,
    place: &mut Place,
    policy: SweepPolicy,
    progress: &dyn Progress,
) -> Result<SweptThere, ElsewhereError> {
    let json = |source| ElsewhereError::Json { what: "list of what went", source };
    let layout = Layout::at(place.root());
    let program = push(home, place, &layout, progress)?;
    let policy = serde_json::to_string(&policy).map_err(json)?;
    let step = Step::program(program.as_str(), [SWEEP, layout.root().as_str(), &policy]);
    let answers = place.transport.run(&[step.limit(PATIENCE)])?;
    let answer = answers.first().filter(|answer| answer.is_success());
    let Some(text) = answer.map(Answer::text) else {
        let said = answers.first().map(|answer| String::from_utf8_lossy(&answer.stderr));
        let message = said.unwrap_or_default().trim().to_owned();
        return Err(ElsewhereError::Step { step: "sweep the store", message });
    };
    serde_json::from_str(text.trim()).map_err(json)
}

/// Sweeps, on the target.
pub(super) fn there(layout: &Layout, policy: &str) -> Result<String, String> {
    let policy: SweepPolicy = serde_json::from_str(policy).map_err(|error| error.to_string())?;
    let now = SystemTime::now();
    let kept = Kept {
        used: used(layout, now),
        wanted_within: policy.older_than,
        most: policy.most.map(|most| most.0),
        only_look: policy.only_look,
    };
    let store = sweep(&Store::at(layout.root()), &kept, now).map_err(|error| error.to_string())?;
    let staying = Staying { wanted_within: policy.older_than, only_look: policy.only_look };
    let swept = SweptThere { store, beside: leftovers::sweep(layout, staying, now) };
    serde_json::to_string(&swept).map_err(|error| error.to_string())
}

/// Returns the trees that runs use which have not ended, as far as their folders tell.
fn used(layout: &Layout, now: SystemTime) -> HashSet<String> {
    let mut used = HashSet::new();
    for entry in layout.runs().read_dir_utf8().into_iter().flatten().flatten() {
        if is_open(layout, entry.path(), now) {
            for file in ["plan.json", "request.json"] {
                let text = fs::read_to_string(entry.path().join(file)).unwrap_or_default();
                used.extend(trees_in(&text, &layout.trees()));
            }
            // what a job that has not started makes of its patch
            let changed: Vec<String> = used.iter().filter_map(|name| base(layout, name)).collect();
            used.extend(changed);
        }
    }
    used
}

/// Returns whether the run or sweep of a folder goes on, as far as that tells.
pub(super) fn is_open(layout: &Layout, folder: &Utf8Path, now: SystemTime) -> bool {
    let name = folder.file_name().unwrap_or_default();
    match (name.parse::<RunId>(), name.parse::<SweepId>()) {
        (_, Ok(_)) => is_young(&folder.join("plan.json"), now),
        (Ok(run), _) => !has_ended(layout, &run),
        // whoever made it knows
        _ => true,
    }
}

/// Returns the tree of which a patch makes `name`.
fn base(layout: &Layout, name: &str) -> Option<String> {
    let bytes = fs::read(layout.patch(name).join(super::whole::CHANGE)).ok()?;
    Some(super::manifest::Change::from_bytes(&bytes)?.base)
}

fn is_young(path: &Utf8Path, now: SystemTime) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| now.duration_since(time).unwrap_or_default() < SWEEP_STAYS)
}

/// Returns whether the last attempt that was handed over has left its receipt.
fn has_ended(layout: &Layout, run: &RunId) -> bool {
    let last = (1..10_000).take_while(|attempt| layout.script(run, *attempt).exists()).last();
    last.is_some_and(|attempt| layout.receipt(run, attempt).exists())
}

/// Finds the names of trees in a text.
fn trees_in(text: &str, trees: &Utf8Path) -> Vec<String> {
    let beginning = format!("{trees}/");
    let names = text.split(beginning.as_str()).skip(1);
    names
        .map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>())
        .filter(|name| name.len() == 16)
        .collect()
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;
    use crate::transfer::{Content, Scan, lay_out};

    #[test]
    fn what_a_live_run_uses_stays_and_the_rest_goes_with_its_contents() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let layout = Layout::at(root.join("there"));
        let store = Store::at(layout.root());
        let tree = |text: &str| {
            let from = root.join("from");
            fs::create_dir_all(&from).unwrap();
            fs::write(from.join("a"), text).unwrap();
            let manifest = Scan::data(from.as_std_path()).run().unwrap().manifest;
            for entry in manifest.entries() {
                assert!(matches!(entry.content, Content::File { .. }));
                store.keep(&entry.content, &from.as_std_path().join(entry.path())).unwrap();
            }
            lay_out(&store, &manifest).unwrap()
        };
        let (live, ended, lost) = (tree("live"), tree("ended"), tree("lost"));
        let old = SystemTime::now() - Duration::from_hours(24 * 40);
        for name in [&live, &ended, &lost] {
            let mark = fs::File::options().write(true).open(store.mark(name)).unwrap();
            mark.file().set_modified(old).unwrap();
        }
        let run = |bits, tree: &str, receipt: bool| {
            let run = RunId::from_bits(bits);
            fs::create_dir_all(layout.attempt(&run, 1)).unwrap();
            let plan = format!("{{\"data\": \"{}/x\"}}", layout.tree(tree));
            fs::write(layout.plan(&run), plan).unwrap();
            fs::write(layout.script(&run, 1), "").unwrap();
            if receipt {
                fs::write(layout.receipt(&run, 1), "{}").unwrap();
            }
        };
        run(1, &live, false);
        run(2, &ended, true);
        let policy =
            SweepPolicy { older_than: Duration::from_hours(24 * 30), most: None, only_look: true };
        let swept = |policy: SweepPolicy| -> Swept {
            let policy = serde_json::to_string(&policy).unwrap();
            let swept: SweptThere =
                serde_json::from_str(&there(&layout, &policy).unwrap()).unwrap();
            swept.store
        };
        assert_eq!(swept(policy).trees_removed, 2);
        assert!(store.tree(&ended).exists());
        let gone = swept(SweepPolicy { only_look: false, ..policy });
        assert_eq!((gone.trees_removed, gone.trees_kept, gone.trees_used), (2, 1, 1));
        assert!(store.has_tree(&live) && !store.tree(&ended).exists());
        assert!(!store.tree(&lost).exists());
        // what was wanted a moment ago stays, however little is to stay
        let young = tree("young");
        let most = Some(ByteSize(0));
        swept(SweepPolicy { most, only_look: false, ..policy });
        assert!(store.has_tree(&young));
    }
}
