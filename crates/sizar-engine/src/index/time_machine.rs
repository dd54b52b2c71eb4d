//! The package index as of a date, for installers that know of no dates.
//!
//! It shows the simple interface (PEP 503): of each project the files that were there on the date,
//! with links to the real files and their digests. Its pages are answered by sizar's own proxy
//! ([`crate::sandbox`]) under a name that exists nowhere else, so that no port is opened on this
//! machine and it ends when the program that asks does.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use sizar_env::pip_diagnosis::index_says;
use sizar_model::PythonVersion;
use uv_pep440::{Version, VersionSpecifiers};

use super::{Index, IndexError, IndexFile, Project, SdistName, WheelName, normalize};

/// The most projects that one program may ask for.
const MOST_PROJECTS: usize = 3000;
/// How long after the first file of a release its others come.
const RELEASED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest name of a project that is asked for.
const LONGEST_NAME: usize = 200;

/// The package index as of a date.
#[derive(Debug)]
pub struct TimeMachine {
    index: Index,
    date: Option<Timestamp>,
    dates: BTreeMap<String, Timestamp>,
    /// What was asked for; holding it while the index is asked keeps that to one question a time.
    known: Mutex<BTreeMap<String, Known>>,
}

/// What the index said of a project.
#[derive(Clone, Debug)]
enum Known {
    Project(Arc<Project>),
    Absent,
    /// It could not be asked, with the reason.
    Failed(String),
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Such as `200 OK`.
    pub status: &'static str,
    pub media_type: &'static str,
    pub body: String,
}

impl Page {
    fn html(title: &str, links: &str) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html><head><meta name=\"pypi:repository-version\" content=\"1.0\">\
             <title>{title}</title></head>\n<body>\n{links}</body></html>\n"
        );
        Self { status: "200 OK", media_type: "text/html; charset=utf-8", body }
    }

    fn plain(status: &'static str, text: &str) -> Self {
        Self { status, media_type: "text/plain; charset=utf-8", body: format!("{text}\n") }
    }
}

impl TimeMachine {
    /// Its name. `.invalid` belongs to nobody (RFC 2606): without sizar's proxy it leads nowhere.
    pub const HOST: &'static str = "index.sizar.invalid";
    /// The address that installers are given.
    pub const URL: &'static str = "http://index.sizar.invalid/simple/";

    /// Shows `index` as of `date`, and single projects as of their own `dates`.
    pub fn new(
        index: Index,
        date: Option<Timestamp>,
        dates: &BTreeMap<String, Timestamp>,
    ) -> Arc<Self> {
        let dates = dates.iter().map(|(name, date)| (normalize(name), *date)).collect();
        Arc::new(Self { index, date, dates, known: Mutex::default() })
    }

    /// Answers a request for `path`.
    pub fn answer(&self, path: &str) -> Page {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let Some(rest) = path.strip_prefix("/simple") else {
            return Page::plain("404 Not Found", "only `/simple/` is here");
        };
        let name = rest.trim_matches('/');
        if name.is_empty() {
            // `easy_install` looks through the whole list for what it did not find: in vain
            return Page::html("Simple index", "");
        }
        if !is_name(name) {
            return Page::plain("404 Not Found", "that is no name of a project");
        }
        match self.known(name) {
            Known::Project(project) => {
                let links: String = self.shown(&project).map(link).collect();
                Page::html(&format!("Links for {}", project.name), &links)
            }
            Known::Absent => Page::plain("404 Not Found", "the index has no such project"),
            Known::Failed(reason) => Page::plain("502 Bad Gateway", &reason),
        }
    }

    /// Finds the project and the file that an installer took, by the file's name.
    pub fn taken(&self, filename: &str) -> Option<(String, IndexFile)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().find_map(|known| match known {
            Known::Project(project) => {
                let file = project.files.iter().find(|file| file.filename == filename)?;
                Some((project.name.clone(), file.clone()))
            }
            Known::Absent | Known::Failed(_) => None,
        })
    }

    /// Says why an installer did not find `name` with `specifiers`, in the words that
    /// `sizar_env::pip_diagnosis` reads; none where the index has nothing to add.
    pub fn explain(&self, name: &str, specifiers: &str, python: PythonVersion) -> Option<String> {
        if !is_name(name) {
            return None;
        }
        let project = match self.known(name) {
            Known::Project(project) => project,
            Known::Absent => return Some(index_says::unknown(name)),
            Known::Failed(reason) => return Some(format!("index: {reason}\n")),
        };
        let specifiers = VersionSpecifiers::from_str(specifiers).ok()?;
        let fits = |file: &&IndexFile| {
            version_of(&project.name, file).is_some_and(|version| specifiers.contains(&version))
        };
        let asked: Vec<&IndexFile> = project.files.iter().filter(fits).collect();
        let shown: Vec<&IndexFile> = self.shown(&project).filter(fits).collect();
        let runs = |file: &&&IndexFile| allows(file, python);
        if shown.is_empty() {
            let first = asked.iter().filter(runs).min_by_key(|file| file.upload_time)?;
            let whole = whole_release(&project, first)?;
            return Some(index_says::later(&project.name, whole));
        }
        if shown.iter().any(|file| allows(file, python)) {
            return None;
        }
        let requires = shown.iter().find_map(|file| file.requires_python.as_deref())?;
        Some(index_says::python(&project.name, requires))
    }

    fn known(&self, name: &str) -> Known {
        let name = normalize(name);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&name) {
            return found.clone();
        }
        if known.len() >= MOST_PROJECTS {
            return Known::Failed(format!("more than {MOST_PROJECTS} projects were asked for"));
        }
        let found = match self.index.project(&name) {
            Ok(project) => Known::Project(Arc::new(project)),
            Err(IndexError::UnknownPackage { .. } | IndexError::Empty { .. }) => Known::Absent,
            // the next question may be answered, so this is not kept
            Err(error) => return Known::Failed(told(&error)),
        };
        known.insert(name, found.clone());
        found
    }

    /// Returns the files that were there on the project's date.
    fn shown<'a>(&self, project: &'a Project) -> impl Iterator<Item = &'a IndexFile> {
        let date = self.dates.get(&project.name).copied().or(self.date);
        // an index that dates nothing cannot be asked as of a date: all is better than nothing
        let dated = project.files.iter().any(|file| file.upload_time.is_some());
        project.files.iter().filter(move |file| match (date, file.upload_time) {
            (Some(date), Some(uploaded)) => uploaded <= date,
            (Some(_), None) => !dated,
            (None, _) => true,
        })
    }
}

/// Returns when the last file of a release came that came with `first`: the file for this machine
/// may be minutes or days younger than the first.
fn whole_release(project: &Project, first: &IndexFile) -> Option<Timestamp> {
    let version = version_of(&project.name, first)?;
    let end = first.upload_time?.checked_add(RELEASED_WITHIN).ok()?;
    let files = project.files.iter().filter(|file| {
        file.upload_time.is_some_and(|at| at <= end)
            && version_of(&project.name, file).as_ref() == Some(&version)
    });
    files.filter_map(|file| file.upload_time).max()
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Puts an error and its sources into one line.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text.lines().collect::<Vec<_>>().join(" ")
}

/// Returns the version in a file's name.
pub fn version_of(project: &str, file: &IndexFile) -> Option<Version> {
    WheelName::parse(&file.filename)
        .map(|wheel| wheel.version)
        .or_else(|| SdistName::parse(project, &file.filename).map(|sdist| sdist.version))
}

fn allows(file: &IndexFile, python: PythonVersion) -> bool {
    let number = |part: u8| u64::from(part);
    let patch = python.patch.unwrap_or(99);
    let version = Version::new([number(python.major), number(python.minor), number(patch)]);
    // what cannot be read forbids nothing, as for pip
    file.requires_python
        .as_deref()
        .and_then(|text| VersionSpecifiers::from_str(text).ok())
        .is_none_or(|specifiers| specifiers.contains(&version))
}

fn link(file: &IndexFile) -> String {
    let digest = file.sha256.as_ref().map(|hash| format!("#sha256={hash}")).unwrap_or_default();
    let requires = file.requires_python.as_ref();
    let requires = requires.map(|text| format!(" data-requires-python=\"{}\"", escaped(text)));
    // PEP 592: a withdrawn file stays for those who ask for exactly its version
    let yanked = if file.yanked { " data-yanked=\"\"" } else { "" };
    format!(
        "<a href=\"{}{digest}\"{}{yanked}>{}</a><br>\n",
        escaped(file.url.expose()),
        requires.unwrap_or_default(),
        escaped(&file.filename)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use sizar_env::diagnosis::{Diagnosis, diagnose};
    use sizar_model::SafeUrl;

    use super::*;
    use crate::http::{Client, Patience};

    /// An index on loopback, and how often it was asked.
    struct Local {
        port: u16,
        asked: Arc<AtomicUsize>,
    }

    const A: &str = r#"{"name": "a", "files": [
        {"filename": "a-1.0.tar.gz", "url": "../../files/a-1.0.tar.gz?x=1&y=2",
         "hashes": {"sha256": "aa"}, "upload-time": "2014-01-01T00:00:00Z"},
        {"filename": "a-1.1-py2.py3-none-any.whl", "url": "https://f.example/a-1.1.whl",
         "hashes": {"sha256": "bb"}, "upload-time": "2015-01-01T00:00:00Z", "yanked": "bad"},
        {"filename": "a-2.0.win32.zip", "url": "https://f.example/a-2.0.win32.zip",
         "hashes": {}, "upload-time": "2017-03-01T00:00:00Z"},
        {"filename": "a-2.0-py3-none-any.whl", "url": "https://f.example/a-2.0.whl",
         "hashes": {"sha256": "cc"}, "requires-python": ">=3.5", "upload-time": "2017-03-01T00:00:00Z"},
        {"filename": "a-2.0.tar.gz", "url": "https://f.example/a-2.0.tar.gz",
         "hashes": {"sha256": "dd"}, "requires-python": ">=3.5", "upload-time": "2017-03-01T00:05:00Z"},
        {"filename": "a-3.0.tar.gz", "url": "https://f.example/a-3.0.tar.gz", "hashes": {}}]}"#;
    const UNDATED: &str = r#"{"name": "undated", "files": [
        {"filename": "undated-1.0.tar.gz", "url": "https://f.example/u-1.0.tar.gz", "hashes": {}}]}"#;

    impl Local {
        fn new() -> Self {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            std::thread::spawn(move || {
                for mut client in listener.incoming().flatten() {
                    count.fetch_add(1, Ordering::SeqCst);
                    let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
                    let first = lines.next().unwrap().unwrap();
                    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                    let (status, body) = match first.split(' ').nth(1).unwrap() {
                        "/simple/a/" => ("200 OK", A),
                        "/simple/undated/" => ("200 OK", UNDATED),
                        "/simple/broken/" => ("500 Internal Server Error", ""),
                        _ => ("404 Not Found", ""),
                    };
                    let _ = write!(
                        client,
                        "HTTP/1.1 {status}\r\nContent-Type: application/vnd.pypi.simple.v1+json\r\n\
                         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                }
            });
            Self { port, asked }
        }

        fn machine(&self, date: &str, dates: &[(&str, &str)]) -> Arc<TimeMachine> {
            let url = SafeUrl::new(format!("http://127.0.0.1:{}/simple/", self.port));
            let back_off = [Duration::ZERO; 3];
            let client = Client::with_patience(Patience { back_off, ..Patience::default() });
            let dates = dates.iter().map(|(name, at)| ((*name).to_owned(), day(at))).collect();
            TimeMachine::new(Index::at(url, client), Some(day(date)), &dates)
        }
    }

    fn day(text: &str) -> Timestamp {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    fn names(page: &Page) -> Vec<&str> {
        let names = page.body.lines().filter_map(|line| line.strip_suffix("</a><br>"));
        names.map(|line| line.rsplit('>').next().unwrap()).collect()
    }

    #[test]
    fn only_what_was_there_on_the_date_is_shown() {
        let local = Local::new();
        let machine = local.machine("2016-01-01", &[]);
        let page = machine.answer("/simple/A/");
        assert_eq!((page.status, page.media_type), ("200 OK", "text/html; charset=utf-8"));
        assert_eq!(names(&page), ["a-1.0.tar.gz", "a-1.1-py2.py3-none-any.whl"]);
        // the real files, with their digests
        let real =
            format!("http://127.0.0.1:{}/files/a-1.0.tar.gz?x=1&amp;y=2#sha256=aa", local.port);
        assert!(page.body.contains(&format!("<a href=\"{real}\">")), "{}", page.body);
        assert!(page.body.contains("a-1.1.whl#sha256=bb\" data-yanked=\"\">"), "{}", page.body);
        assert_eq!(machine.answer("/simple/a"), page);
        assert_eq!(local.asked.load(Ordering::SeqCst), 1, "what is known is not asked again");
        // a package with a date of its own, whatever its name is written like
        let later = local.machine("2016-01-01", &[("A", "2018-01-01")]);
        let page = later.answer("/simple/a/");
        assert_eq!(names(&page).len(), 5);
        assert!(page.body.contains("data-requires-python=\"&gt;=3.5\""), "{}", page.body);
    }

    #[test]
    fn an_index_that_dates_nothing_is_shown_whole() {
        let machine = Local::new().machine("2010-01-01", &[]);
        assert_eq!(names(&machine.answer("/simple/undated/")), ["undated-1.0.tar.gz"]);
    }

    #[test]
    fn nothing_but_projects_is_asked_for() {
        let local = Local::new();
        let machine = local.machine("2016-01-01", &[]);
        let long = format!("/simple/{}/", "a".repeat(500));
        for path in ["/", "/files/a", "/simple/../a/", "/simple/a/b/", "/simple/a%2fb/", &long] {
            assert_eq!(machine.answer(path).status, "404 Not Found", "{path}");
        }
        assert_eq!(machine.answer("/simple/").status, "200 OK");
        assert_eq!(local.asked.load(Ordering::SeqCst), 0);
        assert_eq!(machine.answer("/simple/none/").status, "404 Not Found");
        assert_eq!(local.asked.load(Ordering::SeqCst), 1);
        assert_eq!(machine.answer("/simple/broken/").status, "502 Bad Gateway");
        let before = local.asked.load(Ordering::SeqCst);
        machine.answer("/simple/broken/");
        assert!(local.asked.load(Ordering::SeqCst) > before, "it may be answered the next time");
    }

    #[test]
    fn what_an_installer_does_not_find_is_explained() {
        let machine = Local::new().machine("2016-01-01", &[]);
        let said = |name: &str, specifiers: &str, python: &str| {
            let said = machine.explain(name, specifiers, python.parse().unwrap());
            said.map(|said| diagnose(&said))
        };
        // not before the file for every machine was there too
        let published = "2017-03-01T00:05:00Z".parse().unwrap();
        assert_eq!(
            said("a", "==2.0", "3.6.15"),
            Some(vec![Diagnosis::FirstPublished { package: "a".into(), published }])
        );
        assert_eq!(said("a", "==2.0", "2.7.18"), None, "it would not run there either");
        assert_eq!(said("a", "==1.7", "2.7.18"), None);
        assert_eq!(said("a", "==1.0", "2.7.18"), None, "it is there");
        let absent = Diagnosis::NotOnIndex { package: "none".into() };
        assert_eq!(said("none", "", "2.7.18"), Some(vec![absent]));
        let machine = Local::new().machine("2018-01-01", &[]);
        let python = machine.explain("a", ">=2", "2.7.18".parse().unwrap()).unwrap();
        let at_least = PythonVersion::minor(3, 5);
        assert_eq!(diagnose(&python), [Diagnosis::PythonTooOld { at_least, package: "a".into() }]);
    }

    #[test]
    fn what_was_taken_is_found_by_its_name() {
        let machine = Local::new().machine("2016-01-01", &[]);
        assert!(machine.taken("a-1.0.tar.gz").is_none(), "nobody asked for it");
        machine.answer("/simple/a/");
        let (name, file) = machine.taken("a-1.0.tar.gz").unwrap();
        assert_eq!((name.as_str(), file.sha256.as_deref()), ("a", Some("aa")));
    }
}
