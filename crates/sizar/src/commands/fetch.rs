//! `sizar fetch`.

use camino::Utf8PathBuf;
use sizar_engine::run;
use sizar_model::resources::ByteSize;

use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::session::Session;
use crate::sweeps::is_sweep;

/// Copy what a run made into a folder of yours
///
/// A file that you changed there is never overwritten: the run's is put beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar fetch 7x2k                            into ./sizar-7x2kq9ab
  sizar fetch 7x2k -o results 'checkpoints/*.pth'
  sizar fetch s-7x2k -o results '*.json'      of every task of a sweep, in a folder each")]
pub struct FetchArgs {
    /// The run's or the sweep's name, or its beginning
    run: String,
    /// Only results whose path matches, such as '*.csv' or 'out/**'
    pattern: Option<String>,
    /// The folder to copy to
    #[arg(short, long, value_name = "DIR")]
    output: Option<Utf8PathBuf>,
}

pub fn fetch(session: &Session, args: &FetchArgs) -> CommandResult {
    if is_sweep(&args.run) {
        return fetch_sweep(session, args);
    }
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

/// Copies what every task of a sweep made, each into a folder of its own.
fn fetch_sweep(session: &Session, args: &FetchArgs) -> CommandResult {
    let journal = session.journal_with(&args.run)?;
    let sweep = journal.find_sweep(&args.run)?;
    let into = args.output.clone().unwrap_or_else(|| format!("sizar-{}", sweep.id).into());
    let (mut files, mut bytes, mut tasks) = (0, 0, 0);
    for task in journal.tasks(&sweep.id)? {
        let run = journal.get(task.run.as_str())?;
        let folder = into.join(task.number.to_string());
        let fetched = match run::fetch(&session.home, &run, args.pattern.as_deref(), Some(&folder))
        {
            Ok(fetched) => fetched,
            // other tasks may have some
            Err(run::FetchError::NothingFits { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        for (mine, theirs) in &fetched.beside {
            session.say(&format!(
                "`{mine}` of task {} is yours and stays; the run's is beside it as `{theirs}`",
                task.number
            ));
        }
        files += fetched.brought.len() + fetched.beside.len();
        bytes += fetched.bytes;
        tasks += 1;
    }
    session.say(&format!(
        "{files} files ({}) of {tasks} tasks are new in {into}, a folder for each task",
        ByteSize(bytes)
    ));
    Ok(ExitCode::Success)
}
