//! The reference pages, which the program writes about itself.

use anyhow::{Context as _, ensure};
use camino::Utf8Path;

use crate::shell::{command, root, run};

/// Writes the pages.
pub fn write() -> anyhow::Result<()> {
    write_to(&root().join("docs/reference"))
}

/// Fails where a page is not what the program would write, or a link of the guide leads nowhere.
pub fn check() -> anyhow::Result<()> {
    let fresh = tempfile::tempdir()?;
    let fresh_path = Utf8Path::from_path(fresh.path()).context("a temporary path in UTF-8")?;
    write_to(fresh_path)?;
    for entry in fresh_path.read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        let committed = fs_err::read_to_string(root().join("docs/reference").join(name))?;
        ensure!(
            committed == fs_err::read_to_string(entry.path())?,
            "`docs/reference/{name}` is out of date; `cargo xtask generate` writes it"
        );
    }
    links()
}

fn write_to(folder: &Utf8Path) -> anyhow::Result<()> {
    // the same program as the tests have: of one package alone it would have other features
    let build = ["build", "--quiet", "--locked", "--workspace", "--bin", "sizar"];
    run(command("cargo", &build))?;
    let program = root().join("target/debug/sizar");
    run(command(program.as_str(), &["__reference", folder.as_str()]))
}

/// Checks that every relative link of a Markdown page leads to a file.
fn links() -> anyhow::Result<()> {
    let mut folders = vec![root().join("docs")];
    let mut pages = vec![];
    for entry in root().read_dir_utf8()? {
        pages.push(entry?.into_path());
    }
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8()? {
            let path = entry?.into_path();
            if path.is_dir() { folders.push(path) } else { pages.push(path) }
        }
    }
    for page in pages.iter().filter(|page| page.extension() == Some("md")) {
        let text = fs_err::read_to_string(page)?;
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let there = page.parent().unwrap_or(page).join(target);
            ensure!(there.exists(), "`{page}` links to `{target}`, which is not there");
        }
    }
    Ok(())
}
