//! Pipenv's `Pipfile`.

use super::kind::Kind;
use super::outline::{self, Outline};
use super::poetry;
use super::read::Read;

/// Reads a `Pipfile`.
pub(super) fn read(path: &str, text: &str) -> Read {
    let mut read = Read::new(path, Kind::Pipfile);
    let (file, errors) = outline::toml(text);
    for error in errors {
        read.cannot_read(error);
    }
    for (section, scope) in [("packages", "install"), ("dev-packages", "dev")] {
        for (name, asked) in file.get(section).map(Outline::entries).unwrap_or_default() {
            poetry::dependency(&mut read, name, asked, scope);
        }
    }
    for source in file.get("source").map(Outline::items).unwrap_or_default() {
        index(&mut read, source);
    }
    if let Some(requires) = file.get("requires") {
        python(&mut read, requires);
    }
    read
}

pub(super) fn python(read: &mut Read, requires: &Outline) {
    for key in ["python_full_version", "python_version"] {
        if let Some(version) = requires.get(key) {
            read.python_named(version.text().unwrap_or_default(), version.line);
        }
    }
}

pub(super) fn index(read: &mut Read, source: &Outline) {
    if let Some(url) = source.get("url")
        && let Some(address) = url.text()
        && !address.contains("//pypi.org/simple")
        && !address.contains("//pypi.python.org/simple")
    {
        read.index("extra_index", address, url.line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipfile_with_git_and_extras() {
        let text = "[[source]]\nurl = \"https://pypi.org/simple\"\n[packages]\nnumpy = \"*\"\ntorch = \"==1.4.0\"\nclip = {git = \"https://u:p@github.com/openai/CLIP.git\", ref = \"main\", editable = true}\nrequests = {extras = [\"socks\"], version = \">=2.0\", markers = \"python_version < '3.8'\"}\nmine = {path = \".\", editable = true}\n[dev-packages]\npytest = \"*\"\n[requires]\npython_version = \"3.6\"\n";
        let read = read("Pipfile", text);
        let told: Vec<_> = read
            .declared
            .iter()
            .map(|d| format!("{} {} {}", d.line, d.scope, d.requirement.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(
            told,
            [
                "4 install numpy",
                "5 install torch==1.4.0",
                "6 install clip @ git+https://github.com/openai/CLIP.git@main",
                "7 install requests[socks]>=2.0 ; python_version < '3.8'",
                "8 install -",
                "10 dev pytest",
            ]
        );
        assert_eq!(read.python.named[0].text, "3.6");
    }
}
