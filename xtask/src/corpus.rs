//! `cargo xtask corpus`: many academic repositories through sizar, one after the other.
//!
//! A corpus is a CSV file with the columns `name`, `github`, `commit`, `probe_l2` and `probe_l3`:
//! a probe is a line of shell that shows that the repository's program answers (L2) or computes
//! (L3). Each repository is set up as a user would, then its probes run with `sizar env exec` in a
//! copy of its tree. The outcome is a CSV file and a table. One bad repository never ends it.

mod outcome;
mod peer;
mod row;
mod source;
mod trial;

use std::collections::VecDeque;
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use camino::Utf8PathBuf;

use crate::bench::timing::line;
use crate::shell::{command, root, run, say};
use outcome::Outcome;
use row::Row;
use trial::Bench;

#[derive(clap::Args)]
pub struct CorpusArgs {
    /// The corpus: name, github, commit, `probe_l2`, `probe_l3`, …
    file: Utf8PathBuf,
    /// Only repositories of these names
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// A folder with clones: `NAME`, `OWNER/REPO` or `OWNER+REPO`; without it they are fetched
    #[arg(long, value_name = "DIR")]
    sources: Option<Utf8PathBuf>,
    /// How many repositories at once
    #[arg(long, default_value_t = 1, value_name = "N")]
    jobs: usize,
    /// Where the results are written
    #[arg(long, default_value = "corpus-results.csv", value_name = "CSV")]
    out: Utf8PathBuf,
    /// Minutes that setting up one repository may take
    #[arg(long, default_value_t = 30, value_name = "MINUTES")]
    setup_minutes: u64,
    /// Minutes that one probe may take
    #[arg(long, default_value_t = 15, value_name = "MINUTES")]
    probe_minutes: u64,
    /// Gigabytes of disk to keep free: below that, what sizar has cached is removed
    #[arg(long, default_value_t = 20, value_name = "GB")]
    keep_free: u64,
    /// Keep the environments
    #[arg(long)]
    keep: bool,
    /// Also measure what uv takes to install the lock that each setup found, both without cached
    /// packages
    #[arg(long)]
    against_uv: bool,
    /// The folder in which everything happens; a temporary one if it is left out
    #[arg(long, value_name = "DIR")]
    work: Option<Utf8PathBuf>,
    /// The sizar to judge; without it, a release build of this tree
    #[arg(long, value_name = "PROGRAM")]
    program: Option<Utf8PathBuf>,
}

/// Runs a corpus through sizar.
pub fn corpus(args: &CorpusArgs) -> anyhow::Result<()> {
    let rows = row::read(&args.file)?;
    let program = match &args.program {
        Some(program) => program.canonicalize_utf8().context("the program is not there")?,
        None => {
            run(command("cargo", &["build", "--release", "--locked", "--package", "sizar"]))?;
            root().join("target/release/sizar")
        }
    };
    let temporary = tempfile::Builder::new().prefix("sizar-corpus-").tempdir()?;
    let work = match &args.work {
        Some(folder) => {
            fs_err::create_dir_all(folder)?;
            folder.canonicalize_utf8()?
        }
        None => Utf8PathBuf::try_from(temporary.path().to_owned())?,
    };
    let wanted = |row: &Row| args.only.is_empty() || args.only.contains(&row.name);
    let queue: VecDeque<Row> = rows.into_iter().filter(wanted).collect();
    anyhow::ensure!(!queue.is_empty(), "no repository of `{}` was asked for", args.file);
    let total = queue.len();
    let bench = Bench {
        program,
        work,
        sources: args.sources.as_deref().map(camino::Utf8Path::canonicalize_utf8).transpose()?,
        setup_limit: Duration::from_secs(60 * args.setup_minutes),
        probe_limit: Duration::from_secs(60 * args.probe_minutes),
        keep_free: args.keep_free << 30,
        keep: args.keep,
        against_uv: args.against_uv,
        shared: RwLock::default(),
    };
    let queue = Mutex::new(queue);
    let done: Mutex<Vec<Outcome>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                while let Some(row) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) {
                    let outcome = bench.judge(&row);
                    let Ok(mut done) = done.lock() else { return };
                    done.push(outcome);
                    say(&format!("[{}/{total}] {}", done.len(), outcome::told(done.last())));
                    // what is known so far survives whatever comes next
                    if let Err(error) = outcome::write(&args.out, &done) {
                        say(&format!("`{}` cannot be written: {error:#}", args.out));
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_default();
    outcome::write(&args.out, &done)?;
    line(&outcome::table(&done));
    if let Some(ratio) = outcome::against_uv(&done) {
        line(&ratio);
    }
    line(&outcome::summary(&done));
    Ok(())
}
