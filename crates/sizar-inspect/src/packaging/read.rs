//! What one packaging file told.

use sizar_model::inspection::{Declared, PackagingFile, PythonEvidence, Sighting};

use super::kind::Kind;
use super::requirement::{Asked, Distribution};
use super::{popular, requirement, text};

/// What one packaging file told.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub file: PackagingFile,
    pub declared: Vec<Declared>,
    /// Console scripts, and files that are installed as scripts.
    pub scripts: Vec<ScriptDeclaration>,
    /// Where packages lie, as in setuptools: `("", "src")` for all of them.
    pub package_dirs: Vec<(String, String)>,
    /// Names of packages; `find:` or `find:FOLDER` where they are looked for.
    pub packages: Vec<String>,
    pub py_modules: Vec<String>,
    /// `requires` and `named` only.
    pub python: PythonEvidence,
    /// `cuda` (a version) and `base_image` (a Docker image).
    pub platform: Vec<Sighting>,
    /// Packages of the operating system: `apt`, `conda`, `brew`, …
    pub system_packages: Vec<Sighting>,
    /// Further package indexes: `index`, `extra_index`, `find_links`, `conda_channel`. No secrets.
    pub indexes: Vec<Sighting>,
    /// Files of the tree that belong to it.
    pub references: Vec<Reference>,
    /// The project's own addresses, so that a requirement on itself can be told.
    pub addresses: Vec<String>,
}

/// A file that another one includes or installs from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Relative to the root of the tree; never outside.
    pub path: String,
    pub kind: Kind,
    /// The scope of its requirements, where its own name does not say.
    pub scope: String,
    /// Whether its absence is worth a sentence.
    pub needed: bool,
    /// Where it is named.
    pub line: u32,
}

/// A command that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptDeclaration {
    pub name: String,
    pub target: ScriptTarget,
    /// The file that declares it.
    pub path: String,
    pub line: u32,
}

/// What a command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptTarget {
    /// `package.module:function.attribute`; the function can be absent.
    Function { module: String, function: Option<String> },
    /// A file of the tree, relative to its root.
    File(String),
}

impl Read {
    pub(super) fn new(path: &str, kind: Kind) -> Self {
        Self {
            file: PackagingFile {
                path: path.to_owned(),
                kind: kind.name().to_owned(),
                name: None,
                version: None,
                requires_python: None,
                build_backend: None,
                compiles: false,
                only_compiles: false,
                unreadable: Vec::new(),
            },
            declared: Vec::new(),
            scripts: Vec::new(),
            package_dirs: Vec::new(),
            packages: Vec::new(),
            py_modules: Vec::new(),
            python: PythonEvidence::default(),
            platform: Vec::new(),
            system_packages: Vec::new(),
            indexes: Vec::new(),
            references: Vec::new(),
            addresses: Vec::new(),
        }
    }

    /// Whether the file told nothing at all.
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty()
            && self.scripts.is_empty()
            && self.python.requires.is_empty()
            && self.python.named.is_empty()
            && self.platform.is_empty()
            && self.system_packages.is_empty()
            && self.indexes.is_empty()
            && self.references.is_empty()
            && self.file.name.is_none()
    }

    /// Whether it told nothing but versions of Python.
    pub(super) fn only_names_python(&self) -> bool {
        let mut rest = self.clone();
        rest.python.named.clear();
        rest.is_empty() && self.file.unreadable.is_empty()
    }

    pub(super) fn path(&self) -> String {
        self.file.path.clone()
    }

    /// Records that something could not be read, in one sentence.
    pub(super) fn cannot_read(&mut self, what: String) {
        if !self.file.unreadable.contains(&what) {
            self.file.unreadable.push(what);
        }
    }

    /// Reads a requirement as written and records it; a line about Python itself becomes evidence
    /// for Python.
    pub(super) fn require(&mut self, raw: &str, line: u32, scope: &str) {
        self.require_with(raw, raw, line, scope, None);
    }

    /// Records the requirement `text`, written as `raw`, with a note beside those of its repair.
    pub(super) fn require_with(
        &mut self,
        text: &str,
        raw: &str,
        line: u32,
        scope: &str,
        note: Option<&str>,
    ) {
        match requirement::read(text) {
            Asked::Nothing => {}
            Asked::Prose => {
                let raw = text::shorten(raw);
                self.cannot_read(format!("line {line}: `{raw}` is no requirement"));
            }
            Asked::Python(asked) => self.python_named(&asked, line),
            Asked::Distribution(mut found) => {
                if let Some(note) = note {
                    found.note(note);
                }
                if !matches!(scope, "conda" | "locked") {
                    mend_a_slip(&mut found);
                }
                self.declare(found, raw, line, scope);
            }
        }
    }

    /// Records a distribution. Whatever its reader made of it, what is recorded is PEP 508.
    pub(super) fn declare(&mut self, mut found: Distribution, raw: &str, line: u32, scope: &str) {
        let path = self.path();
        if found.name.is_empty() {
            self.cannot_read(format!("line {}: a requirement without a name", line.max(1)));
            return;
        }
        if found.requirement.as_deref().is_some_and(|asked| !requirement::is_valid(asked)) {
            found.requirement = None;
            found.unreadable.get_or_insert_with(|| "no valid name or version".to_owned());
        }
        self.declared.push(Declared {
            name: found.name,
            requirement: found.requirement,
            raw: text::shorten(raw),
            path,
            line: line.max(1),
            scope: scope.to_owned(),
            repaired: found.repaired,
            unreadable: found.unreadable,
        });
    }

    pub(super) fn sighting(&self, kind: &str, seen: &str, line: u32) -> Sighting {
        Sighting {
            kind: kind.to_owned(),
            text: text::shorten(seen),
            path: self.path(),
            line: line.max(1),
        }
    }

    /// Records version specifiers that the packaging enforces.
    pub(super) fn python_requires(&mut self, specifiers: &str, line: u32) {
        let specifiers = specifiers.trim();
        if specifiers.is_empty() {
            return;
        }
        let seen = self.sighting(&self.file.kind, specifiers, line);
        if !self.python.requires.contains(&seen) {
            self.python.requires.push(seen);
        }
    }

    /// Records a version, or version specifiers, that the file names: `3.7`, `>=3.6`.
    pub(super) fn python_named(&mut self, version: &str, line: u32) {
        let version = version.trim();
        if version.is_empty() {
            return;
        }
        let seen = self.sighting(&self.file.kind, version, line);
        if !self.python.named.contains(&seen) {
            self.python.named.push(seen);
        }
    }

    pub(super) fn index(&mut self, kind: &str, address: &str, line: u32) {
        let seen = self.sighting(kind, address, line);
        if !address.is_empty() && !self.indexes.contains(&seen) {
            self.indexes.push(seen);
        }
    }

    pub(super) fn system_package(&mut self, manager: &str, name: &str, line: u32) {
        let seen = self.sighting(manager, name, line);
        if !name.is_empty() && !self.system_packages.contains(&seen) {
            self.system_packages.push(seen);
        }
    }

    pub(super) fn on_platform(&mut self, kind: &str, seen: &str, line: u32) {
        let seen = self.sighting(kind, seen, line);
        if !self.platform.contains(&seen) {
            self.platform.push(seen);
        }
    }

    /// Records that the file includes `target`, as seen from its own folder.
    ///
    /// A target outside the tree is said, and not followed.
    pub(super) fn refer(&mut self, target: &str, kind: Kind, scope: &str, line: u32, needed: bool) {
        match super::tree::neighbour(&self.file.path, target) {
            Some(path) => {
                let scope = scope.to_owned();
                self.references.push(Reference { path, kind, scope, needed, line: line.max(1) });
            }
            None if needed => {
                let target = text::shorten(target);
                self.cannot_read(format!("line {line}: `{target}` is outside the tree: not read"));
            }
            None => {}
        }
    }

    /// Records a console script from `name = module:function`.
    pub(super) fn entry_point(&mut self, name: &str, target: &str, line: u32) {
        let target = target.split('[').next().unwrap_or(target).trim();
        let (module, function) = match target.split_once(':') {
            Some((module, function)) => (module.trim(), Some(function.trim().to_owned())),
            None => (target, None),
        };
        if name.trim().is_empty() || module.is_empty() {
            return;
        }
        let path = self.path();
        self.scripts.push(ScriptDeclaration {
            name: name.trim().to_owned(),
            target: ScriptTarget::Function { module: module.to_owned(), function },
            path,
            line: line.max(1),
        });
    }

    /// Records a file that is installed as a command.
    pub(super) fn script_file(&mut self, file: &str, line: u32) {
        let Some(file) = super::tree::neighbour(&self.file.path, file) else { return };
        let name = file.rsplit('/').next().unwrap_or(&file).to_owned();
        let path = self.path();
        self.scripts.push(ScriptDeclaration {
            name,
            target: ScriptTarget::File(file),
            path,
            line: line.max(1),
        });
    }
}

/// Puts a name right that is one letter away from a popular one.
fn mend_a_slip(found: &mut Distribution) {
    let Some(meant) = popular::meant(&found.name) else { return };
    let Some(rest) =
        found.requirement.as_deref().and_then(|asked| asked.strip_prefix(&*found.name))
    else {
        return;
    };
    // an address says what it is whatever it is called
    if rest.contains(" @ ") {
        return;
    }
    let requirement = format!("{meant}{rest}");
    let note = format!("`{}` is read as `{meant}`, one letter away", found.name);
    found.requirement = Some(requirement);
    meant.clone_into(&mut found.name);
    found.note(&note);
}
