//! What the user sees when something fails: the thing, the cause, the next step.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use sizar_engine::acquire::AcquireError;
use sizar_engine::elsewhere::ElsewhereError;
use sizar_engine::environment::SetupError;
use sizar_engine::fitting::FittingError;
use sizar_engine::home::HomeError;
use sizar_engine::process::ProcessError;
use sizar_engine::queue::QueueError;
use sizar_engine::run::{EntryError, FetchError, InvalidBinding, PrepareError, RunError};
use sizar_engine::scheduler::SchedulerError;
use sizar_engine::store::StoreError;
use sizar_engine::target::{InvalidTargetName, TargetError};
use sizar_engine::transfer::TransferError;
use sizar_engine::transport::TransportError;
use sizar_env::lock::LockError;
use sizar_formats::FormatError;
use sizar_inspect::InspectError;
use sizar_model::source::InvalidLocator;

use crate::exit_code::ExitCode;

/// A failure with its exit code and its hints, ready to be shown.
#[derive(Debug)]
pub struct Failure {
    pub code: ExitCode,
    pub error: anyhow::Error,
    /// What to do next: lower case, backticks round commands.
    pub hints: Vec<String>,
}

/// The result of a command.
pub type CommandResult<T = ExitCode> = Result<T, Failure>;

impl Failure {
    /// Makes a failure.
    pub fn new(code: ExitCode, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into(), hints: Vec::new() }
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds hints.
    pub fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// Changes the exit code, as `sizar run` does: its own failures are all 125.
    pub fn with_code(mut self, code: ExitCode) -> Self {
        self.code = code;
        self
    }

    /// Renders the failure for a terminal; `anstream` drops the colours elsewhere.
    pub fn render(&self) -> String {
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let cyan = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
        let mut text = format!("{red}error:{red:#} {}\n", self.error);
        let mut said = self.error.to_string();
        for cause in self.error.chain().skip(1) {
            let cause = cause.to_string();
            // wrappers of libraries often repeat what they wrap
            if !said.contains(&cause) {
                let _ = writeln!(text, "  cause: {cause}");
                said = cause;
            }
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{cyan}hint:{cyan:#} {hint}");
        }
        text
    }
}

/// Maps the errors of the other crates to an exit code.
macro_rules! failures {
    ($($error:ty => $code:ident $(, $hints:ident)?;)*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                $(let hints = error.$hints();)?
                Self::new(ExitCode::$code, error)$(.$hints(hints))?
            }
        }
    )*};
}

failures! {
    std::io::Error => Failure;
    serde_json::Error => Failure;
    InvalidLocator => Usage;
    HomeError => Home;
    AcquireError => Source, hints;
    InspectError => Source;
    LockError => Request;
    InvalidTargetName => Usage;
    TransportError => Target, hints;
    SchedulerError => Target, hints;
    ProcessError => Failure;
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::NoSuchRun { .. }
            | StoreError::Ambiguous { .. }
            | StoreError::NoSuchSweep { .. }
            | StoreError::AmbiguousSweep { .. } => ExitCode::NotFound,
            StoreError::Illegal { .. } => ExitCode::Request,
            _ => ExitCode::Home,
        };
        let hint = error.hint();
        Self::new(code, error).hints(hint)
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        let hint = error.hint();
        match error {
            QueueError::Run(error) => error.into(),
            QueueError::Store(error) => error.into(),
            QueueError::Home(error) => error.into(),
            QueueError::NoLog { .. } => Self::new(ExitCode::NotFound, error).hints(hint),
            other => Self::new(ExitCode::Request, other).hints(hint),
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        let code = match error {
            SetupError::NoSuchEnvironment(_) | SetupError::AmbiguousEnvironment(_) => {
                ExitCode::NotFound
            }
            SetupError::NoSuchDriver { .. } | SetupError::NothingToSetUp { .. } => {
                ExitCode::Request
            }
            SetupError::Home(_) => ExitCode::Home,
            _ => ExitCode::Setup,
        };
        let hints = error.hints();
        Self::new(code, error).hints(hints)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let hint = error.hint();
        Self::new(ExitCode::Request, error).hints(hint)
    }
}

impl From<EntryError> for Failure {
    fn from(error: EntryError) -> Self {
        let hint = error.hint();
        Self::new(ExitCode::Request, error).hints(hint)
    }
}

impl From<InvalidBinding> for Failure {
    fn from(error: InvalidBinding) -> Self {
        let hint = error.hint();
        Self::new(ExitCode::Usage, error).hints(hint)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let code = match error {
            FetchError::NothingFits { .. } => ExitCode::NotFound,
            _ => ExitCode::Failure,
        };
        let hint = error.hint();
        Self::new(code, error).hints(hint)
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Locator(error) => error.into(),
            PrepareError::Acquire(error) => error.into(),
            PrepareError::Inspect(error) => error.into(),
            PrepareError::Setup(error) => error.into(),
            PrepareError::Entry(error) => error.into(),
            error @ PrepareError::Changed { .. } => {
                Self::new(ExitCode::Request, error).hint("`sizar run` starts it as it is now")
            }
        }
    }
}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Self {
        let code = match error {
            FormatError::Malformed { .. }
            | FormatError::Refused { .. }
            | FormatError::Missing { .. }
            | FormatError::Unrecognised { .. } => ExitCode::Source,
            FormatError::UnknownFormat { .. } => ExitCode::Usage,
            FormatError::Io(_) => ExitCode::Failure,
            _ => ExitCode::Request,
        };
        let hint = error.hint().map(std::borrow::Cow::into_owned);
        Self::new(code, error).hints(hint)
    }
}

impl From<FittingError> for Failure {
    fn from(error: FittingError) -> Self {
        let code = match error {
            FittingError::Format(error) => return error.into(),
            FittingError::Home(error) => return error.into(),
            FittingError::File { .. } => ExitCode::Failure,
            _ => ExitCode::Request,
        };
        let hint = error.hint();
        Self::new(code, error).hints(hint)
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let code = match error {
            TargetError::Name(_) | TargetError::Address(_) => ExitCode::Usage,
            TargetError::NoSuchTarget { .. } => ExitCode::NotFound,
            TargetError::Exists { .. } => ExitCode::Request,
            _ => ExitCode::Target,
        };
        let hints = error.hints();
        Self::new(code, error).hints(hints)
    }
}

impl From<ElsewhereError> for Failure {
    fn from(error: ElsewhereError) -> Self {
        match error {
            ElsewhereError::Prepare(error) => (*error).into(),
            ElsewhereError::Run(error) => error.into(),
            ElsewhereError::Store(error) => error.into(),
            ElsewhereError::Home(error) => error.into(),
            ElsewhereError::Target(error) => error.into(),
            other => {
                let code = match other {
                    ElsewhereError::Refused(_)
                    | ElsewhereError::NotSubmitted { .. }
                    | ElsewhereError::Predecessor { .. }
                    | ElsewhereError::Script(_) => ExitCode::Request,
                    ElsewhereError::Environment { .. } => ExitCode::Setup,
                    ElsewhereError::Transfer(
                        TransferError::EscapingLink { .. } | TransferError::Changed { .. },
                    ) => ExitCode::Source,
                    _ => ExitCode::Target,
                };
                let hints = other.hints();
                Self::new(code, other).hints(hints)
            }
        }
    }
}
