//! The options that decide an environment; `setup`, `run` and `env` share them.

use camino::Utf8PathBuf;
use jiff::Timestamp;
use sizar_engine::run::EnvironmentWish;
use sizar_model::{Device, Locator, PythonVersion};

use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::session::parse_date;

/// The options that decide an environment.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Environment")]
pub struct EnvironmentOptions {
    /// Use this Python instead of the one of the code's time
    #[arg(long, value_name = "VERSION")]
    python: Option<PythonVersion>,
    /// Resolve as of this day instead of the code's own
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    date: Option<Timestamp>,
    /// Add a requirement that nobody declared, such as 'numpy<1.24'
    #[arg(long = "with", value_name = "REQUIREMENT")]
    with: Vec<String>,
    /// Compute on the GPU where there is one that the code knows (auto), or on the CPU, or on CUDA
    #[arg(long, value_name = "auto|cpu|cuda", default_value = "auto", value_parser = parse_device,
          hide_default_value = true)]
    device: Device,
    /// Rebuild exactly what a lock says; without a path, the `sizar.lock` in the source's folder
    #[arg(long, value_name = "LOCK", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "clap's form of an option with an optional value")]
    locked: Option<Option<Utf8PathBuf>>,
    /// Plan anew, even where an environment is remembered
    #[arg(long)]
    fresh: bool,
    /// Ask the source again instead of using what is cached
    #[arg(long)]
    refresh: bool,
    /// Use only what is cached; ask nobody
    #[arg(long, conflicts_with = "refresh")]
    offline: bool,
    /// Build and run foreign code without a sandbox; the record says so
    #[arg(long)]
    no_sandbox: bool,
    /// Verify without trying any of the code's own work (its light tests, a random network)
    #[arg(long)]
    no_smoke: bool,
    /// Try the code's own work for at most this many seconds
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_smoke")]
    smoke_time: Option<u64>,
}

fn parse_device(text: &str) -> Result<Device, String> {
    match text {
        "auto" => Ok(Device::Auto),
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda),
        _ => Err("it is `auto`, `cpu` or `cuda`".to_owned()),
    }
}

impl EnvironmentOptions {
    /// Returns what the options mean for `source`.
    pub fn wish(&self, source: &Locator) -> CommandResult<EnvironmentWish> {
        let lock = match (&self.locked, source) {
            (None, _) => None,
            (Some(Some(path)), _) => Some(path.clone()),
            (Some(None), Locator::Folder(folder)) => Some(folder.join(sizar_env::lock::FILE_NAME)),
            (Some(None), _) => {
                let error = anyhow::anyhow!("only a folder has a lock of its own beside the code");
                return Err(Failure::new(ExitCode::Usage, error)
                    .hint("name the lock: `--locked=sizar.lock`"));
            }
        };
        let lock = lock.map(|path| -> CommandResult<_> {
            let text = fs_err::read_to_string(&path)?;
            Ok(sizar_env::lock::read(&text)?)
        });
        Ok(EnvironmentWish {
            python: self.python,
            date: self.date,
            with: self.with.clone(),
            device: self.device,
            lock: lock.transpose()?,
            fresh: self.fresh,
            refresh: self.refresh,
            offline: self.offline,
            no_sandbox: self.no_sandbox,
            no_smoke: self.no_smoke,
            smoke_seconds: self.smoke_time,
            stopped: Vec::new(),
        })
    }

    /// Whether foreign code is kept in.
    pub fn sandbox(&self) -> bool {
        !self.no_sandbox
    }
}
