//! What `conda list` prints, in its three forms, also when it was saved as `requirements.txt`.

use super::conda::{self, Row};
use super::kind::Kind;
use super::read::Read;
use super::text::{group, pattern};

/// The form of a conda listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `numpy  1.16.2  py37_0  defaults`
    Table,
    /// `numpy=1.16.2=py37_0` (`conda list --export`)
    Export,
    /// `https://conda.anaconda.org/…/numpy-1.16.2-py37_0.tar.bz2` (`--explicit`)
    Explicit,
}

/// Returns the form of `text`, where it is a conda listing.
pub(super) fn recognise(text: &str) -> Option<Style> {
    pattern!(TABLE_HEAD, r"(?m)^#\s*(?:packages in environment at|Name\s+Version\s+Build)", needs ["packages in environment at", "Name"]);
    pattern!(EXPORT_ROW, r"^[A-Za-z0-9_][\w.-]*=[^=\s]+=[^=\s]+$", needs["="]);
    pattern!(
        TABLE_ROW,
        r"^[A-Za-z0-9_][\w.-]*\s+[\w.!+]+\s+(?:<pip>|pypi_\d+|py\d+\S*|h?[0-9a-f]{5,}_\d+|\d+|[a-z]+_\d+)(?:\s+\S+)?$"
    );
    if text.lines().any(|line| line.trim() == "@EXPLICIT") {
        return Some(Style::Explicit);
    }
    if TABLE_HEAD.is_match(text) {
        return Some(Style::Table);
    }
    let rows = text.lines().map(str::trim).filter(|row| !row.is_empty() && !row.starts_with('#'));
    let (mut all, mut exported, mut tabled) = (0, 0, 0);
    for row in rows {
        all += 1;
        exported += usize::from(EXPORT_ROW.is_match(row));
        tabled += usize::from(TABLE_ROW.is_match(row));
    }
    if all > 2 && exported * 2 > all {
        Some(Style::Export)
    } else if all > 2 && tabled * 2 > all {
        Some(Style::Table)
    } else {
        None
    }
}

/// Reads a conda listing.
pub(super) fn read(path: &str, text: &str, style: Style) -> Read {
    let mut read = Read::new(path, Kind::CondaList);
    for (line, written) in (1..).zip(text.lines()) {
        let written = written.trim();
        if written.is_empty() || written.starts_with(['#', '@']) {
            continue;
        }
        match style {
            Style::Table => table_row(&mut read, written, line),
            Style::Export => export_row(&mut read, written, line),
            Style::Explicit => explicit_row(&mut read, written, line),
        }
    }
    read
}

/// Reads a file whose name says that it is a conda listing.
pub(super) fn read_any(path: &str, text: &str) -> Read {
    if let Some(style) = recognise(text) {
        return read(path, text, style);
    }
    // a list of packages for `conda install --file`
    let mut read = Read::new(path, Kind::CondaList);
    for (line, written) in super::requirements_txt::logical_lines(text) {
        conda::require(&mut read, &written, line, "conda");
    }
    read
}

fn table_row(read: &mut Read, written: &str, line: u32) {
    let mut columns = written.split_whitespace();
    let (Some(name), Some(version)) = (columns.next(), columns.next()) else {
        read.require(written, line, "conda");
        return;
    };
    let build = columns.next().unwrap_or_default();
    let channel = columns.next().unwrap_or_default();
    exact(read, &Exact { name, version, build, channel, written, line });
}

fn export_row(read: &mut Read, written: &str, line: u32) {
    let mut columns = written.split('=').filter(|column| !column.is_empty());
    match (columns.next(), columns.next()) {
        (Some(name), Some(version)) if !name.contains(['<', '>', '!', ' ']) => {
            let build = columns.next().unwrap_or_default();
            exact(read, &Exact { name, version, build, channel: "", written, line });
        }
        _ => conda::require(read, written, line, "conda"),
    }
}

fn explicit_row(read: &mut Read, written: &str, line: u32) {
    pattern!(FILE, r"([^/]+)-([^-/]+)-([^-/]+?)(?:\.tar\.bz2|\.conda)(?:#\w+)?$", needs [".tar.bz2", ".conda"]);
    match FILE.captures(written) {
        Some(found) => exact(
            read,
            &Exact {
                name: group(&found, 1),
                version: group(&found, 2),
                build: group(&found, 3),
                channel: "",
                written,
                line,
            },
        ),
        None => read.require(written, line, "conda"),
    }
}

struct Exact<'a> {
    name: &'a str,
    version: &'a str,
    build: &'a str,
    channel: &'a str,
    written: &'a str,
    line: u32,
}

/// One installed package; those of pip are PyPI's under their own name.
fn exact(read: &mut Read, found: &Exact<'_>) {
    let Exact { name, version, build, channel, written, line } = *found;
    if build.starts_with("pypi") || build == "<pip>" || channel == "pypi" {
        read.require_with(&format!("{name}=={version}"), written, line, "conda", None);
        return;
    }
    let name = name.to_ascii_lowercase();
    let versions =
        if build.is_empty() { format!("=={version}") } else { format!("={version}={build}") };
    conda::row(read, &Row { name: &name, versions: &versions, written, line, scope: "conda" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(read: &Read) -> Vec<String> {
        let rows = read.declared.iter().map(|d| match &d.requirement {
            Some(requirement) => format!("{}: {requirement}", d.line),
            None => format!("{}: ({})", d.line, d.name),
        });
        rows.chain(read.python.named.iter().map(|s| format!("{}: python {}", s.line, s.text)))
            .collect()
    }

    #[test]
    fn the_three_forms_say_the_same() {
        let table = "# packages in environment at /home/me/anaconda3/envs/x:\n#\n# Name                    Version                   Build  Channel\n_libgcc_mutex             0.1                        main\nnumpy                     1.16.2           py37h7e9f1db_0\nabsl-py                   0.7.1                     <pip>\ntorch                     1.4.0                    pypi_0    pypi\npython                    3.7.3                h0371630_0\n";
        let export = "# This file may be used to create an environment using:\n# $ conda create --name <env> --file <this file>\n# platform: linux-64\n_libgcc_mutex=0.1=main\nnumpy=1.16.2=py37h7e9f1db_0\nabsl-py=0.7.1=pypi_0\ntorch=1.4.0=pypi_0\npython=3.7.3=h0371630_0\n";
        let explicit = "# platform: linux-64\n@EXPLICIT\nhttps://repo.anaconda.com/pkgs/main/linux-64/_libgcc_mutex-0.1-main.conda\nhttps://repo.anaconda.com/pkgs/main/linux-64/numpy-1.16.2-py37h7e9f1db_0.conda\nhttps://repo.anaconda.com/pkgs/main/linux-64/python-3.7.3-h0371630_0.tar.bz2#0123abc\n";
        assert_eq!(recognise(table), Some(Style::Table));
        assert_eq!(recognise(export), Some(Style::Export));
        assert_eq!(recognise(explicit), Some(Style::Explicit));
        assert_eq!(recognise("numpy==1.16.2\nscipy\ntorch==1.0\n"), None);
        assert_eq!(
            told(&read("requirements.txt", table, Style::Table)),
            [
                "4: (-libgcc-mutex)",
                "5: numpy==1.16.2",
                "6: absl-py==0.7.1",
                "7: torch==1.4.0",
                "8: python 3.7.3"
            ]
        );
        assert_eq!(
            told(&read("requirements.txt", export, Style::Export)),
            [
                "4: (-libgcc-mutex)",
                "5: numpy==1.16.2",
                "6: absl-py==0.7.1",
                "7: torch==1.4.0",
                "8: python 3.7.3"
            ]
        );
        assert_eq!(
            told(&read("spec-file.txt", explicit, Style::Explicit)),
            ["3: (-libgcc-mutex)", "4: numpy==1.16.2", "5: python 3.7.3"]
        );
    }
}
