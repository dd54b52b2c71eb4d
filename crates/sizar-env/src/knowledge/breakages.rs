//! Known breakages: what a failed command printed, why, and what mends it.

use std::sync::{LazyLock, OnceLock};

use jiff::Timestamp;
use regex::{Captures, Regex, RegexSet, RegexSetBuilder};
use serde::Deserialize;
use sizar_model::{Installer, PythonVersion};

/// Where an environment failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading what the source declares.
    Read,
    /// Choosing versions.
    Resolve,
    /// Building a package, the source itself included.
    Build,
    /// Putting packages in place.
    Install,
    /// Importing what the driver imports.
    Import,
    /// Asking the driver for help.
    Answer,
    /// A few seconds of real work.
    Smoke,
    /// A run.
    Run,
}

impl Stage {
    /// Returns the stage's name, as [`Attempt`](sizar_model::Attempt) has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Resolve => "resolve",
            Self::Build => "build",
            Self::Install => "install",
            Self::Import => "import",
            Self::Answer => "answer",
            Self::Smoke => "smoke",
            Self::Run => "run",
        }
    }
}

/// A row of `knowledge/breakages/`: a symptom, its cause and what mends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakage {
    pub id: String,
    /// The stages it is seen at; empty for all.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// A regular expression over what the failed command printed.
    #[serde(deserialize_with = "regex_of_text")]
    pub symptom: Regex,
    /// One sentence for people. `{name}` stands for the symptom's group of that name.
    pub cause: String,
    /// Only where the environment's Python is at least this one.
    #[serde(default)]
    pub from_python: Option<PythonVersion>,
    /// Only where the program had the network, or had not.
    #[serde(default)]
    pub network: Option<bool>,
    /// What to do, all of it together; empty where nothing can be done from here.
    #[serde(default)]
    pub repair: Vec<Action>,
    /// What a person may do where sizar cannot.
    #[serde(default)]
    pub advice: Option<String>,
    /// What the system lacks, by the names of its packages.
    #[serde(default)]
    pub system: Option<SystemPackages>,
    /// Whether the same command may succeed a little later: the network failed, not the plan.
    #[serde(default)]
    pub transient: bool,
    pub source: String,
    /// The captured output below `fixtures/breakages/` that shows the symptom.
    #[serde(default)]
    pub fixture: Option<String>,
}

/// Packages of the system that have what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemPackages {
    pub apt: Vec<String>,
    pub conda: Vec<String>,
}

impl Breakage {
    /// Returns what a person may do, where the row knows it.
    pub fn advice(&self) -> Option<String> {
        let system = self.system.as_ref().map(|system| {
            format!(
                "`apt install {}`, or `conda install -c conda-forge {}`",
                system.apt.join(" "),
                system.conda.join(" ")
            )
        });
        match (&self.advice, system) {
            (Some(advice), Some(system)) => Some(format!("{advice}: {system}")),
            (advice, system) => advice.clone().or(system),
        }
    }

    /// Returns whether it can be seen with this Python.
    pub fn is_for(&self, python: PythonVersion) -> bool {
        self.from_python.is_none_or(|from| python.without_patch() >= from)
    }

    /// Returns whether it is looked for at `stage`.
    pub fn is_seen_at(&self, stage: Stage) -> bool {
        // code that is run breaks as code that is imported does
        let running = |seen: &Stage| match stage {
            Stage::Smoke => matches!(seen, Stage::Import | Stage::Answer),
            Stage::Run => matches!(seen, Stage::Import | Stage::Answer | Stage::Smoke),
            _ => false,
        };
        self.stages.is_empty() || self.stages.contains(&stage) || self.stages.iter().any(running)
    }
}

/// What a repair does to a specification.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Go to the newest available Python that is not newer.
    PythonAtMost(PythonVersion),
    /// Go to the oldest available Python that is not older.
    PythonAtLeast(PythonVersion),
    /// Install this too.
    Add(String),
    /// Install this in place of whatever is asked of the package, if it is asked for at all.
    Instead(String),
    /// Resolve a package as of this date at the earliest.
    NotBefore { package: String, date: Timestamp },
    /// Keep a package within limits, if it is installed at all.
    Constrain(String),
    /// Do without a requirement.
    Drop(String),
    /// Take another distribution for a requirement.
    Rename { from: String, to: String },
    /// Give a build what it does not declare; `{package}` is the one that failed.
    BuildRequirement(String),
    /// Keep a build requirement within limits.
    BuildConstraint(String),
    /// Take a package that cannot be built, and the interpreter with it, from conda.
    CondaBinary(String),
    /// Have the other engine install the packages.
    InstallWith(Installer),
    /// Put the source on the path, and do not build it.
    OnPath,
    /// Load a start-up shim of this name; the last resort, always recorded.
    Shim(String),
    /// Forget which version is asked for.
    WithoutPin(String),
    /// Forget a version's label of its build (`+cu110`), and keep the version.
    WithoutLabel(String),
    /// Resolve a package as of an earlier date than the rest.
    EarlierDate { package: String, days: i32 },
    /// Start programs with `NAME=VALUE`.
    Variable { name: String, value: String },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    breakage: Vec<Breakage>,
}

fn regex_of_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    let text = String::deserialize(deserializer)?;
    Regex::new(&text).map_err(serde::de::Error::custom)
}

macro_rules! tables {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../knowledge/breakages/", $name, ".toml")))),*]
    };
}

/// The files by theme, in the order in which their rows are tried: specific before general.
pub(super) const TABLES: &[(&str, &str)] = &tables![
    "machine",
    "network",
    "requirements",
    "python",
    "build",
    "torch",
    "tensorflow",
    "science",
    "vision",
    "language",
    "shims",
    "tree",
    "system",
    "run",
];

static ROWS: LazyLock<Vec<Breakage>> = LazyLock::new(|| {
    TABLES
        .iter()
        .flat_map(|(name, text)| {
            let file: File = toml::from_str(text)
                .unwrap_or_else(|error| panic!("a test reads `{name}.toml`: {error}"));
            file.breakage
        })
        .collect()
});

/// The rows of one stage, and one automaton that says in a single pass which of them match.
///
/// Row by row is somewhat quicker for a traceback of ten lines, and several times slower for the
/// log of a build, which is where it is noticed.
struct OfStage {
    rows: Vec<&'static Breakage>,
    symptoms: RegexSet,
}

impl OfStage {
    fn new(stage: Stage) -> Self {
        let rows: Vec<_> = ROWS.iter().filter(|row| row.is_seen_at(stage)).collect();
        let symptoms = RegexSetBuilder::new(rows.iter().map(|row| row.symptom.as_str()))
            .size_limit(256 << 20)
            .dfa_size_limit(64 << 20)
            .build()
            .expect("each of the expressions was read alone");
        Self { rows, symptoms }
    }

    /// Made when a stage first fails: most runs see no failure at all.
    fn of(stage: Stage) -> &'static Self {
        static STAGES: [OnceLock<OfStage>; 8] = [const { OnceLock::new() }; 8];
        STAGES[stage as usize].get_or_init(|| Self::new(stage))
    }
}

/// Returns the known breakages, specific before general.
pub fn breakages() -> &'static [Breakage] {
    &ROWS
}

/// Returns the rows that are looked for at `stage` and match `output`, in their order.
pub fn matching(
    stage: Stage,
    output: &str,
) -> impl Iterator<Item = (&'static Breakage, Captures<'_>)> {
    let of_stage = OfStage::of(stage);
    of_stage
        .symptoms
        .matches(output)
        .into_iter()
        .filter_map(|index| of_stage.rows.get(index))
        .filter_map(move |row| Some((*row, row.symptom.captures(output)?)))
}

/// Returns whether `output` tells of a failure that may pass by itself.
pub fn is_transient(stage: Stage, output: &str) -> bool {
    // a build may print anything; only what uv itself says counts
    let end = ["[stdout]", "[stderr]"].iter().filter_map(|mark| output.find(mark)).min();
    let said = output.get(..end.unwrap_or(output.len())).unwrap_or(output);
    matching(stage, said).any(|(row, _)| row.transient)
}
