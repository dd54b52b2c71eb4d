//! The folder in which a driver starts: research code often expects that of its own script.
//!
//! A README says `cd src` and then `python main.py`, and the code opens `../data/words.txt`: from the
//! root of the source that leads nowhere. What is said by the user counts, then the README, then
//! whether paths in the code lead to something from the one folder and not from the other.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use regex::Regex;
use sizar_model::JobSpec;

use super::module::module_of;

/// How many files beside the script are looked into.
const MOST_FILES: usize = 64;
/// Longer files are no code of the authors'.
const LONGEST: u64 = 1 << 20;
/// How many lines after `cd FOLDER` a README may name the script.
const NEAR: usize = 8;

/// A folder below the source's root, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Relative to the root; empty where it is that.
    pub folder: Utf8PathBuf,
    /// What the user should know.
    pub note: Option<String>,
}

/// Finds out where the driver of `job` starts.
pub fn start_of(checkout: &Utf8Path, job: &JobSpec) -> Start {
    if let Some(folder) = &job.folder {
        return Start { folder: inside(folder).unwrap_or_default(), note: None };
    }
    let by_python = job.driver.starts_with("python");
    let first = job.args.first().map(String::as_str);
    let script = if by_python { first } else { Some(job.driver.as_str()) };
    script.and_then(|script| start_of_script(checkout, script)).unwrap_or_default()
}

/// Finds out where a script of the source starts, if not at its root.
pub fn start_of_script(checkout: &Utf8Path, script: &str) -> Option<Start> {
    let script = inside(Utf8Path::new(script))?;
    let (folder, name) = (script.parent()?, script.file_name()?);
    let path = checkout.join(&script);
    // a module is found from the root
    if folder.as_str().is_empty() || !path.is_file() || module_of(checkout, &path).is_some() {
        return None;
    }
    let why = match readme(checkout, folder, name) {
        Some(Readme::Root) => return None,
        Some(Readme::Folder) => format!("the README starts `{name}` there"),
        None => {
            let (path, file) = evidence(checkout, folder, name)?;
            format!("`{path}` ({file}) is there, and not at the root of the source")
        }
    };
    let note = format!("`{name}` starts in `{folder}`: {why}; `--in .` starts it at the root");
    Some(Start { folder: folder.to_owned(), note: Some(note) })
}

/// Returns a path without `.` and `..`; nothing where it leads out.
pub fn inside(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut normal = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            Utf8Component::Normal(name) => normal.push(name),
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some(normal)
}

/// From where a README starts a script.
#[derive(Debug, PartialEq, Eq)]
enum Readme {
    Root,
    Folder,
}

/// Whether a README starts a script of the source in the script's own folder.
pub(super) fn is_started_there(checkout: &Utf8Path, script: &Utf8Path) -> bool {
    let inside = script.strip_prefix(checkout).ok();
    let place = inside.and_then(|inside| Some((inside.parent()?, inside.file_name()?)));
    place.is_some_and(|(folder, name)| readme(checkout, folder, name) == Some(Readme::Folder))
}

fn readme(checkout: &Utf8Path, folder: &Utf8Path, name: &str) -> Option<Readme> {
    let is_readme = |name: &str| name.to_ascii_lowercase().starts_with("readme");
    let folders = [Utf8Path::new(""), folder].into_iter();
    let entries = folders.flat_map(|below| checkout.join(below).read_dir_utf8().into_iter());
    let mut files: Vec<Utf8PathBuf> = entries
        .flatten()
        .flatten()
        .filter(|entry| is_readme(entry.file_name()))
        .map(camino::Utf8DirEntry::into_path)
        .collect();
    files.sort();
    let texts = files.iter().filter_map(|path| read(path));
    said(&texts.collect::<Vec<_>>().join("\n"), folder, name)
}

fn said(text: &str, folder: &Utf8Path, name: &str) -> Option<Readme> {
    let from_root = format!("{folder}/{name}");
    let mut lines_since = None;
    for line in text.lines() {
        // what follows `cd` on one line counts as the next
        for part in line.split("&&").flat_map(|part| part.split(';')) {
            let words: Vec<&str> =
                part.trim_matches(['`', '$', ' ', '>', '\t']).split_whitespace().collect();
            if let ["cd", to, ..] = words.as_slice() {
                let to = to.trim_matches(['`', '"', '\'']).trim_end_matches('/');
                let is_it = inside(Utf8Path::new(to))
                    .is_some_and(|to| !to.as_str().is_empty() && folder.ends_with(&to));
                lines_since = is_it.then_some(0);
                continue;
            }
            let runs = |script: &str| {
                let mut words = words.iter().map(|word| word.trim_start_matches("./"));
                words.any(|word| word == script)
            };
            if lines_since.is_some_and(|lines| lines <= NEAR) && runs(name) {
                return Some(Readme::Folder);
            }
            if runs(&from_root) {
                return Some(Readme::Root);
            }
        }
        lines_since = lines_since.map(|lines| lines + 1);
    }
    None
}

/// Returns a path in the code that is there from `folder` and not from the root, with the file that
/// has it; nothing where there is none, or where another speaks for the root.
fn evidence(checkout: &Utf8Path, folder: &Utf8Path, name: &str) -> Option<(String, Utf8PathBuf)> {
    static TEXT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"["']((?:\.{1,2}/)*[\w.-]+(?:/[\w.-]+)*/?)["']"#).expect("an expression")
    });
    let script = folder.join(name);
    let beside = checkout.join(folder).read_dir_utf8().into_iter().flatten().flatten();
    let mut files: BTreeSet<Utf8PathBuf> = beside
        .filter(|entry| entry.path().extension() == Some("py"))
        .map(|entry| folder.join(entry.file_name()))
        .take(MOST_FILES)
        .collect();
    files.insert(script);
    let mut found = None;
    for file in files {
        let Some(text) = read(&checkout.join(&file)) else { continue };
        for path in TEXT.captures_iter(&text).filter_map(|found| found.get(1)) {
            let path = Utf8Path::new(path.as_str());
            let is_file = path.extension().is_some_and(|ending| ending != "py");
            if !path.as_str().contains('/') && !is_file {
                continue;
            }
            let is_there = |from: &Utf8Path| {
                let path = inside(&from.join(path)).filter(|path| !path.as_str().is_empty());
                path.is_some_and(|path| checkout.join(path).exists())
            };
            match (is_there(folder), is_there(Utf8Path::new(""))) {
                (_, true) => return None,
                (true, false) => {
                    found.get_or_insert_with(|| (path.to_string(), file.clone()));
                }
                (false, false) => {}
            }
        }
    }
    found
}

fn read(path: &Utf8Path) -> Option<String> {
    let size = fs::metadata(path).ok()?.len();
    (size <= LONGEST)
        .then(|| fs::read(path).ok())
        .flatten()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        for (path, text) in files {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
        (folder, root)
    }

    fn job(driver: &str, folder: Option<&str>) -> JobSpec {
        let folder = folder.map(Utf8PathBuf::from);
        JobSpec { driver: driver.to_owned(), folder, ..JobSpec::default() }
    }

    fn folder(root: &Utf8Path, driver: &str) -> String {
        start_of(root, &job(driver, None)).folder.into_string()
    }

    #[test]
    fn paths_in_the_code_say_where_it_starts() {
        let (_keep, root) = tree(&[
            ("src/train.py", "from utils import load\nload()\n"),
            ("src/utils.py", "def load(path=\"../data/cora/\", words='words.txt'): pass\n"),
            ("src/words.txt", ""),
            ("data/cora/a", ""),
            ("tools/run.py", "open('config/a.yml'); open('lists/b.txt')\n"),
            ("config/a.yml", ""),
            ("tools/lists/b.txt", ""),
            ("pkg/__init__.py", ""),
            ("pkg/go.py", "from .net import Net\nopen('lists.txt')\n"),
            ("pkg/lists.txt", ""),
            ("plain/x.py", "open('nowhere/x.txt'); import os; os.system('ls ../x')\n"),
        ]);
        assert_eq!(folder(&root, "src/train.py"), "src");
        assert_eq!(folder(&root, "./src/train.py"), "src");
        let note = start_of(&root, &job("src/train.py", None)).note.unwrap();
        assert!(note.contains("`../data/cora/` (src/utils.py)"), "{note}");
        // something speaks for the root, nothing speaks at all, it is a module, or it is elsewhere
        for driver in
            ["tools/run.py", "plain/x.py", "pkg/go.py", "none/x.py", "train.py", "../x/y.py"]
        {
            assert_eq!(folder(&root, driver), "", "{driver}");
        }
        // who says it is asked no more
        assert_eq!(start_of(&root, &job("src/train.py", Some("."))).folder, "");
        assert_eq!(start_of(&root, &job("plain/x.py", Some("plain/"))).folder, "plain");
        let python = JobSpec { args: vec!["src/train.py".into()], ..job("python3", None) };
        assert_eq!(start_of(&root, &python).folder, "src");
    }

    #[test]
    fn the_readme_says_where_it_starts() {
        let said = |text: &str| said(text, Utf8Path::new("src"), "main.py");
        for text in [
            "Go there:\n```\ncd src\npython main.py --train\n```",
            "    $ cd ./src/ && python3 main.py",
            "* `cd repo/src`\n* `python main.py`",
        ] {
            // the last names the folder into which it was cloned, too
            let expected = if text.contains("repo") { None } else { Some(Readme::Folder) };
            assert_eq!(said(text), expected, "{text}");
        }
        assert_eq!(said("python src/main.py"), Some(Readme::Root));
        assert_eq!(said("cd data\npython main.py"), None);
        assert_eq!(said("main.py does it"), None);
        let far = format!("cd src\n{}python main.py", "words\n".repeat(20));
        assert_eq!(said(&far), None);
    }
}
