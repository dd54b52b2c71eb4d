//! Paths that are written into the code.
//!
//! The plague here is the false alarm: addresses, routes, MIME types, regular expressions and
//! names of models all have slashes. A path counts when it begins as a path of somebody's machine
//! does, or when it names data and stands where a path is read.

use super::folding::Folded;
use super::path_words::{
    DATA_EXTENSIONS, DATA_FOLDERS, DATA_ROOTS, NO_PATHS, OUTPUT_WORDS, READERS, SYSTEM_ROOTS,
};
use super::reading::{CallName, Frame};

/// Where an expression stands.
pub(super) struct Place<'a> {
    pub frames: &'a [Frame<'a>],
    /// The calls whose arguments are among the frames.
    pub calls: &'a [CallName],
}

/// Returns the path and its kind, if the text is one.
pub(super) fn classify(folded: &Folded<'_>, place: &Place<'_>) -> Option<(String, &'static str)> {
    let text = &*folded.text;
    if text.len() < 3
        || text.len() > 300
        || text
            .bytes()
            .any(|byte| matches!(byte, b'\n' | b'\t' | b'\0' | b'<' | b'>' | b'"' | b'|' | b'?'))
        || holds_scheme(text)
        || text.starts_with("//")
        || place.only_looks_like_a_path()
    {
        return None;
    }
    if let Some(windows) = windows(text) {
        return Some((windows, "absolute"));
    }
    if text.contains('\\') {
        return None;
    }
    let value = known_part(folded)?;
    if let Some(rest) = value.strip_prefix("~/") {
        // a program's own cache appears by itself
        let named = rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let home = named && is_plain(rest) && !place.is_written();
        return home.then(|| (value.to_owned(), "home"));
    }
    if let Some(rest) = value.strip_prefix('/') {
        return absolute(rest, place).map(|kind| (value.to_owned(), kind));
    }
    (folded.complete && relative(value, place)).then(|| (value.to_owned(), "relative"))
}

/// Returns whether `://` is in a text.
fn holds_scheme(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b':', bytes)
        .any(|colon| bytes.get(colon..).is_some_and(|rest| rest.starts_with(b"://")))
}

/// Returns the text up to the last whole part, without a slash at the end.
fn known_part<'a>(folded: &'a Folded<'_>) -> Option<&'a str> {
    let text = folded.text.split(['*', '{', '%']).next().unwrap_or_default();
    let whole = folded.complete && text.len() == folded.text.len();
    let text = if whole { text } else { text.rsplit_once('/')?.0 };
    let text = text.trim_end_matches('/');
    (text.len() >= 2).then_some(text)
}

fn windows(text: &str) -> Option<String> {
    let mut letters = text.chars();
    let drive = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic());
    let colon = letters.next() == Some(':');
    let slash = letters.next().is_some_and(|letter| letter == '\\' || letter == '/');
    let name = letters.next().is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let plain = !text.contains(['{', '%', '(', '*']) && text.len() > 5;
    (drive && colon && slash && name && plain)
        .then(|| text.trim_end_matches(['\\', '/']).to_owned())
}

fn absolute(rest: &str, place: &Place<'_>) -> Option<&'static str> {
    if !is_plain(rest) {
        return None;
    }
    let mut parts = rest.split('/');
    let root = parts.next()?;
    let deep = parts.next().is_some();
    match root {
        "home" | "Users" => return deep.then_some("home"),
        "root" => return (deep || place.is_path()).then_some("home"),
        _ if SYSTEM_ROOTS.contains(&root) => return None,
        _ => {}
    }
    let known = DATA_ROOTS.contains(&root);
    ((known && (deep || place.is_path())) || (deep && place.is_path())).then_some("absolute")
}

fn relative(value: &str, place: &Place<'_>) -> bool {
    // `.h5` is an ending
    if value.starts_with('-')
        || (value.starts_with('.') && !value.starts_with("./") && !value.starts_with("../"))
    {
        return false;
    }
    let inner = value.trim_start_matches("./").trim_start_matches("../");
    let (first, is_deep) = match inner.split_once('/') {
        Some((first, _)) => (first, true),
        None => (inner, false),
    };
    let extension = inner.rsplit_once('.').map(|(_, extension)| extension);
    let data_file = extension
        .is_some_and(|it| DATA_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(it)));
    let pathlike = is_deep || value.starts_with('.');
    // most texts are none, by their own look
    let candidate = if pathlike {
        data_file || value.starts_with('.') || is_data_folder(first)
    } else {
        data_file || FOLDERS.contains(&inner)
    };
    if !candidate || !is_plain(inner) || place.is_written() || !place.is_path() {
        return false;
    }
    if inner.split('/').any(is_output) {
        return false;
    }
    if pathlike {
        return data_file
            || is_data_folder(first)
            || (value.starts_with('.') && place.names_data());
    }
    (FOLDERS.contains(&inner) && place.is_default_of_folder()) || (data_file && place.is_read())
}

/// Folders of data that are named without a slash.
const FOLDERS: &[&str] = &["data", "dataset", "datasets", "images", "corpus", "inputs"];

/// Returns whether a folder holds data, by its name.
fn is_data_folder(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    DATA_FOLDERS.contains(&name.as_str())
        || name.starts_with("voc")
        || name.starts_with("coco")
        || name.ends_with("data")
        || name.starts_with("data")
        || name.ends_with("dataset")
}

/// Returns whether a path has the letters that people give to files.
fn is_plain(path: &str) -> bool {
    let letters = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '_' | '-' | '.' | '/' | ' ' | '+' | '@' | '=' | ',' | '~')
    };
    !path.is_empty()
        && path.chars().all(letters)
        && !path.contains("//")
        && !path.contains(", ")
        && path.split(' ').count() <= 4
        && path.chars().any(char::is_alphabetic)
}

fn is_output(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.split(['_', '-', '.', ' ']).any(|word| OUTPUT_WORDS.contains(&word))
}

impl Place<'_> {
    fn call(&self) -> Option<(&CallName, Option<usize>, Option<&str>)> {
        self.frames.iter().rev().find_map(|frame| match *frame {
            Frame::Argument { call, position, option } => {
                Some((self.calls.get(call)?, position, option))
            }
            _ => None,
        })
    }

    /// Returns the names of the calls around us.
    fn calls(&self) -> impl Iterator<Item = (&CallName, Option<&str>)> {
        self.frames.iter().filter_map(|frame| match *frame {
            Frame::Argument { call, option, .. } => Some((self.calls.get(call)?, option)),
            _ => None,
        })
    }

    /// Returns the name that the value is bound to, directly or as an option's default.
    fn binding(&self) -> Option<&str> {
        self.frames.iter().rev().find_map(|frame| match *frame {
            Frame::Binding(name) => Some(name),
            Frame::Argument { option, .. } => option,
            Frame::Part | Frame::Prose => None,
        })
    }

    fn only_looks_like_a_path(&self) -> bool {
        let Some((call, position, option)) = self.call() else { return false };
        if option.is_some() {
            // an option's own flags and its help are no paths, its default is
            let default = if call.dotted().contains("DEFINE_") { Some(1) } else { None };
            return position != default && position.is_some();
        }
        let (call, method) = (call.dotted(), call.method());
        // what is joined to something unknown is no path by itself
        let joined = call == "os.path.join" && position.is_some_and(|at| at > 0);
        let http = call.starts_with("requests.") || call.starts_with("urllib");
        joined || http || (NO_PATHS.contains(&method) && call != "os.getenv")
    }

    /// Returns whether a path is read here, or a name says that the value is one.
    fn is_path(&self) -> bool {
        self.is_read() || self.binding().is_some_and(names_a_path)
    }

    fn is_read(&self) -> bool {
        let Some((call, position, option)) = self.call() else { return false };
        let method = call.method();
        option.is_none()
            && (call.dotted() == "os.path.join"
                || READERS.contains(&method)
                || method.ends_with("Dataset"))
            && position.is_none_or(|at| at == 0)
    }

    fn names_data(&self) -> bool {
        self.binding().is_some_and(|name| {
            let lower = name.to_ascii_lowercase();
            ["data", "image", "img", "mask", "label", "corpus", "train", "input", "annot"]
                .iter()
                .any(|word| lower.contains(word))
        })
    }

    fn is_default_of_folder(&self) -> bool {
        self.call().is_some_and(|(_, _, option)| option.is_some())
            && self.binding().is_some_and(names_a_path)
    }

    /// Returns whether something is written under the path.
    pub fn is_written(&self) -> bool {
        const WRITERS: &[&str] = &[
            "save",
            "write",
            "dump",
            "makedirs",
            "mkdir",
            "to_csv",
            "SummaryWriter",
            "copy",
            "move",
            "symlink",
            "remove",
            "rename",
        ];
        let written =
            self.calls().any(|(call, _)| WRITERS.iter().any(|word| call.method().contains(word)));
        written || self.binding().is_some_and(is_output)
    }

    /// Returns whether the value is kept or loaded, rather than said or compared.
    pub fn is_kept(&self) -> bool {
        let loaded = self.calls().any(|(call, option)| {
            let method = call.method().to_ascii_lowercase();
            option.is_some()
                || ["load", "open", "restore", "path", "init_from"]
                    .iter()
                    .any(|word| method.contains(word))
        });
        let bound = self.frames.iter().any(|frame| matches!(frame, Frame::Binding(_)));
        let prose = self.frames.iter().any(|frame| matches!(frame, Frame::Prose));
        (loaded || bound) && !prose && !self.only_looks_like_a_path_here()
    }

    fn only_looks_like_a_path_here(&self) -> bool {
        let joined = self.call().is_some_and(|(call, ..)| call.dotted() == "os.path.join");
        !joined && self.only_looks_like_a_path()
    }
}

fn names_a_path(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [
        "dir", "path", "root", "folder", "file", "data", "image", "img", "mask", "corpus", "annot",
        "list", "csv", "json",
    ]
    .iter()
    .any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use crate::python::parse::Module;

    fn paths(source: &str) -> Vec<(String, &'static str)> {
        let module = Module::parse(source.to_owned());
        let facts = Reading::of(&module, "a.py");
        facts.paths.into_iter().map(|path| (path.value, path.kind)).collect()
    }

    #[test]
    fn paths_of_somebody_s_machine_are_seen() {
        for (source, value, kind) in [
            ("root = '/home/jane/data/voc'", "/home/jane/data/voc", "home"),
            ("root = '/Users/jane/x'", "/Users/jane/x", "home"),
            ("f(osp.expanduser('~/data/datasets'))", "~/data/datasets", "home"),
            ("import os\nx = os.path.join(os.path.expanduser('~'), 'data')", "~/data", "home"),
            ("import os\nx = os.environ['HOME'] + '/data/x'", "~/data/x", "home"),
            ("f('/mnt/disk1/imagenet')", "/mnt/disk1/imagenet", "absolute"),
            ("x = open('/foo/bar.txt')", "/foo/bar.txt", "absolute"),
            ("p.add_argument('--data', default='/imagenet/train')", "/imagenet/train", "absolute"),
            ("x = r'C:\\Users\\jane\\data'", "C:\\Users\\jane\\data", "absolute"),
            ("x = 'D:/data/images/'", "D:/data/images", "absolute"),
            ("x = '/data/voc/%s.jpg' % name", "/data/voc", "absolute"),
            ("data = f'/scratch/{user}/a'", "/scratch", "absolute"),
            ("x = glob('/data/voc/*.jpg')", "/data/voc", "absolute"),
            ("x = Path('./data/imgs/')", "./data/imgs", "relative"),
            ("p.add_argument('--data-dir', default='data/coco')", "data/coco", "relative"),
            ("p.add_argument('--data-dir', default='data')", "data", "relative"),
            ("def f(root='data/VOCdevkit/VOC2012'): pass", "data/VOCdevkit/VOC2012", "relative"),
            ("x = open('../corpus/train.txt')", "../corpus/train.txt", "relative"),
            ("x = pd.read_csv('train.csv')", "train.csv", "relative"),
            ("c = {'data_path': 'datasets/x'}", "datasets/x", "relative"),
        ] {
            assert_eq!(paths(source), [(value.to_owned(), kind)], "{source}");
        }
    }

    #[test]
    fn what_only_looks_like_a_path_is_left_alone() {
        for source in [
            "x = 'http://host/home/jane/x'",
            "requests.get('/home/api/v1')",
            "@app.route('/data/<id>')\ndef f(): pass",
            "@app.route('/data/list')\ndef f(): pass",
            "x = 'application/json'",
            "x = re.compile('/data/[a-z]+')",
            "'''/home/jane/data'''",
            "def f():\n    '''Reads /home/jane/data.'''",
            "x = y.startswith('/data/voc')",
            "x = '/'",
            "x = 'and/or'",
            "x = 'km/h'",
            "m = AutoModel.from_pretrained('data/bert')",
            "x = '/dev/null'",
            "x = open('/etc/hosts')",
            "x = '/usr/bin/env'",
            "x = '~'",
            "x = '~/.cache/torch'",
            "x = osp.join(root, 'data/voc')",
            "x = root + '/data/voc'",
            "x = y == '/data/voc'",
            "x = h['/data/images']",
            "p.add_argument('--out', default='./data/out')",
            "x = open('./results/x.csv', 'w')",
            "save_dir = './checkpoints/'",
            "os.makedirs('data/processed')",
            "raise ValueError('/data/voc is not there')",
            "p.add_argument('--data', help='as in /home/jane/data')",
            "x = 'facebook/bart-large'",
            "model_name = 'bert/base'",
            "print('/home/jane/x')",
            "x = '%Y/%m/%d'",
            "x = '../models'",
        ] {
            assert_eq!(paths(source), [], "{source}");
        }
    }
}
