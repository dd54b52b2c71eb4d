//! The user's own files among a driver's arguments, and what `--data` says.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sizar_model::job::STDIN;
use sizar_model::{DataBinding, DataMode};

use crate::dataset::{Address, InvalidAddress, is_address};

/// An argument that names a file or folder of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The argument as it was typed.
    pub argument: String,
    pub binding: DataBinding,
}

/// What the arguments of a driver are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The folder in which the user typed.
    pub cwd: &'a Utf8Path,
    /// The user's home folder.
    pub user_home: Option<&'a Utf8Path>,
    /// The folder in which sizar keeps everything.
    pub sizar_home: &'a Utf8Path,
    pub checkout: &'a Utf8Path,
    /// The folder of the checkout in which the driver starts.
    pub folder: &'a Utf8Path,
    /// Whether the checkout is a folder of the user's own.
    pub own: bool,
    /// What `--data` shows: it wins where an argument names the same place.
    pub data: &'a [DataBinding],
}

/// What was found among the arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The arguments to hand over.
    pub args: Vec<String>,
    pub inputs: Vec<Input>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Folders of the system: the sandbox shows what of them is harmless.
const SYSTEM: [&str; 13] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys",
    "/usr", "/var",
];

/// Parts of options' names that speak of what a program writes.
const WRITTEN: [&str; 8] =
    ["out", "save", "log", "dest", "result", "export", "write", "checkpoint"];

/// Finds the arguments that name files of the user's which the program would not see otherwise.
///
/// Each is bound read only: a relative path at the same place in the working copy, an absolute
/// one at the same absolute path. What the checkout has itself wins.
pub fn find_inputs(args: &[String], around: Surroundings<'_>) -> Found {
    let mut found = Found::default();
    let mut option: Option<&str> = None;
    for arg in args {
        let (head, value) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => (Some(flag), value),
            _ => (None, arg.as_str()),
        };
        let written = head.or(option).is_some_and(is_written);
        option = (head.is_none() && arg.starts_with('-')).then_some(arg.as_str());
        match look(value, written, around) {
            Seen::Nothing => found.args.push(arg.clone()),
            Seen::Note(note) => {
                found.notes.push(note);
                found.args.push(arg.clone());
            }
            Seen::File { here, there, as_value } => {
                found.args.push(match (head, as_value) {
                    (_, None) => arg.clone(),
                    (Some(flag), Some(value)) => format!("{flag}={value}"),
                    (None, Some(value)) => value,
                });
                let binding = DataBinding { here, there, mode: DataMode::ReadOnly };
                if !found.inputs.iter().any(|input| input.binding == binding) {
                    found.inputs.push(Input { argument: arg.clone(), binding });
                }
            }
        }
    }
    found
}

/// What a value turned out to be.
enum Seen {
    Nothing,
    Note(String),
    File {
        here: Utf8PathBuf,
        there: Utf8PathBuf,
        /// What is handed over in place of what was typed.
        as_value: Option<String>,
    },
}

fn look(value: &str, written: bool, around: Surroundings<'_>) -> Seen {
    let typed = Utf8Path::new(value);
    if value.is_empty() || value.starts_with('-') || value == "." {
        return Seen::Nothing;
    }
    let here = around.cwd.join(typed);
    let at = normal(&around.folder.join(value));
    if around.data.iter().any(|shown| shown.there.starts_with(&at) || at.starts_with(&shown.there))
    {
        return Seen::Nothing;
    }
    // what a link of the user's leads to is what has to be harmless
    let Ok(real) = here.canonicalize_utf8() else { return Seen::Nothing };
    let climbs = typed.components().any(|part| part == Utf8Component::ParentDir);
    let inside = around.checkout.join(around.folder).join(typed);
    if typed.is_relative() && !climbs && inside.exists() {
        let same = inside.canonicalize_utf8().is_ok_and(|other| other == real);
        return if same {
            Seen::Nothing
        } else {
            Seen::Note(format!(
                "`{value}` is in the source and in your folder; the program gets the source's"
            ))
        };
    }
    let checkout = around.checkout.canonicalize_utf8();
    if around.own && checkout.is_ok_and(|checkout| real.starts_with(checkout)) {
        return Seen::Nothing;
    }
    if let Some(reason) = refusal(&real, around) {
        return match reason {
            Refusal::Silent => Seen::Nothing,
            Refusal::Because(reason) => Seen::Note(format!("`{value}` is not shown: {reason}")),
        };
    }
    if written {
        return Seen::Note(format!(
            "`{value}` exists in your folder, but looks like a place to write to: the program \
             writes to its own; `--data {value}:{value}:copy` starts it with yours"
        ));
    }
    if typed.is_relative() && !climbs {
        return Seen::File { here: real, there: at, as_value: None };
    }
    let absolute = normal(&here);
    let as_value = climbs.then(|| absolute.to_string());
    Seen::File { here: real, there: absolute, as_value }
}

/// Why a path is not bound.
enum Refusal {
    Silent,
    Because(&'static str),
}

fn refusal(real: &Utf8Path, around: Surroundings<'_>) -> Option<Refusal> {
    if real == "/" || SYSTEM.iter().any(|folder| real.starts_with(folder)) {
        return Some(Refusal::Silent);
    }
    if ["/tmp", "/home", "/opt", "/mnt", "/media", "/srv"].iter().any(|folder| real == *folder) {
        return Some(Refusal::Because("it is a whole folder of the system"));
    }
    let sizar_home = real_path(around.sizar_home);
    if real.starts_with(&sizar_home) || sizar_home.starts_with(real) {
        return Some(Refusal::Because("sizar keeps its own files there"));
    }
    let home = real_path(around.user_home?);
    if home.starts_with(real) {
        return Some(Refusal::Because("it is your whole home folder"));
    }
    let below = real.strip_prefix(&home).ok()?;
    let hidden = below.components().next().is_some_and(|first| first.as_str().starts_with('.'));
    hidden.then_some(Refusal::Because(
        "hidden folders of your home may hold secrets; `--data` shows it",
    ))
}

fn real_path(path: &Utf8Path) -> Utf8PathBuf {
    path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned())
}

/// Returns whether an option's name speaks of something that the program writes.
fn is_written(option: &str) -> bool {
    let name = option.trim_start_matches('-').to_ascii_lowercase();
    name == "o" || WRITTEN.iter().any(|part| name.contains(part))
}

/// Resolves `.` and `..` without looking at the disk.
fn normal(path: &Utf8Path) -> Utf8PathBuf {
    let mut normal = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other.as_str()),
        }
    }
    normal
}

/// A `--data` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBinding {
    #[error("`{text}` is not `HERE:THERE`: your path, a colon, and where the program looks for it")]
    Form { text: String },
    #[error("`{mode}` in `{text}` is not a mode; the only one is `copy`")]
    Mode { text: String, mode: String },
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error("`{address}` is an address, and a data set that is laid out has to be here")]
    Remote { address: String },
    #[error("there is no `{here}`")]
    Missing { here: Utf8PathBuf },
    #[error("`{there}` leaves the working copy")]
    Escapes { there: String },
    #[error("`{there}` belongs to the system")]
    System { there: String },
    #[error("`{there}` is where the program's standard input lies")]
    Stdin { there: String },
}

impl InvalidBinding {
    /// Returns what the reader can do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Form { .. } => Some(
                "for example `--data ./scans:data/imgs`, `--data voc:~/data/VOC`, or `:copy` at \
                 the end for a copy that the program may change; a colon in a name is typed `\\:`"
                    .to_owned(),
            ),
            Self::Remote { .. } => Some(
                "download and unpack it, or show it as it is: `--data ADDRESS:THERE`".to_owned(),
            ),
            Self::Escapes { .. } => Some("an absolute path may be anywhere".to_owned()),
            Self::Stdin { .. } => Some("`--stdin FILE` names what it reads".to_owned()),
            _ => None,
        }
    }
}

/// Reads `HERE:THERE` or `HERE:THERE:copy`, with HERE relative to `cwd`.
///
/// # Errors
///
/// [`InvalidBinding`] where the form is another one, HERE does not exist, or THERE is nowhere that
/// a program may have its data.
pub fn parse_data_binding(text: &str, cwd: &Utf8Path) -> Result<DataBinding, InvalidBinding> {
    let form = || InvalidBinding::Form { text: text.to_owned() };
    let parts = data_parts(text);
    if is_address(text) {
        return address_binding(text, parts);
    }
    let (here, there, mode) = match parts.as_slice() {
        [here, there] => (here, there, DataMode::ReadOnly),
        [here, there, mode] if mode == "copy" => (here, there, DataMode::Copy),
        [_, _, mode] => {
            return Err(InvalidBinding::Mode { text: text.to_owned(), mode: mode.clone() });
        }
        _ => return Err(form()),
    };
    if here.is_empty() || there.is_empty() {
        return Err(form());
    }
    Ok(DataBinding { here: real_path_of(here, cwd)?, there: data_place(there)?, mode })
}

/// Returns the absolute path of what was typed, relative to `cwd`.
///
/// # Errors
///
/// [`InvalidBinding::Missing`].
pub fn real_path_of(here: &str, cwd: &Utf8Path) -> Result<Utf8PathBuf, InvalidBinding> {
    let typed = match (here.strip_prefix("~/"), std::env::var("HOME")) {
        // after `--data=` the shell leaves it to us
        (Some(rest), Ok(home)) => Utf8PathBuf::from(home).join(rest),
        _ => cwd.join(here),
    };
    typed.canonicalize_utf8().map_err(|_| InvalidBinding::Missing { here: normal(&typed) })
}

/// Reads `ADDRESS:THERE`: what lies at the address is fetched where it is needed.
fn address_binding(text: &str, mut parts: Vec<String>) -> Result<DataBinding, InvalidBinding> {
    let form = || InvalidBinding::Form { text: text.to_owned() };
    let mode = if parts.last().is_some_and(|last| last == "copy") {
        parts.pop();
        DataMode::Copy
    } else {
        DataMode::ReadOnly
    };
    // an address has colons of its own, of its scheme and of a port
    let there = parts.pop().filter(|there| !there.is_empty()).ok_or_else(form)?;
    let here = parts.join(":");
    if !is_address(&here) || there.starts_with("//") {
        return Err(form());
    }
    here.parse::<Address>()?;
    Ok(DataBinding { here: here.into(), there: data_place(&there)?, mode })
}

/// Checks where a program may have its data, and writes it without `.` and `..`.
///
/// # Errors
///
/// [`InvalidBinding::Escapes`] and [`InvalidBinding::System`].
pub fn data_place(there: &str) -> Result<Utf8PathBuf, InvalidBinding> {
    let path = Utf8Path::new(there);
    let below = path.strip_prefix("~").unwrap_or(path);
    let mut depth = 0i32;
    for part in below.components() {
        match part {
            Utf8Component::Normal(_) => depth += 1,
            Utf8Component::ParentDir => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return Err(InvalidBinding::Escapes { there: there.to_owned() });
        }
    }
    let normal = normal(path);
    let whole = normal.as_str().is_empty() || normal == "~";
    if whole {
        return Err(InvalidBinding::Escapes { there: there.to_owned() });
    }
    if normal == STDIN {
        return Err(InvalidBinding::Stdin { there: there.to_owned() });
    }
    if normal == "/" || SYSTEM.iter().any(|folder| normal.starts_with(folder)) || normal == "/tmp" {
        return Err(InvalidBinding::System { there: there.to_owned() });
    }
    Ok(normal)
}

/// Splits at colons that are not escaped.
pub fn data_parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&':') => {
                letters.next();
                parts.last_mut().expect("there is always one").push(':');
            }
            ':' => parts.push(String::new()),
            other => parts.last_mut().expect("there is always one").push(other),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_colons() {
        let read = |text: &str| parse_data_binding(text, Utf8Path::new("/"));
        let bound =
            |text: &str| read(text).map(|one| (one.here.into_string(), one.there.into_string()));
        let pair = |here: &str, there: &str| Ok((here.to_owned(), there.to_owned()));
        assert_eq!(
            bound("https://x.org:8080/a.zip:data/a.zip"),
            pair("https://x.org:8080/a.zip", "data/a.zip")
        );
        assert_eq!(bound("zenodo:123:data"), pair("zenodo:123", "data"));
        assert_eq!(read("s3://b/k.h5:~/k.h5:copy").unwrap().mode, DataMode::Copy);
        assert!(matches!(read("https://x.org/a.zip"), Err(InvalidBinding::Form { .. })));
        assert!(matches!(read("zenodo:123"), Err(InvalidBinding::Form { .. })));
        assert!(matches!(read("zenodo:x:data"), Err(InvalidBinding::Address(_))));
    }

    #[test]
    fn what_data_shows_wins_over_a_file_of_that_name() {
        let folder = tempfile::tempdir().unwrap();
        let cwd = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        for name in ["data/imgs", "other", "source"] {
            fs_err::create_dir_all(cwd.join(name)).unwrap();
        }
        let shown = |there: &str| DataBinding {
            here: cwd.join("other"),
            there: there.into(),
            mode: DataMode::ReadOnly,
        };
        let found = |there: &str| {
            let around = Surroundings {
                cwd: &cwd,
                user_home: None,
                sizar_home: &cwd.join("home"),
                checkout: &cwd.join("source"),
                folder: Utf8Path::new(""),
                own: false,
                data: &[shown(there)],
            };
            let args = ["--root", "./data", "data/imgs", "other"].map(str::to_owned);
            let found = find_inputs(&args, around);
            found.inputs.into_iter().map(|input| input.argument).collect::<Vec<_>>()
        };
        assert_eq!(found("data"), ["other"]);
        assert_eq!(found("data/imgs"), ["other"]);
        assert_eq!(found("elsewhere"), ["./data", "data/imgs", "other"]);
    }

    #[test]
    fn a_binding_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let cwd = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        fs_err::create_dir(cwd.join("a:b")).unwrap();
        fs_err::write(cwd.join("f"), "").unwrap();
        let read = |text: &str| parse_data_binding(text, &cwd);
        assert_eq!(
            read("./a\\:b:data/imgs:copy").unwrap(),
            DataBinding { here: cwd.join("a:b"), there: "data/imgs".into(), mode: DataMode::Copy }
        );
        assert_eq!(read("f:~/data/x/../f").unwrap().there, "~/data/f");
        assert_eq!(read("f:/mnt/data/f").unwrap().there, "/mnt/data/f");
        assert!(matches!(read("f"), Err(InvalidBinding::Form { .. })));
        assert!(matches!(read("f:"), Err(InvalidBinding::Form { .. })));
        assert!(matches!(read("f:x:rw"), Err(InvalidBinding::Mode { .. })));
        assert!(matches!(read("g:x"), Err(InvalidBinding::Missing { .. })));
        assert!(matches!(read("f:../x"), Err(InvalidBinding::Escapes { .. })));
        assert!(matches!(read("f:~/../x"), Err(InvalidBinding::Escapes { .. })));
        assert!(matches!(read("f:."), Err(InvalidBinding::Escapes { .. })));
        assert!(matches!(read("f:/etc/passwd"), Err(InvalidBinding::System { .. })));
        assert!(matches!(read("f:/"), Err(InvalidBinding::System { .. })));
    }
}
