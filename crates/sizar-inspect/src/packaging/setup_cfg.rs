//! `setup.cfg`, of setuptools and of pbr.

use super::ini::{self, Key, Section};
use super::kind::Kind;
use super::read::Read;
use super::requirement::is_marker;
use super::text::{group, pattern};
use super::tree::{Tree, neighbour};

/// Reads a `setup.cfg`.
pub(super) fn read(path: &str, text: &str, tree: &dyn Tree) -> Read {
    let mut read = Read::new(path, Kind::SetupCfg);
    let (sections, lost) = ini::read(text);
    for line in lost {
        read.cannot_read(format!("line {line} belongs to no section"));
    }
    for section in &sections {
        one(&mut read, section, tree);
    }
    if read.file.version.is_none()
        && let Some(name) = read.file.name.clone()
        && sections
            .iter()
            .any(|section| section.name == "metadata" && section.key("version").is_some())
    {
        read.file.version = super::setup_py::version_in_code(&name, path, tree);
    }
    read
}

fn one(read: &mut Read, section: &Section, tree: &dyn Tree) {
    let name = section.name.replace('-', "_");
    match name.as_str() {
        "metadata" => metadata(read, section, tree),
        "options" => options(read, section),
        "options.extras_require" => {
            for key in &section.keys {
                extra(read, key);
            }
        }
        "options.packages.find" => {
            for (_, folder) in
                section.key("where").map(|key| key.lines.as_slice()).unwrap_or_default()
            {
                read.package_dirs.push((String::new(), folder.clone()));
            }
        }
        "options.entry_points" | "entry_points" => entry_points(read, section),
        "files" => {
            let packages =
                section.key("packages").map(|key| key.lines.as_slice()).unwrap_or_default();
            read.packages.extend(packages.iter().map(|(_, package)| package.clone()));
            for (line, file) in
                section.key("scripts").map(|key| key.lines.as_slice()).unwrap_or_default()
            {
                read.script_file(file, *line);
            }
        }
        // pbr reads its requirements from files of these names
        "pbr" => {}
        // pbr's older name for options of distutils2
        "extras" => {
            for key in &section.keys {
                extra(read, key);
            }
        }
        _ => {}
    }
}

fn metadata(read: &mut Read, section: &Section, tree: &dyn Tree) {
    read.file.name = section.key("name").map(Key::value).filter(|name| !name.is_empty());
    let version = section.key("version").map(Key::value).unwrap_or_default();
    let folder = read.path();
    read.file.version = match version.split_once(':') {
        Some(("file", file)) => neighbour(&folder, file.trim())
            .and_then(|file| tree.read(&file))
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty() && !text.contains(char::is_whitespace)),
        Some(_) => None,
        None => Some(version).filter(|version| !version.is_empty()),
    };
    for key in ["classifier", "classifiers"] {
        for (line, classifier) in
            section.key(key).map(|key| key.lines.as_slice()).unwrap_or_default()
        {
            if let Some(version) = python_of_classifier(classifier) {
                read.python_named(version, *line);
            }
        }
    }
    for key in ["url", "home_page", "download_url"] {
        read.addresses.extend(section.key(key).map(Key::value));
    }
    for key in ["requires_python", "python_requires"] {
        if let Some(key) = section.key(key) {
            requires_python(read, key);
        }
    }
    if let Some(key) = section.key("requires_dist") {
        list(read, key, "install");
    }
}

fn requires_python(read: &mut Read, key: &Key) {
    let specifiers = key.value();
    read.python_requires(&specifiers, key.line);
    read.file.requires_python = (!specifiers.is_empty()).then_some(specifiers);
}

fn options(read: &mut Read, section: &Section) {
    for key in &section.keys {
        match key.name.as_str() {
            "install_requires" | "requires" => list(read, key, "install"),
            "setup_requires" => list(read, key, "build"),
            "tests_require" => list(read, key, "test"),
            "python_requires" => requires_python(read, key),
            "packages" => {
                read.packages.extend(key.lines.iter().flat_map(|(_, line)| line.split(',')).map(
                    |name| match name.trim() {
                        "find_namespace:" => "find:".to_owned(),
                        name => name.to_owned(),
                    },
                ));
            }
            "py_modules" => {
                read.py_modules.extend(
                    key.lines
                        .iter()
                        .flat_map(|(_, line)| line.split(','))
                        .map(|name| name.trim().to_owned()),
                );
            }
            "package_dir" => {
                for (_, line) in &key.lines {
                    if let Some((package, folder)) = line.split_once('=') {
                        read.package_dirs
                            .push((package.trim().to_owned(), folder.trim().to_owned()));
                    }
                }
            }
            "scripts" => {
                for (line, file) in &key.lines {
                    read.script_file(file, *line);
                }
            }
            "dependency_links" => {
                for (line, address) in &key.lines {
                    read.index("find_links", address, *line);
                }
            }
            "ext_modules" => read.file.compiles = true,
            _ => {}
        }
    }
}

fn extra(read: &mut Read, key: &Key) {
    list(read, key, &format!("extra:{}", key.written));
}

/// One requirement on each line, or several on one with `;` between, as setuptools takes them.
fn list(read: &mut Read, key: &Key, scope: &str) {
    pattern!(FILE, r"^file:\s*(.+)$", needs["file:"]);
    if let [(line, only)] = key.lines.as_slice() {
        if let Some(file) = FILE.captures(only) {
            for name in group(&file, 1).split(',') {
                read.refer(name.trim(), Kind::RequirementsTxt, scope, *line, true);
            }
            return;
        }
        if *line == key.line {
            for part in marker_parts(only) {
                read.require(&part, *line, scope);
            }
            return;
        }
    }
    for (line, written) in &key.lines {
        read.require(written, *line, scope);
    }
}

/// Splits at `;`, but keeps a marker with its requirement.
fn marker_parts(line: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in line.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        match parts.last_mut() {
            Some(last) if is_marker(part) => *last = format!("{last}; {part}"),
            _ => parts.push(part.to_owned()),
        }
    }
    parts
}

fn entry_points(read: &mut Read, section: &Section) {
    for key in &section.keys {
        if matches!(key.name.as_str(), "console_scripts" | "gui_scripts") {
            for (line, written) in &key.lines {
                if let Some((name, target)) = written.split_once('=') {
                    read.entry_point(name, target, *line);
                }
            }
        }
    }
}

/// `Programming Language :: Python :: 3.7`
pub(super) fn python_of_classifier(classifier: &str) -> Option<&str> {
    pattern!(
        PYTHON,
        r"^\s*Programming Language :: Python :: ([23](?:\.\d+)?)\s*(?::: Only)?\s*$",
        needs["Programming Language :: Python ::"]
    );
    Some(PYTHON.captures(classifier)?.get(1)?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packaging::tree::tests::Folder;

    #[test]
    fn setuptools_and_pbr_keys() {
        let text = "[metadata]\nname = kraken\nversion = attr: kraken.__version__\nclassifier =\n    Environment :: Console\n\tProgramming Language :: Python :: 3.6\n[files]\npackages = kraken\n[entry_points]\nconsole_scripts =\n    ketos = kraken.ketos:cli\n[options]\npython_requires = >=3.6\npackages = find:\npackage_dir =\n    =src\ninstall_requires =\n    click>=7.0\n    torch>=1.5.0,<1.11 ; sys_platform == 'linux'\n[options.extras_require]\ntest = hocr-spec; pytest\npdf = pyvips\n";
        let tree = Folder::new(&[("src/kraken/__init__.py", "__version__ = '3.0.6'\n")]);
        let read = read("setup.cfg", text, &tree);
        let told: Vec<String> = read
            .declared
            .iter()
            .map(|d| format!("{} {} {}", d.line, d.scope, d.requirement.as_deref().unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                "18 install click>=7.0",
                "19 install torch>=1.5.0,<1.11 ; sys_platform == 'linux'",
                "21 extra:test hocr-spec",
                "21 extra:test pytest",
                "22 extra:pdf pyvips",
            ]
        );
        assert_eq!(read.file.version.as_deref(), Some("3.0.6"));
        assert_eq!(read.python.named[0].text, "3.6");
        assert_eq!(read.python.requires[0].text, ">=3.6");
        assert_eq!(read.scripts[0].name, "ketos");
        assert_eq!(read.packages, ["kraken", "find:"]);
    }
}
