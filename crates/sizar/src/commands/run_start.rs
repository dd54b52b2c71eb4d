//! Where the driver of `sizar run` starts, and what it reads.

use std::io::IsTerminal as _;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use sizar_engine::run;
use sizar_model::DataBinding;

use crate::commands::run::RunArgs;
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::session::Session;

/// Returns a driver as it is called at the root of the source.
pub fn in_folder(folder: Option<&Utf8Path>, driver: String) -> CommandResult<String> {
    let Some(folder) = folder else { return Ok(driver) };
    let leads_out = folder
        .components()
        .any(|part| !matches!(part, Utf8Component::Normal(_) | Utf8Component::CurDir));
    if leads_out {
        let error = anyhow::anyhow!("`--in {folder}` is no folder of the source");
        let failure = Failure::new(ExitCode::Usage, error);
        return Err(failure.hint("name it relative to the source's root, such as `--in src`"));
    }
    let folder = folder.as_str().trim_start_matches("./").trim_end_matches('/');
    let is_file = driver.contains('/') || driver.ends_with(".py") || driver.ends_with(".sh");
    if !is_file || matches!(folder, "" | ".") || Utf8Path::new(&driver).starts_with(folder) {
        return Ok(driver);
    }
    let joined = Utf8Path::new(folder).join(&driver);
    run::inside(&joined).map(Utf8PathBuf::into_string).ok_or_else(|| {
        let error = anyhow::anyhow!("`{driver}` leads out of the source from `{folder}`");
        Failure::new(ExitCode::Usage, error)
            .hint("the driver is named as it is called in that folder")
    })
}

/// Returns what the program reads from its standard input; nothing where it is not read yet.
pub fn stdin(
    session: &Session,
    file: &Utf8Path,
    cwd: &Utf8Path,
    args: &RunArgs,
) -> CommandResult<Option<DataBinding>> {
    let wrong = |why: String| Failure::new(ExitCode::Usage, anyhow::anyhow!("`--stdin`: {why}"));
    if file != "-" {
        let path = cwd.join(file).canonicalize_utf8();
        let path = path.map_err(|error| wrong(format!("`{file}` cannot be read: {error}")))?;
        if !path.is_file() {
            return Err(wrong(format!("`{file}` is no file")));
        }
        return Ok(Some(DataBinding::stdin(path)));
    }
    if args.queue.batch.as_deref().is_some_and(|batch| batch == "-") {
        return Err(wrong("`--batch -` reads the standard input already".to_owned()));
    }
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(wrong("nothing is piped to this command; name a file".to_owned()));
    }
    if args.dry_run {
        session.say("what is piped is kept with the run, and is the program's standard input");
        return Ok(None);
    }
    Ok(Some(run::keep_stdin(&session.home, &mut input.lock(), &session.reporter)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_named_as_it_is_called_in_the_folder() {
        let of = |folder: &str, driver: &str| {
            in_folder(Some(Utf8Path::new(folder)), driver.to_owned()).ok()
        };
        assert_eq!(of("net", "main.py").as_deref(), Some("net/main.py"));
        assert_eq!(of("net/sub", "../main.py").as_deref(), Some("net/main.py"));
        assert_eq!(of("net", "../go.py").as_deref(), Some("go.py"));
        assert_eq!(of("net", "../../go.py"), None);
        assert_eq!(of("net", "net/main.py").as_deref(), Some("net/main.py"));
        assert_eq!(of("net", "python").as_deref(), Some("python"));
    }
}
