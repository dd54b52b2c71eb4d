//! `sizar env`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, Subcommand};
use sizar_engine::environment::{self, Kept};
use sizar_engine::process::{self, Control, Io, Limits};
use sizar_engine::sandbox::{self, Confinement, SandboxKind};
use sizar_model::resources::ByteSize;
use sizar_model::{EnvLock, Invocation, NetworkAccess};

use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::interrupt::Interrupt;
use crate::output::{self, table};
use crate::session::Session;

/// Look after environments
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sizar env list
  sizar env show 3fa9
  sizar env exec 3fa9 -- python -c 'import numpy; print(numpy.__version__)'
  sizar env shell 3fa9
  sizar env export 3fa9 > sizar.lock
  sizar env remove 3fa9")]
pub struct EnvArgs {
    #[command(subcommand)]
    command: EnvCommand,
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    /// List environments, newest first
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show one environment: what is in it, and why
    Show {
        /// The environment's name, or its beginning
        environment: String,
        /// Print one JSON document: the lock
        #[arg(long)]
        json: bool,
    },
    /// Run a command in an environment, in the folder you are in
    ///
    /// The command sees this folder and may write to it; the sandbox keeps it out of everything
    /// else of yours.
    Exec {
        /// The environment's name, or its beginning
        environment: String,
        /// Let the command reach the network
        #[arg(long)]
        network: bool,
        /// Run it without the sandbox
        #[arg(long)]
        no_sandbox: bool,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Open a shell in which an environment is active; not sandboxed
    Shell {
        /// The environment's name, or its beginning
        environment: String,
    },
    /// Print an environment's lock, or its packages as requirements
    Export {
        /// The environment's name, or its beginning
        environment: String,
        /// What to print
        #[arg(long, default_value = "lock")]
        format: ExportFormat,
    },
    /// Remove environments; they can be made again
    Remove {
        /// The environments' names, or their beginnings
        #[arg(required = true)]
        environments: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ExportFormat {
    /// `sizar.lock`, from which `sizar setup --locked` makes the same again
    Lock,
    /// requirements.txt with hashes
    Requirements,
}

pub fn env(session: &Session, args: &EnvArgs) -> CommandResult<u8> {
    match &args.command {
        EnvCommand::List { json } => list(session, *json)?,
        EnvCommand::Show { environment, json } => show(session, environment, *json)?,
        EnvCommand::Exec { environment, network, no_sandbox, command } => {
            return exec(session, environment, *network, *no_sandbox, command)
                .map_err(|failure| failure.with_code(ExitCode::Run));
        }
        EnvCommand::Shell { environment } => return shell(session, environment),
        EnvCommand::Export { environment, format } => {
            let (_, lock) = environment::show(&session.home, environment)?;
            output::print(&match format {
                ExportFormat::Lock => sizar_env::lock::write(&lock)?,
                ExportFormat::Requirements => sizar_env::uv::locked_requirements(&lock),
            })?;
        }
        EnvCommand::Remove { environments } => {
            for name in environments {
                let gone = environment::remove(&session.home, name)?;
                session.say(&format!("{} is gone ({})", gone.name, ByteSize(gone.size)));
            }
            environment::collect_garbage(&session.home)?;
        }
    }
    Ok(0)
}

fn list(session: &Session, json: bool) -> CommandResult<()> {
    let kept = environment::list(&session.home)?;
    if json {
        return Ok(output::print_json(&kept)?);
    }
    if kept.is_empty() {
        session.say("no environments yet; `sizar setup SOURCE` makes one");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = kept.iter().map(row).collect();
    let header = ["ENVIRONMENT", "PYTHON", "PACKAGES", "SIZE", "MADE", "SOURCE"];
    Ok(output::print(&table::render(&header, &rows))?)
}

fn row(kept: &Kept) -> Vec<String> {
    vec![
        kept.name.clone(),
        kept.python.to_string(),
        kept.packages.to_string(),
        ByteSize(kept.size).to_string(),
        kept.made.strftime("%Y-%m-%d").to_string(),
        format!("{} {}", kept.locator, kept.revision.as_deref().unwrap_or_default()),
    ]
}

fn show(session: &Session, name: &str, json: bool) -> CommandResult<()> {
    let (kept, lock) = environment::show(&session.home, name)?;
    if json {
        return Ok(output::print_json(&lock)?);
    }
    Ok(output::print(&page(&kept, &lock))?)
}

fn page(kept: &Kept, lock: &EnvLock) -> String {
    let bold = anstyle::Style::new().bold();
    let mut page = format!("{bold}{}{bold:#}  {}\n", kept.name, kept.path);
    let revision = kept.revision.as_deref().unwrap_or_default();
    let _ = writeln!(page, "source    {} {revision}", kept.locator);
    let _ = writeln!(page, "python    {}", lock.python);
    if let Some(date) = lock.exclude_newer {
        let _ = writeln!(page, "as of     {}", date.strftime("%Y-%m-%d"));
    }
    if let Some(verification) = &lock.verification {
        let _ = writeln!(page, "sandbox   {}", verification.sandbox);
        for check in &verification.checks {
            let _ = writeln!(page, "checked   {check}");
        }
    }
    for deviation in &lock.deviations {
        let _ = writeln!(page, "decided   {} ({})", deviation.reason, deviation.rule);
    }
    let _ = writeln!(page, "{bold}{} packages{bold:#}", lock.package_count());
    for package in &lock.conda {
        let _ = writeln!(page, "  {} {} {} of conda", package.name, package.version, package.build);
    }
    for package in &lock.packages {
        let _ = writeln!(page, "  {} {}", package.name, package.version);
    }
    page
}

fn exec(
    session: &Session,
    name: &str,
    network: bool,
    no_sandbox: bool,
    command: &[String],
) -> CommandResult<u8> {
    let (kept, lock) = environment::show(&session.home, name)?;
    let here = Utf8PathBuf::try_from(std::env::current_dir()?)
        .map_err(|error| Failure::new(ExitCode::Failure, error))?;
    let scratch = session.home.staging()?;
    let scratch = Utf8PathBuf::try_from(scratch.path().to_owned())
        .map(|path| (path, scratch))
        .map_err(|error| Failure::new(ExitCode::Failure, error))?;
    let (home, tmp) = (scratch.0.join("home"), scratch.0.join("tmp"));
    for folder in [&home, &tmp] {
        fs_err::create_dir_all(folder)?;
    }
    let kind = if no_sandbox { SandboxKind::None } else { sandbox::detect() };
    let mut confinement = Confinement::new(kind, home, tmp);
    confinement.writable.push(here.clone());
    confinement.readable.push(kept.path.clone());
    confinement.readable.extend(environment::python_roots(&kept.path));
    let (program, words) = command.split_first().expect("clap asks for at least one word");
    let bin = kept.path.join("bin");
    let installed = bin.join(program);
    let program = if !program.contains('/') && installed.exists() {
        installed.into_string()
    } else {
        program.clone()
    };
    let mut invocation = Invocation::new(program)
        .args(words.iter().cloned())
        .env("PATH", format!("{bin}:{}", process::environment::PATH))
        .env("VIRTUAL_ENV", kept.path.as_str())
        .network(if network { NetworkAccess::Full } else { NetworkAccess::None })
        .cwd(&here);
    for (name, value) in lock.variables.iter().chain(&source_path(&lock, &here)) {
        invocation = invocation.env(name, value);
    }
    let control = Control::default();
    Interrupt::watch(&session.home)?.running(&control);
    let log = scratch.0.join("log");
    let io = Io::Live { log: &log, echo: true, usage: None };
    let finished = process::execute(&invocation, &confinement, &Limits::default(), io, &control)?;
    Ok(u8::try_from(finished.ending.exit_code()).unwrap_or(1))
}

fn shell(session: &Session, name: &str) -> CommandResult<u8> {
    let (kept, lock) = environment::show(&session.home, name)?;
    if !std::io::stdin().is_terminal() {
        let error = anyhow::anyhow!("a shell needs a terminal");
        return Err(Failure::new(ExitCode::Request, error)
            .hint(format!("`sizar env exec {name} -- COMMAND` runs one command")));
    }
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    session.say(&format!("{} is active, without a sandbox; `exit` leaves it", kept.name));
    let path = std::env::var("PATH").unwrap_or_default();
    let here = Utf8PathBuf::try_from(std::env::current_dir()?)
        .map_err(|error| Failure::new(ExitCode::Failure, error))?;
    let status = std::process::Command::new(shell)
        .env("VIRTUAL_ENV", &kept.path)
        .env("PATH", format!("{}:{path}", kept.path.join("bin")))
        .envs(&lock.variables)
        .envs(source_path(&lock, &here))
        .status()?;
    Ok(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

/// Returns the variable by which a source that is not installed is found, as in a run: the command
/// is meant to start in the source's own folder, or in a copy of it.
fn source_path(lock: &EnvLock, here: &Utf8Path) -> BTreeMap<String, String> {
    let path = environment::python_path(here, lock.source.install, None);
    path.map(|path| ("PYTHONPATH".to_owned(), path)).into_iter().collect()
}
