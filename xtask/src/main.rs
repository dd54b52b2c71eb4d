//! The project's own chores: `cargo xtask check | test | generate | worker | wheel | bench | corpus | cluster`.

mod bench;
mod chores;
mod cluster;
mod corpus;
mod generate;
mod shell;
mod slow_fs;
mod wheel;
mod worker;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Format, lint, licences, generated files, links of the guide
    Check,
    /// Set up what the tests need and run them all; what CI runs
    Test,
    /// Write the generated reference pages
    Generate,
    /// Build the program statically, to run beside jobs, and put it beside the program
    Worker {
        /// Without optimisation, beside `target/debug/sizar`
        #[arg(long)]
        debug: bool,
    },
    /// Build the Python wheel, install it into a new environment and start it
    Wheel {
        /// Without optimisation, from what `cargo build` has made
        #[arg(long)]
        debug: bool,
    },
    /// Measure; names its peers, asserts nothing
    Bench(bench::BenchArgs),
    /// Run a corpus of research repositories through sizar; writes a CSV file and a table
    Corpus(corpus::CorpusArgs),
    /// Show a folder as a slow file server would, and count the questions; of `bench environment`
    #[command(hide = true)]
    SlowFs(slow_fs::SlowFs),
    /// A real Slurm and a real OAR on this machine, to play with
    #[command(subcommand)]
    Cluster(cluster::ClusterChore),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Check => chores::check(),
        Chore::Test => chores::test(),
        Chore::Generate => generate::write(),
        Chore::Worker { debug } => worker::build(!debug).map(drop),
        Chore::Wheel { debug: true } => wheel::build_and_try(wheel::Build::Debug),
        Chore::Wheel { debug: false } => wheel::build_and_try(wheel::Build::Release),
        Chore::Bench(args) => bench::bench(&args),
        Chore::Corpus(args) => corpus::corpus(&args),
        Chore::SlowFs(args) => slow_fs::mount(&args),
        Chore::Cluster(chore) => cluster::cluster(&chore),
    }
}
