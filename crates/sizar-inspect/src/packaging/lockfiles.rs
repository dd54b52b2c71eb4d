//! Lock files: Pipenv's, Poetry's, uv's and PDM's.

use super::kind::Kind;
use super::outline::{self, Outline};
use super::pipfile;
use super::poetry;
use super::read::Read;
use super::requirement::{Distribution, normalise};
use super::text::without_secrets;

/// Reads `Pipfile.lock`.
pub(super) fn pipfile_lock(path: &str, text: &str) -> Read {
    let mut read = Read::new(path, Kind::PipfileLock);
    let file = match outline::json(text) {
        Ok(file) => file,
        Err(error) => {
            read.cannot_read(format!("not valid JSON: {error}"));
            return read;
        }
    };
    // development packages are no part of what the code needs
    for (name, asked) in file.get("default").map(Outline::entries).unwrap_or_default() {
        poetry::dependency(&mut read, name, asked, "locked");
    }
    for source in file.at(&["_meta", "sources"]).map(Outline::items).unwrap_or_default() {
        pipfile::index(&mut read, source);
    }
    if let Some(requires) = file.at(&["_meta", "requires"]) {
        pipfile::python(&mut read, requires);
    }
    read
}

/// Reads `poetry.lock`, `uv.lock` or `pdm.lock`: lists of `[[package]]`.
pub(super) fn packages(path: &str, text: &str, kind: Kind) -> Read {
    let mut read = Read::new(path, kind);
    let (file, errors) = outline::toml(text);
    for error in errors {
        read.cannot_read(error);
    }
    for package in file.get("package").map(Outline::items).unwrap_or_default() {
        one(&mut read, package);
    }
    let python = [
        &["metadata", "python-versions"][..],
        &["requires-python"],
        &["metadata", "requires_python"],
    ]
    .into_iter()
    .find_map(|keys| file.at(keys));
    if let Some(python) = python
        && let Some(specifiers) = poetry::specifiers(python.text().unwrap_or_default())
    {
        read.python_requires(&specifiers, python.line);
        read.file.requires_python = (!specifiers.is_empty()).then_some(specifiers);
    }
    read
}

fn one(read: &mut Read, package: &Outline) {
    let (Some(name), Some(version)) = (package.text_at("name"), package.text_at("version")) else {
        return;
    };
    // Poetry writes a table, uv one with other keys, PDM puts them into the package
    let source = package.get("source").unwrap_or(package);
    if ["virtual", "editable", "directory"].iter().any(|key| source.get(key).is_some())
        || source.text_at("type") == Some("directory")
    {
        return;
    }
    let normal = normalise(name);
    let git = match source.text_at("type") {
        Some("git") => source.text_at("url"),
        Some(_) => None,
        None => source.text_at("git"),
    };
    let requirement = match git {
        Some(address) => {
            let address = without_secrets(address).into_owned();
            let revision = ["resolved_reference", "revision", "reference"]
                .iter()
                .find_map(|key| source.text_at(key));
            let (address, fragment) = address.split_once('#').unwrap_or((&address, ""));
            let address = address.split('?').next().unwrap_or(address);
            let revision = revision.unwrap_or(fragment);
            let at = if revision.is_empty() { "" } else { "@" };
            format!("{normal} @ git+{address}{at}{revision}")
        }
        None => format!("{normal}=={version}"),
    };
    let line = package.get("name").map_or(package.line, |name| name.line);
    let raw = format!("{name} {version}");
    read.declare(
        Distribution { name: normal, requirement: Some(requirement), ..Distribution::default() },
        &raw,
        line,
        "locked",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(read: &Read) -> Vec<String> {
        read.declared
            .iter()
            .map(|d| format!("{} {}", d.line, d.requirement.as_deref().unwrap()))
            .collect()
    }

    #[test]
    fn locks_give_exact_versions() {
        let poetry = "[[package]]\nname = \"numpy\"\nversion = \"1.19.5\"\n\n[[package]]\nname = \"clip\"\nversion = \"1.0\"\n[package.source]\ntype = \"git\"\nurl = \"https://github.com/openai/CLIP.git\"\nresolved_reference = \"abc\"\n\n[metadata]\npython-versions = \"^3.7\"\n";
        let poetry = packages("poetry.lock", poetry, Kind::PoetryLock);
        assert_eq!(
            told(&poetry),
            ["2 numpy==1.19.5", "6 clip @ git+https://github.com/openai/CLIP.git@abc"]
        );
        assert_eq!(poetry.python.requires[0].text, ">=3.7,<4.0");

        let uv = "version = 1\nrequires-python = \">=3.10\"\n[[package]]\nname = \"mine\"\nversion = \"0.1.0\"\nsource = { virtual = \".\" }\n[[package]]\nname = \"clip\"\nversion = \"1.0\"\nsource = { git = \"https://github.com/openai/CLIP.git?rev=main#abc\" }\n[[package]]\nname = \"torch\"\nversion = \"2.2.0+cu121\"\nsource = { registry = \"https://pypi.org/simple\" }\n";
        let uv = packages("uv.lock", uv, Kind::UvLock);
        assert_eq!(
            told(&uv),
            ["8 clip @ git+https://github.com/openai/CLIP.git@abc", "12 torch==2.2.0+cu121"]
        );

        let pipenv = "{\n \"_meta\": {\"requires\": {\"python_version\": \"3.6\"}},\n \"default\": {\n  \"numpy\": {\n   \"version\": \"==1.19.5\"\n  }\n },\n \"develop\": {\"pytest\": {\"version\": \"==6\"}}\n}\n";
        let pipenv = pipfile_lock("Pipfile.lock", pipenv);
        assert_eq!(told(&pipenv), ["4 numpy==1.19.5"]);
        assert_eq!(pipenv.python.named[0].text, "3.6");
    }
}
