//! Why a program could not be run.

use camino::Utf8PathBuf;

/// A program that could not be run, or not be watched.
///
/// How a program that did run ended is no error: see [`super::Finished`].
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error(
        "there is no program `{program}` in `{path}`, or the interpreter in its first line is missing"
    )]
    ProgramNotFound { program: String, path: String },
    #[error("`{program}` cannot be executed: {reason}")]
    NotExecutable { program: String, reason: String },
    #[error("`{program}` could not be started")]
    Spawn {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`{path}`, which the program should see, cannot be used")]
    Unusable {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the sandbox could not be set up: {message}")]
    Sandbox { message: String },
    #[error("`{there}` can be shown to the program only by bubblewrap")]
    BindingNeedsBubblewrap { there: Utf8PathBuf },
    #[error("this program cannot be its own helper, and `SIZAR_HELPER` names no other")]
    NoHelper,
    #[error("the way to the package index could not be opened")]
    Proxy {
        #[source]
        source: std::io::Error,
    },
    #[error("bubblewrap is not installed")]
    NoBubblewrap,
    #[error("the output could not be kept in `{path}`")]
    Log {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{program}` could not be watched any longer, and was ended")]
    Watch {
        program: String,
        #[source]
        source: std::io::Error,
    },
}
