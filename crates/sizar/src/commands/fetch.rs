//! `sizar fetch`.

use camino::Utf8PathBuf;
use sizar_engine::run;
use sizar_model::resources::ByteSize;

use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::session::Session;

/// Copy what a run made into a folder of yours
///
/// A file that you changed there is never overwritten: the run's is put beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar fetch 7x2k                            into ./sizar-7x2kq9ab
  sizar fetch 7x2k -o results 'checkpoints/*.pth'")]
pub struct FetchArgs {
    /// The run's name, or its beginning
    run: String,
    /// Only results whose path matches, such as '*.csv' or 'out/**'
    pattern: Option<String>,
    /// The folder to copy to
    #[arg(short, long, value_name = "DIR")]
    output: Option<Utf8PathBuf>,
}

pub fn fetch(session: &Session, args: &FetchArgs) -> CommandResult {
    let run = session.journal_with(&args.run)?.get(&args.run)?;
    let fetched = run::fetch(&session.home, &run, args.pattern.as_deref(), args.output.as_deref())?;
    for (mine, theirs) in &fetched.beside {
        session.say(&format!("`{mine}` is yours and stays; the run's is beside it as `{theirs}`"));
    }
    session.say(&format!(
        "{} files ({}) are new in {}, {} were there already",
        fetched.brought.len() + fetched.beside.len(),
        ByteSize(fetched.bytes),
        fetched.into,
        fetched.same.len()
    ));
    Ok(ExitCode::Success)
}
