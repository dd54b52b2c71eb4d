//! `PKG-INFO` of an sdist: what the authors' own build found.

use super::kind::Kind;
use super::read::Read;
use super::requirement::with_marker;
use super::setup_cfg::python_of_classifier;
use super::text::{group, pattern};

/// Reads the headers; the description after them is not read.
pub(super) fn read(path: &str, text: &str) -> Read {
    pattern!(HEADER, r"^([A-Za-z-]+):\s*(.*)$");
    let mut read = Read::new(path, Kind::PkgInfo);
    for (line, written) in (1..).zip(text.lines()) {
        if written.is_empty() {
            break;
        }
        let Some(header) = HEADER.captures(written) else { continue };
        let value = group(&header, 2).trim();
        match group(&header, 1) {
            "Name" => read.file.name = Some(value.to_owned()),
            "Version" => read.file.version = Some(value.to_owned()),
            "Requires-Python" => {
                read.python_requires(value, line);
                read.file.requires_python = Some(value.to_owned());
            }
            "Classifier" => {
                if let Some(version) = python_of_classifier(value) {
                    read.python_named(version, line);
                }
            }
            "Requires-Dist" => requires(&mut read, value, line),
            _ => {}
        }
    }
    read
}

/// `name (>=1) ; extra == 'x'`: the extra becomes the scope.
fn requires(read: &mut Read, value: &str, line: u32) {
    pattern!(EXTRA, r#"\(?\s*extra\s*==\s*['"]([^'"]+)['"]\s*\)?"#, needs["extra"]);
    let (asked, marker) = value.split_once(';').unwrap_or((value, ""));
    let (scope, marker) = match EXTRA.captures(marker) {
        Some(extra) => {
            let rest = EXTRA.replace(marker, "");
            let rest =
                rest.trim().trim_start_matches("and ").trim_end_matches(" and").trim().to_owned();
            (format!("extra:{}", group(&extra, 1)), rest)
        }
        None => ("install".to_owned(), marker.trim().to_owned()),
    };
    let text = if marker.is_empty() {
        asked.trim().to_owned()
    } else {
        with_marker(asked.trim(), &marker)
    };
    read.require_with(&text, value, line, &scope, None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_an_sdist() {
        let text = "Metadata-Version: 2.1\nName: madmom\nVersion: 0.16.1\nRequires-Python: >=2.7\nClassifier: Programming Language :: Python :: 2.7\nRequires-Dist: numpy (>=1.13.4)\nRequires-Dist: pytest ; extra == 'test'\nDescription: x\n\nRequires-Dist: not this\n";
        let read = read("PKG-INFO", text);
        let told: Vec<_> = read
            .declared
            .iter()
            .map(|d| (d.scope.as_str(), d.requirement.as_deref().unwrap()))
            .collect();
        assert_eq!(told, [("install", "numpy>=1.13.4"), ("extra:test", "pytest")]);
        assert_eq!(read.file.version.as_deref(), Some("0.16.1"));
    }
}
