//! What goes to standard output: data for programs, tables and pages for people.

#[cfg(test)]
mod captured;
pub mod frameworks;
pub mod inspection;
pub mod nodes;
pub mod page;
pub mod queue;
pub mod table;
pub mod usage;

use std::io::{self, Write as _};

use serde::Serialize;

/// Prints text for people; colours are dropped where standard output is no terminal.
///
/// # Errors
///
/// What the operating system says, but a reader that went away (`| head`) is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    forgive_closed_pipe(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// The width of lines where standard output is no terminal.
const PLAIN_WIDTH: usize = 100;

/// Returns how many columns a line may have.
pub fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout())
        .map_or(PLAIN_WIDTH, |(terminal_size::Width(columns), _)| usize::from(columns).max(40))
}

/// Prints bytes as they are.
///
/// # Errors
///
/// As [`print`].
pub fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    forgive_closed_pipe(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Prints one JSON document and a line end.
///
/// # Errors
///
/// As [`print`].
pub fn print_json(document: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    print_bytes(text.as_bytes())
}

fn forgive_closed_pipe(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
