//! The documented exit codes: `docs/reference/exit-codes.md`.

/// Why sizar ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// What was asked for was done.
    Success,
    /// Something else went wrong: a disk, a permission, a bug.
    Failure,
    /// The command line could not be understood.
    Usage,
    /// The source could not be brought here.
    Source,
    /// No working environment could be made.
    Setup,
    /// The request does not fit the source or the machine: an unknown driver, too many cores.
    Request,
    /// There is no such run, or no such environment.
    NotFound,
    /// The journal or `SIZAR_HOME` cannot be used.
    Home,
    /// A target could not be reached, or did not do its part.
    Target,
    /// `sizar run` failed before or beside the program; any other code is the program's.
    Run,
    /// Interrupted by Ctrl-C.
    Interrupted,
}

/// Every code with its meaning, in the order of the reference page.
pub const ALL: [(ExitCode, &str); 11] = [
    (ExitCode::Success, "what was asked for was done"),
    (ExitCode::Failure, "something else went wrong: a disk, a permission, a bug"),
    (ExitCode::Usage, "the command line could not be understood"),
    (ExitCode::Source, "the source could not be brought here"),
    (ExitCode::Setup, "no working environment could be made"),
    (
        ExitCode::Request,
        "the request does not fit the source or the machine: an unknown driver, too many cores",
    ),
    (ExitCode::NotFound, "there is no such run, or no such environment"),
    (ExitCode::Home, "the journal or `SIZAR_HOME` cannot be used"),
    (ExitCode::Target, "a target could not be reached, or did not do its part"),
    (
        ExitCode::Run,
        "`sizar run` and `sizar env exec` failed before the program started; every other code of \
         theirs is the program's own (128 + n if signal n ended it)",
    ),
    (ExitCode::Interrupted, "interrupted by Ctrl-C"),
];

impl ExitCode {
    /// Returns the number that the shell sees.
    pub fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Source => 10,
            Self::Setup => 20,
            Self::Request => 30,
            Self::NotFound => 40,
            Self::Home => 50,
            Self::Target => 60,
            Self::Run => 125,
            Self::Interrupted => 130,
        }
    }
}
