//! All that is needed to execute a run, also later and by another process.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sizar_model::{Checkout, DataBinding, JobSpec, ProjectInstall};

use super::folder::start_of;
use super::{Entry, Found, Input, RunError};

/// The format of a stored plan.
const VERSION: u32 = 1;

/// All that is needed to execute a run: equal runs have equal plans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The format; a newer sizar reads older ones.
    pub version: u32,
    /// The source as the user named it, without secrets.
    pub locator: String,
    pub checkout: Checkout,
    /// The environment's prefix, with `bin/python` in it.
    pub prefix: Utf8PathBuf,
    /// Where the interpreter itself and its library are: shown read only.
    #[serde(default)]
    pub python_roots: Vec<Utf8PathBuf>,
    /// Whether the source is installed, or its root has to be on Python's path.
    pub project: ProjectInstall,
    pub job: JobSpec,
    /// The folder in which the user typed.
    pub caller_cwd: Utf8PathBuf,
    /// Variables that the environment's lock asks for.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The attempt whose results this one goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry_from: Option<u32>,
    /// The user's own files among the arguments.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// What the code would download, fetched beforehand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetched: Vec<DataBinding>,
    pub entry: Entry,
    /// The folder of the working copy in which it starts; empty where that is its root.
    #[serde(default, skip_serializing_if = "is_root")]
    pub folder: Utf8PathBuf,
    /// The driver's arguments as they are handed over: those that name the user's own files may
    /// differ from what was typed.
    pub args: Vec<String>,
}

impl RunPlan {
    /// Starts a plan with what [`resolve`](super::resolve) returned: the entry, and how many
    /// arguments belong to its name.
    pub fn new(
        checkout: Checkout,
        prefix: Utf8PathBuf,
        job: JobSpec,
        (entry, named): (Entry, usize),
    ) -> Self {
        let folder = start_of(&checkout.path, &job).folder;
        Self {
            version: VERSION,
            locator: checkout.source.locator.clone(),
            checkout,
            python_roots: interpreter_roots(&prefix.join("bin/python")),
            prefix,
            project: ProjectInstall::OnPath,
            caller_cwd: Utf8PathBuf::from("/"),
            variables: BTreeMap::new(),
            carry_from: None,
            inputs: Vec::new(),
            fetched: Vec::new(),
            entry,
            folder,
            args: job.args.iter().skip(named).cloned().collect(),
            job,
        }
    }

    /// Takes in the user's own files, which were looked for among [`RunPlan::args`].
    pub fn with_inputs(mut self, found: Found) -> Self {
        (self.args, self.inputs) = (found.args, found.inputs);
        self
    }

    /// Writes the plan as the journal keeps it.
    ///
    /// # Errors
    ///
    /// [`RunError::Plan`] where a part cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, RunError> {
        serde_json::to_string(self).map_err(|source| RunError::Plan { source })
    }

    /// Reads a plan of the journal's.
    ///
    /// # Errors
    ///
    /// [`RunError::Plan`] where it is none, [`RunError::NewerPlan`] where it is a newer sizar's.
    pub fn from_json(text: &str) -> Result<Self, RunError> {
        /// What every format has.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let unreadable = |source| RunError::Plan { source };
        let head: Head = serde_json::from_str(text).map_err(unreadable)?;
        if head.version > VERSION {
            return Err(RunError::NewerPlan { found: head.version, known: VERSION });
        }
        serde_json::from_str(text).map_err(unreadable)
    }

    /// Returns all that is bound into the run: what was fetched beforehand, what the user asked for,
    /// then what was found among the arguments.
    pub fn bindings(&self) -> impl Iterator<Item = &DataBinding> {
        self.fetched
            .iter()
            .chain(&self.job.data)
            .chain(self.inputs.iter().map(|input| &input.binding))
    }

    /// Returns the same to be changed.
    pub fn bindings_mut(&mut self) -> impl Iterator<Item = &mut DataBinding> {
        self.job.data.iter_mut().chain(self.inputs.iter_mut().map(|input| &mut input.binding))
    }

    /// Returns whether what the plan builds on is still there; if not, it is prepared again.
    pub fn is_usable(&self) -> bool {
        self.checkout.path.is_dir() && self.python().exists()
    }

    /// Returns the environment's interpreter.
    pub fn python(&self) -> Utf8PathBuf {
        self.prefix.join("bin/python")
    }

    /// Returns the folder in which the program starts, for a working copy at `work`.
    pub fn starts_in(&self, work: &Utf8Path) -> Utf8PathBuf {
        if is_root(&self.folder) { work.to_owned() } else { work.join(&self.folder) }
    }

    /// Returns the program and its arguments, for a working copy at `work`.
    pub fn command(&self, work: &Utf8Path) -> (String, Vec<String>) {
        let bin = self.prefix.join("bin");
        let python = self.python().into_string();
        // as it is called in the folder where it starts
        let named = |path: &str| match Utf8Path::new(path).strip_prefix(&self.folder) {
            Ok(below) => below.to_string(),
            Err(_) => work.join(path).into_string(),
        };
        let (program, first): (String, Vec<String>) = match &self.entry {
            Entry::Script { path } => (python, vec![named(path)]),
            Entry::Interpreted { interpreter, path } => match interpreter.split_first() {
                Some((program, flags)) => {
                    (program.clone(), flags.iter().cloned().chain([named(path)]).collect())
                }
                None => ("sh".to_owned(), vec![named(path)]),
            },
            Entry::Executable { path } => (work.join(path).into_string(), Vec::new()),
            Entry::Installed { name } => (python, vec![bin.join(name).into_string()]),
            Entry::Program { name } => (bin.join(name).into_string(), Vec::new()),
            Entry::Module { name } => (python, vec!["-m".to_owned(), name.clone()]),
            Entry::Python => (python, Vec::new()),
        };
        (program, first.into_iter().chain(self.args.iter().cloned()).collect())
    }
}

fn is_root(folder: &Utf8Path) -> bool {
    folder.as_str().is_empty()
}

/// How many links from one to the next are followed.
const LINKS: usize = 16;

/// Returns the folders that an interpreter and its library are in, along all links to it; those
/// of the system are shown anyway.
pub fn interpreter_roots(python: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut roots: Vec<Utf8PathBuf> = Vec::new();
    let mut add = |python: &Utf8Path| {
        let root = python.parent().and_then(Utf8Path::parent);
        if let Some(root) = root.filter(|root| root.parent().is_some())
            && !root.starts_with("/usr")
            && !roots.iter().any(|known| root == known)
        {
            roots.push(root.to_owned());
        }
    };
    let mut path = python.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = path.read_link_utf8() else { break };
        path = path.parent().map_or(target.clone(), |folder| folder.join(&target));
        // a link to a sibling leads to no other folder
        if target.components().count() > 1 {
            add(&path);
        }
    }
    if let Ok(real) = python.canonicalize_utf8() {
        add(&real);
    }
    roots
}
