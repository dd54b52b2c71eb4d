//! The modules of the standard library, of all Pythons from 2.7 to 3.14.
//!
//! Made from `sys.stdlib_module_names` (3.10 and later) and from the folders of the older
//! interpreters; what came before 3.6 is from the "What's new" pages. Dotted names are listed only
//! where they came or went apart from their package.

use sizar_model::PythonVersion;

/// Returns whether the top level of `name` is, or was, in the standard library.
pub fn is_stdlib(name: &str) -> bool {
    let top = name.split('.').next().unwrap_or(name);
    ALWAYS.binary_search(&top).is_ok() || change_of(top).is_some()
}

/// Returns the first Python that has no module `name` any more.
///
/// A dotted name counts as removed with its package.
pub fn removed_in(name: &str) -> Option<PythonVersion> {
    prefixes(name).find_map(|prefix| change_of(prefix)?.removed)
}

/// Returns the first Python that has the module `name`, where it is newer than Python 2.7.
pub fn added_in(name: &str) -> Option<PythonVersion> {
    prefixes(name).find_map(|prefix| change_of(prefix)?.added)
}

/// `a.b.c`, `a.b`, `a`.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.rsplit_once('.').map(|(head, _)| head))
}

fn change_of(name: &str) -> Option<&'static Change> {
    let index = CHANGED.binary_search_by(|change| change.name.cmp(name)).ok()?;
    CHANGED.get(index)
}

/// A module that not every Python has.
struct Change {
    name: &'static str,
    added: Option<PythonVersion>,
    removed: Option<PythonVersion>,
}

const fn added(name: &'static str, major: u8, minor: u8) -> Change {
    Change { name, added: Some(PythonVersion::minor(major, minor)), removed: None }
}

const fn removed(name: &'static str, major: u8, minor: u8) -> Change {
    Change { name, added: None, removed: Some(PythonVersion::minor(major, minor)) }
}

const fn between(name: &'static str, added: (u8, u8), removed: (u8, u8)) -> Change {
    Change {
        name,
        added: Some(PythonVersion::minor(added.0, added.1)),
        removed: Some(PythonVersion::minor(removed.0, removed.1)),
    }
}

/// What every Python has, sorted.
#[rustfmt::skip]
const ALWAYS: &[&str] = &[
    "__future__", "__main__", "_csv", "_ctypes", "_curses", "_io", "_json", "_socket",
    "_weakrefset", "abc", "antigravity", "argparse", "array", "ast", "atexit", "base64", "bdb",
    "binascii", "bisect", "bz2", "cProfile", "calendar", "cmath", "cmd", "code", "codecs",
    "codeop", "collections", "colorsys", "compileall", "contextlib", "copy", "csv", "ctypes",
    "curses", "datetime", "dbm", "decimal", "difflib", "dis", "doctest", "email", "encodings",
    "ensurepip", "errno", "fcntl", "filecmp", "fileinput", "fnmatch", "fractions", "ftplib",
    "functools", "gc", "genericpath", "getopt", "getpass", "gettext", "glob", "grp", "gzip",
    "hashlib", "heapq", "hmac", "idlelib", "imaplib", "importlib", "inspect", "io", "itertools",
    "json", "keyword", "linecache", "locale", "logging", "mailbox", "marshal", "math",
    "mimetypes", "mmap", "modulefinder", "msvcrt", "multiprocessing", "netrc", "nt", "ntpath",
    "nturl2path", "numbers", "opcode", "operator", "optparse", "os", "pdb", "pickle",
    "pickletools", "pkgutil", "platform", "plistlib", "poplib", "posix", "posixpath", "pprint",
    "profile", "pstats", "pty", "pwd", "py_compile", "pyclbr", "pydoc", "pydoc_data", "pyexpat",
    "quopri", "random", "re", "readline", "resource", "rlcompleter", "runpy", "sched", "select",
    "shelve", "shlex", "shutil", "signal", "site", "smtplib", "socket", "sqlite3",
    "sre_compile", "sre_constants", "sre_parse", "ssl", "stat", "string", "stringprep",
    "struct", "subprocess", "symtable", "sys", "sysconfig", "syslog", "tabnanny", "tarfile",
    "tempfile", "termios", "test", "textwrap", "this", "threading", "time", "timeit", "token",
    "tokenize", "trace", "traceback", "tty", "turtle", "types", "unicodedata", "unittest",
    "urllib", "uuid", "warnings", "wave", "weakref", "webbrowser", "winsound", "wsgiref", "xml",
    "zipfile", "zipimport", "zlib",
];

/// What came or went, sorted by name.
#[rustfmt::skip]
const CHANGED: &[Change] = &[
    removed("BaseHTTPServer", 3, 0),
    removed("Bastion", 3, 0),
    removed("CDROM", 3, 0),
    removed("CGIHTTPServer", 3, 0),
    removed("Canvas", 3, 0),
    removed("Carbon", 3, 0),
    removed("ConfigParser", 3, 0),
    removed("Cookie", 3, 0),
    removed("DLFCN", 3, 0),
    removed("Dialog", 3, 0),
    removed("DocXMLRPCServer", 3, 0),
    removed("EasyDialogs", 3, 0),
    removed("FileDialog", 3, 0),
    removed("FixTk", 3, 0),
    removed("HTMLParser", 3, 0),
    removed("IN", 3, 0),
    removed("MacOS", 3, 0),
    removed("MimeWriter", 3, 0),
    removed("Queue", 3, 0),
    removed("ScrolledText", 3, 0),
    removed("SimpleDialog", 3, 0),
    removed("SimpleHTTPServer", 3, 0),
    removed("SimpleXMLRPCServer", 3, 0),
    removed("SocketServer", 3, 0),
    removed("StringIO", 3, 0),
    removed("TYPES", 3, 0),
    removed("Tix", 3, 0),
    removed("Tkconstants", 3, 0),
    removed("Tkdnd", 3, 0),
    removed("Tkinter", 3, 0),
    removed("UserDict", 3, 0),
    removed("UserList", 3, 0),
    removed("UserString", 3, 0),
    removed("__builtin__", 3, 0),
    between("_bootlocale", (3, 4), (3, 10)),
    added("_collections_abc", 3, 0),
    between("_dummy_thread", (3, 0), (3, 9)),
    added("_pickle", 3, 0),
    added("_thread", 3, 0),
    added("_winapi", 3, 3),
    removed("_winreg", 3, 0),
    removed("aifc", 3, 13),
    added("annotationlib", 3, 14),
    removed("anydbm", 3, 0),
    removed("asynchat", 3, 12),
    added("asyncio", 3, 4),
    added("asyncio.taskgroups", 3, 11),
    added("asyncio.timeouts", 3, 11),
    removed("asyncore", 3, 12),
    removed("audiodev", 3, 0),
    removed("audioop", 3, 13),
    removed("binhex", 3, 11),
    removed("bsddb", 3, 0),
    removed("bsddb185", 3, 0),
    added("builtins", 3, 0),
    removed("cPickle", 3, 0),
    removed("cStringIO", 3, 0),
    removed("cgi", 3, 13),
    removed("cgitb", 3, 13),
    removed("chunk", 3, 13),
    added("collections.abc", 3, 3),
    removed("commands", 3, 0),
    removed("compiler", 3, 0),
    added("compression", 3, 14),
    added("compression.zstd", 3, 14),
    added("concurrent", 3, 2),
    added("concurrent.futures", 3, 2),
    added("concurrent.interpreters", 3, 14),
    added("configparser", 3, 0),
    added("contextvars", 3, 7),
    removed("cookielib", 3, 0),
    removed("copy_reg", 3, 0),
    added("copyreg", 3, 0),
    removed("crypt", 3, 13),
    added("dataclasses", 3, 7),
    removed("dbhash", 3, 0),
    added("dbm.sqlite3", 3, 13),
    removed("dircache", 3, 0),
    removed("distutils", 3, 12),
    removed("dl", 3, 0),
    removed("dumbdbm", 3, 0),
    removed("dummy_thread", 3, 0),
    removed("dummy_threading", 3, 9),
    removed("email.MIMEMultipart", 3, 0),
    removed("email.MIMEText", 3, 0),
    added("enum", 3, 4),
    removed("exceptions", 3, 0),
    added("faulthandler", 3, 3),
    removed("formatter", 3, 10),
    removed("fpectl", 3, 7),
    removed("fpformat", 3, 0),
    removed("future_builtins", 3, 0),
    removed("gdbm", 3, 0),
    added("graphlib", 3, 9),
    removed("hotshot", 3, 0),
    added("html", 3, 0),
    removed("htmlentitydefs", 3, 0),
    removed("htmllib", 3, 0),
    added("http", 3, 0),
    added("http.server", 3, 0),
    removed("httplib", 3, 0),
    removed("ihooks", 3, 0),
    removed("imageop", 3, 0),
    removed("imghdr", 3, 13),
    removed("imp", 3, 12),
    added("importlib.abc", 3, 3),
    added("importlib.metadata", 3, 8),
    added("importlib.resources", 3, 7),
    added("importlib.util", 3, 1),
    removed("imputil", 3, 0),
    added("ipaddress", 3, 3),
    removed("lib2to3", 3, 13),
    removed("linuxaudiodev", 3, 0),
    added("lzma", 3, 3),
    removed("macpath", 3, 8),
    removed("macurl2path", 3, 7),
    removed("mailcap", 3, 13),
    removed("markupbase", 3, 0),
    removed("md5", 3, 0),
    removed("mhlib", 3, 0),
    removed("mimetools", 3, 0),
    removed("mimify", 3, 0),
    removed("msilib", 3, 13),
    removed("multifile", 3, 0),
    added("multiprocessing.shared_memory", 3, 8),
    removed("mutex", 3, 0),
    removed("new", 3, 0),
    removed("nis", 3, 13),
    removed("nntplib", 3, 13),
    removed("os.errno", 3, 7),
    removed("os2emxpath", 3, 0),
    removed("ossaudiodev", 3, 13),
    removed("parser", 3, 10),
    added("pathlib", 3, 4),
    added("pathlib.types", 3, 14),
    removed("pipes", 3, 13),
    removed("popen2", 3, 0),
    removed("posixfile", 3, 0),
    added("queue", 3, 0),
    removed("repr", 3, 0),
    added("reprlib", 3, 0),
    removed("rexec", 3, 0),
    removed("rfc822", 3, 0),
    removed("robotparser", 3, 0),
    added("secrets", 3, 6),
    added("selectors", 3, 4),
    removed("sets", 3, 0),
    removed("sgmllib", 3, 0),
    removed("sha", 3, 0),
    removed("smtpd", 3, 12),
    removed("sndhdr", 3, 13),
    added("socketserver", 3, 0),
    removed("spwd", 3, 13),
    removed("sre", 3, 0),
    added("statistics", 3, 4),
    removed("statvfs", 3, 0),
    added("string.templatelib", 3, 14),
    removed("stringold", 3, 0),
    removed("strop", 3, 0),
    removed("sunau", 3, 13),
    removed("sunaudio", 3, 0),
    removed("sunaudiodev", 3, 0),
    removed("symbol", 3, 10),
    added("sys.monitoring", 3, 12),
    removed("telnetlib", 3, 13),
    removed("thread", 3, 0),
    removed("tkColorChooser", 3, 0),
    removed("tkCommonDialog", 3, 0),
    removed("tkFileDialog", 3, 0),
    removed("tkFont", 3, 0),
    removed("tkMessageBox", 3, 0),
    removed("tkSimpleDialog", 3, 0),
    added("tkinter", 3, 0),
    between("tkinter.tix", (3, 0), (3, 13)),
    removed("toaiff", 3, 0),
    added("tomllib", 3, 11),
    added("tracemalloc", 3, 4),
    removed("ttk", 3, 0),
    added("turtledemo", 3, 0),
    added("typing", 3, 5),
    added("unittest.mock", 3, 3),
    added("urllib.error", 3, 0),
    added("urllib.parse", 3, 0),
    added("urllib.request", 3, 0),
    removed("urllib2", 3, 0),
    removed("urlparse", 3, 0),
    removed("user", 3, 0),
    removed("uu", 3, 13),
    added("venv", 3, 3),
    removed("whichdb", 3, 0),
    added("winreg", 3, 0),
    added("wsgiref.types", 3, 11),
    removed("xdrlib", 3, 13),
    removed("xml.etree.cElementTree", 3, 9),
    removed("xmllib", 3, 0),
    added("xmlrpc", 3, 0),
    added("xmlrpc.client", 3, 0),
    removed("xmlrpclib", 3, 0),
    added("zipapp", 3, 5),
    added("zoneinfo", 3, 9),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        assert!(ALWAYS.is_sorted());
        assert!(CHANGED.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn modules_come_and_go() {
        assert!(is_stdlib("os.path") && is_stdlib("cPickle") && is_stdlib("tomllib"));
        assert!(!is_stdlib("numpy") && !is_stdlib("setuptools"));
        assert_eq!(removed_in("imp"), Some(PythonVersion::minor(3, 12)));
        assert_eq!(removed_in("distutils.core"), Some(PythonVersion::minor(3, 12)));
        assert_eq!(removed_in("urllib2"), Some(PythonVersion::minor(3, 0)));
        assert_eq!(added_in("importlib.metadata"), Some(PythonVersion::minor(3, 8)));
        assert_eq!(added_in("importlib"), None);
        assert_eq!(added_in("dataclasses"), Some(PythonVersion::minor(3, 7)));
    }
}
