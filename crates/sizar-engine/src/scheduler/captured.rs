//! Answers of real schedulers: `fixtures/schedulers/`.

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::Output;

/// Reads the answer that was captured under this name, such as `slurm/22.05.8/poll-all`.
pub(super) fn output(name: &str) -> Output {
    let root: Utf8PathBuf =
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/schedulers");
    let (folder, name) = name.rsplit_once('/').unwrap();
    let folder = root.join(folder);
    let commands = fs_err::read_to_string(folder.join("commands.tsv")).unwrap();
    let code = commands
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('\t')?.split('\t').next())
        .unwrap_or_else(|| panic!("{name} is not in commands.tsv"));
    let read = |end: &str| {
        fs_err::read_to_string(folder.join(format!("{name}.{end}"))).unwrap_or_default()
    };
    Output { code: Some(code.parse().unwrap()), stdout: read("out"), stderr: read("err") }
}

/// An answer that was never captured: no end of the command is known.
pub(super) fn no_answer() -> Output {
    Output::default()
}
