//! A conda channel on disk, with real packages.

use std::fmt::Write as _;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// A channel in a folder: its archives and their lists.
pub struct CondaChannel {
    root: Utf8PathBuf,
}

/// The mode that marks a symbolic link.
const LINK: u32 = 0o120_777;

/// The two forms of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `.tar.bz2`, the only one until 2019.
    TarBz2,
    /// `.conda`.
    Conda,
}

/// A package to put into a channel.
#[derive(Clone, Debug)]
pub struct CondaRecipe {
    name: String,
    version: String,
    build: String,
    subdir: String,
    form: Form,
    depends: Vec<String>,
    noarch: Option<String>,
    timestamp: Option<u64>,
    /// Paths, contents and modes; a link has its target for a content, and the mode [`LINK`].
    files: Vec<(String, Vec<u8>, u32)>,
    /// A file's path, the placeholder in it, and `text` or `binary`.
    placeholders: Vec<(String, String, String)>,
    /// Further entries of the list of files, which need not be there.
    listed: Vec<String>,
    /// Python's own entry points.
    entry_points: Vec<String>,
}

impl CondaRecipe {
    /// Begins a package for 64-bit Linux in the form `.conda`.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            build: "0".to_owned(),
            subdir: "linux-64".to_owned(),
            form: Form::Conda,
            depends: Vec::new(),
            noarch: None,
            timestamp: None,
            files: Vec::new(),
            placeholders: Vec::new(),
            listed: Vec::new(),
            entry_points: Vec::new(),
        }
    }

    #[must_use]
    pub fn build(mut self, build: &str) -> Self {
        build.clone_into(&mut self.build);
        self
    }

    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Makes it a package for every platform: `python` or `generic`.
    #[must_use]
    pub fn noarch(mut self, kind: &str) -> Self {
        self.noarch = Some(kind.to_owned());
        "noarch".clone_into(&mut self.subdir);
        self
    }

    #[must_use]
    pub fn depends(mut self, on: &str) -> Self {
        self.depends.push(on.to_owned());
        self
    }

    /// Says when it was built, in seconds since 1970.
    #[must_use]
    pub fn built_at(mut self, seconds: u64) -> Self {
        self.timestamp = Some(seconds * 1000);
        self
    }

    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), content.as_ref().to_vec(), 0o644));
        self
    }

    #[must_use]
    pub fn program(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), content.as_ref().to_vec(), 0o755));
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.files.push((path.to_owned(), target.as_bytes().to_vec(), LINK));
        self
    }

    /// Says that a file holds the prefix that it was built for; `mode` is `text` or `binary`.
    #[must_use]
    pub fn placeholder(mut self, path: &str, prefix: &str, mode: &str) -> Self {
        self.placeholders.push((path.to_owned(), prefix.to_owned(), mode.to_owned()));
        self
    }

    /// Lists a file that the archive does not have.
    #[must_use]
    pub fn listed(mut self, path: &str) -> Self {
        self.listed.push(path.to_owned());
        self
    }

    /// Adds a program that calls a Python function: `demo = demo:main`.
    #[must_use]
    pub fn entry_point(mut self, text: &str) -> Self {
        self.entry_points.push(text.to_owned());
        self
    }

    fn file_name(&self) -> String {
        let end = match self.form {
            Form::TarBz2 => "tar.bz2",
            Form::Conda => "conda",
        };
        format!("{}-{}-{}.{end}", self.name, self.version, self.build)
    }

    fn index(&self) -> Map<String, Value> {
        let index = json!({
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": 0,
            "subdir": self.subdir,
            "depends": self.depends,
            "noarch": self.noarch,
            "timestamp": self.timestamp,
        });
        let Value::Object(mut index) = index else { unreachable!("it is an object") };
        index.retain(|_, value| !value.is_null());
        index
    }

    fn info(&self) -> Vec<(String, Vec<u8>, u32)> {
        let mut paths: Vec<Value> = self
            .files
            .iter()
            .map(|(path, content, mode)| {
                let mut entry = json!({
                    "_path": path,
                    "path_type": if *mode == LINK { "softlink" } else { "hardlink" },
                    "sha256": hex(content),
                    "size_in_bytes": content.len(),
                });
                if let Some((_, prefix, mode)) = self.placeholders.iter().find(|p| p.0 == *path) {
                    entry["prefix_placeholder"] = json!(prefix);
                    entry["file_mode"] = json!(mode);
                }
                entry
            })
            .collect();
        paths.extend(self.listed.iter().map(|path| {
            json!({"_path": path, "path_type": "hardlink", "sha256": hex(b""), "size_in_bytes": 0})
        }));
        let text = |value: Value| value.to_string().into_bytes();
        let list: Vec<&str> = self.files.iter().map(|(path, ..)| path.as_str()).collect();
        let mut info = vec![
            ("info/index.json".to_owned(), text(Value::Object(self.index())), 0o644),
            (
                "info/paths.json".to_owned(),
                text(json!({"paths": paths, "paths_version": 1})),
                0o644,
            ),
            ("info/files".to_owned(), list.join("\n").into_bytes(), 0o644),
        ];
        if self.noarch.as_deref() == Some("python") {
            let link = json!({
                "noarch": {"type": "python", "entry_points": self.entry_points},
                "package_metadata_version": 1,
            });
            info.push(("info/link.json".to_owned(), text(link), 0o644));
        }
        info
    }

    fn archive(&self) -> Vec<u8> {
        let info = self.info();
        match self.form {
            Form::TarBz2 => {
                let all: Vec<_> = info.iter().chain(&self.files).cloned().collect();
                let compression = bzip2::Compression::fast();
                let mut packed = bzip2::write::BzEncoder::new(Vec::new(), compression);
                packed.write_all(&tar_of(&all)).expect("a buffer takes everything");
                packed.finish().expect("a buffer takes everything")
            }
            Form::Conda => {
                let stem = format!("{}-{}-{}", self.name, self.version, self.build);
                let zst = |files: &[(String, Vec<u8>, u32)]| {
                    zstd::encode_all(tar_of(files).as_slice(), 1).expect("a buffer is compressed")
                };
                let stored = zip::write::SimpleFileOptions::default()
                    .compression_method(zip::CompressionMethod::Stored);
                let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
                let parts = [
                    ("metadata.json".to_owned(), br#"{"conda_pkg_format_version": 2}"#.to_vec()),
                    (format!("pkg-{stem}.tar.zst"), zst(&self.files)),
                    (format!("info-{stem}.tar.zst"), zst(&info)),
                ];
                for (name, bytes) in parts {
                    zip.start_file(name, stored).expect("a name for a part");
                    zip.write_all(&bytes).expect("a buffer takes everything");
                }
                zip.finish().expect("a buffer takes everything").into_inner()
            }
        }
    }
}

fn tar_of(files: &[(String, Vec<u8>, u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode & 0o777);
        header.set_mtime(1_600_000_000);
        if *mode == LINK {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            let target = String::from_utf8_lossy(content);
            builder.append_link(&mut header, path, &*target).expect("a buffer takes it");
            continue;
        }
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content.as_slice()).expect("a buffer takes it");
    }
    builder.into_inner().expect("a buffer takes everything")
}

fn hex(content: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(content) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl CondaChannel {
    /// Makes an empty channel in a folder.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        let channel = Self { root: root.into() };
        for subdir in ["noarch", "linux-64"] {
            channel.write_list(subdir, &channel.list(subdir));
        }
        channel
    }

    /// Returns its folder.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Returns its address, `file://…`.
    pub fn address(&self) -> String {
        format!("file://{}", self.root)
    }

    /// Adds a package, and returns its archive's path.
    pub fn add(&self, recipe: &CondaRecipe) -> Utf8PathBuf {
        let archive = recipe.archive();
        let mut entry = recipe.index();
        entry.insert("sha256".to_owned(), json!(hex(&archive)));
        entry.insert("size".to_owned(), json!(archive.len()));
        let mut list = self.list(&recipe.subdir);
        let kind = match recipe.form {
            Form::TarBz2 => "packages",
            Form::Conda => "packages.conda",
        };
        list[kind][recipe.file_name()] = Value::Object(entry);
        self.write_list(&recipe.subdir, &list);
        let path = self.root.join(&recipe.subdir).join(recipe.file_name());
        fs::write(&path, archive).expect("an archive in the channel");
        path
    }

    fn list(&self, subdir: &str) -> Value {
        fs::read(self.root.join(subdir).join("repodata.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_else(|| {
                json!({
                    "info": {"subdir": subdir},
                    "packages": {},
                    "packages.conda": {},
                    "repodata_version": 1,
                })
            })
    }

    fn write_list(&self, subdir: &str, list: &Value) {
        let folder = self.root.join(subdir);
        fs::create_dir_all(&folder).expect("a folder of the channel");
        fs::write(folder.join("repodata.json"), list.to_string()).expect("the channel's list");
    }
}
