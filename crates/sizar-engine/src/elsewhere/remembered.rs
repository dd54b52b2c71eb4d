//! What was sent to a target before, so that the next time only what changed goes.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sizar_model::resources::ByteSize;
use sizar_model::{Checkout, Digest};

use super::manifest::Manifest;
use crate::home::Home;
use crate::run::{Entry, RunPlan, RunRequest, module_of, start_of};
use crate::target::Place;
use crate::transfer;
use crate::tree_digest::write_by_rename;

/// The format of the file.
const VERSION: u32 = 2;

/// What is known to be there of one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Remembered {
    version: u32,
    /// The program there.
    pub program: Utf8PathBuf,
    /// The tree that is there whole: its list is a file of its own.
    #[serde(skip)]
    pub tree: Manifest,
    name: String,
    code: BTreeMap<String, Digest>,
    /// What was asked when `plan` was made of that tree.
    pub question: Digest,
    /// None where no environment could be made.
    pub plan: Option<RunPlan>,
}

/// What decides a plan, beside the tree.
#[derive(Serialize)]
struct Question<'a> {
    environment: &'a crate::run::EnvironmentWish,
    build: crate::run::BuildPlace,
    driver: &'a str,
    revision: Option<&'a str>,
    code_date: Option<String>,
    /// What was fetched before may do for less.
    weights: Option<ByteSize>,
    network: bool,
}

/// Returns the digest of what decides a plan, beside the tree.
pub(super) fn question(checkout: &Checkout, request: &RunRequest) -> Digest {
    let source = &checkout.source;
    let question = Question {
        environment: &request.environment,
        build: request.build,
        driver: &request.job.driver,
        revision: source.revision.as_deref(),
        code_date: source.code_date.map(|date| date.to_string()),
        weights: request.weights,
        network: request.job.network,
    };
    Digest::of(&serde_json::to_vec(&question).expect("strings and lists have a form in JSON"))
}

impl Remembered {
    pub fn new(
        program: &Utf8Path,
        tree: Manifest,
        question: Digest,
        plan: Option<&RunPlan>,
    ) -> Self {
        Self {
            version: VERSION,
            program: program.to_owned(),
            name: tree.name(),
            code: tree.code.clone(),
            tree,
            question,
            plan: plan.cloned(),
        }
    }

    /// Reads what is remembered of the source of `checkout` at `place`.
    pub fn read(home: &Home, place: &Place, checkout: &Checkout) -> Option<Self> {
        let path = path(home, place, checkout);
        let mut read: Self = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let list = fs::read(path.with_extension("tree")).ok()?;
        let tree = transfer::Manifest::from_bytes(&list).ok()?;
        read.tree = Manifest { tree, code: std::mem::take(&mut read.code) };
        (read.version == VERSION && read.tree.name() == read.name).then_some(read)
    }

    /// Remembers; without it the next time only takes longer.
    pub fn write(&self, home: &Home, place: &Place, checkout: &Checkout) {
        let written = home.folder("cache/sent").map_err(std::io::Error::other).and_then(|_| {
            let path = path(home, place, checkout);
            write_by_rename(&path.with_extension("tree"), &self.tree.tree.to_bytes())?;
            write_by_rename(&path, &serde_json::to_vec(self)?)
        });
        if let Err(error) = written {
            tracing::debug!(%error, "what was sent is not remembered");
        }
    }

    /// Returns the plan of `request` for the tree that will be at `there`, where it is the same but
    /// for that.
    pub fn plan_for(
        &self,
        checkout: &Checkout,
        there: Checkout,
        request: &RunRequest,
    ) -> Option<RunPlan> {
        let request_question = question(checkout, request);
        let known = self.plan.as_ref()?;
        let own = request.job.data.is_empty() && known.inputs.is_empty();
        let fresh = request.environment.fresh || request.environment.refresh;
        if request_question != self.question || !own || fresh {
            return None;
        }
        // what the driver's name means may depend on arguments, and on what is in the tree
        let module = |path: &str| module_of(&checkout.path, &checkout.path.join(path));
        let same = match &known.entry {
            Entry::Script { path } => checkout.path.join(path).is_file() && module(path).is_none(),
            // a script that starts as a module
            Entry::Module { name } if request.job.driver.ends_with(".py") => {
                request.job.args == known.job.args
                    && module(&request.job.driver).as_ref() == Some(name)
            }
            Entry::Interpreted { path, .. } | Entry::Executable { path } => {
                checkout.path.join(path).is_file()
            }
            Entry::Installed { .. } | Entry::Program { .. } => true,
            Entry::Module { .. } | Entry::Python => request.job.args == known.job.args,
        };
        let installed = known.project == sizar_model::ProjectInstall::Install;
        if !same || installed {
            return None;
        }
        let mut plan = known.clone();
        if !matches!(plan.entry, Entry::Module { .. } | Entry::Python) {
            plan.args.clone_from(&request.job.args);
        }
        plan.folder = start_of(&checkout.path, &request.job).folder;
        plan.checkout = there;
        plan.job = request.job.clone();
        plan.carry_from = None;
        Some(plan)
    }
}

fn path(home: &Home, place: &Place, checkout: &Checkout) -> Utf8PathBuf {
    let key =
        format!("{}\0{}\0{}\0{}", place.name, place.profile.address, place.root(), checkout.path);
    let name = Digest::of(key.as_bytes()).short();
    home.root().join("cache/sent").join(format!("{name}.json"))
}
