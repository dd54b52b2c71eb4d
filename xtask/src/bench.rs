//! Measurements. Each names its peer, runs interleaved with it, prints medians and their ratio,
//! and asserts no time.

mod classify;
mod control;
mod cut;
mod data;
mod edits;
mod environment;
mod inspect;
mod overhead;
mod queue;
mod start;
mod sweep;
pub mod timing;
mod transfer;
mod watch;

use anyhow::{Context as _, ensure};
use camino::Utf8PathBuf;

use crate::shell::{command, root, run};

#[derive(clap::Args)]
pub struct BenchArgs {
    /// `start`, `inspect`, `classify`, `overhead`, `queue`, `sweep`, `control`, `data`, `transfer`, `edits`, `cut`, `environment`, `watch`; without any, all
    names: Vec<String>,
    /// How often each command is timed
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Runs that the queue is given
    #[arg(long, default_value_t = 10_000)]
    runs: usize,
    /// A folder with `pueue` and `pueued`; installed by cargo below `target/` if not given
    #[arg(long)]
    pueue: Option<Utf8PathBuf>,
    /// The program to measure; the release build, which is made first, if not given
    #[arg(long)]
    program: Option<Utf8PathBuf>,
}

/// What a measurement works with.
pub struct Bench {
    /// The release build of the program.
    pub sizar: Utf8PathBuf,
    /// A new folder for this measurement.
    pub folder: Utf8PathBuf,
    pub rounds: usize,
    pub runs: usize,
    pub pueue: Option<Utf8PathBuf>,
}

type Measurement = fn(&Bench) -> anyhow::Result<()>;

const ALL: [(&str, Measurement); 13] = [
    ("start", start::measure),
    ("inspect", inspect::measure),
    ("classify", classify::measure),
    ("overhead", overhead::measure),
    ("queue", queue::measure),
    ("sweep", sweep::measure),
    ("control", control::measure),
    ("data", data::measure),
    ("transfer", transfer::measure),
    ("edits", edits::measure),
    ("cut", cut::measure),
    ("environment", environment::measure),
    ("watch", watch::measure),
];

/// Runs the measurements that were asked for.
pub fn bench(args: &BenchArgs) -> anyhow::Result<()> {
    for name in &args.names {
        ensure!(ALL.iter().any(|(known, _)| known == name), "there is no measurement `{name}`");
    }
    if args.program.is_none() {
        run(command("cargo", &["build", "--release", "--locked", "-p", "sizar"]))?;
    }
    let program = match &args.program {
        // measurements change their folder
        Some(program) => program.canonicalize_utf8().with_context(|| format!("`{program}`"))?,
        None => root().join("target/release/sizar"),
    };
    for (name, measure) in ALL {
        if !args.names.is_empty() && !args.names.iter().any(|asked| asked == name) {
            continue;
        }
        let folder = root().join("target/bench").join(name);
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        fs_err::create_dir_all(&folder)?;
        timing::title(name);
        measure(&Bench {
            sizar: program.clone(),
            folder,
            rounds: args.rounds,
            runs: args.runs,
            pueue: args.pueue.clone(),
        })?;
    }
    Ok(())
}
