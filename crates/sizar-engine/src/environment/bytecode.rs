//! Compiling what an environment's programs import.
//!
//! Runs cannot write into an environment, so that modules without bytecode would be compiled each
//! time a program starts. All of a large environment takes longer to compile than to install: only
//! what was seen to be imported is. (uv's own `--compile-bytecode` needs Python 3.7, and compiles
//! everything.)

use sizar_model::Invocation;

use super::SetupError;
use super::verify::Subject;
use super::workshop::{View, Workshop};

const COMPILE: &str = include_str!("../../python/compile_files.py");

/// Compiles modules of an environment, given by their paths below its prefix.
///
/// The paths come from a program that ran foreign code: those that lead elsewhere are left out.
pub fn compile(
    workshop: &Workshop<'_>,
    subject: &Subject<'_>,
    loaded: &[String],
) -> Result<(), SetupError> {
    let inside = |path: &&String| {
        path.ends_with(".py")
            && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !path.contains(['\n', '\r'])
    };
    let paths: Vec<String> =
        loaded.iter().filter(inside).map(|path| subject.prefix.join(path).into_string()).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let program = workshop.write("compile_files.py", COMPILE)?;
    let list = workshop.write("loaded.txt", &(paths.join("\n") + "\n"))?;
    // without what is installed: its start-up hooks could write through links into the cache
    let call = Invocation::new(subject.interpreter.path.as_str()).args([
        "-S",
        "-E",
        program.as_str(),
        list.as_str(),
    ]);
    let view = View {
        readable: vec![subject.interpreter.prefix.clone()],
        writable: vec![subject.prefix.to_owned()],
        is_ours: true,
        ..View::default()
    };
    workshop.run(&call, view, None)?;
    Ok(())
}
