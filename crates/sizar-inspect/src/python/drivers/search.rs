//! Finds everything of a tree that can be started.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rayon::prelude::*;
use regex::Regex;
use ruff_python_ast::Stmt;
use sizar_model::inspection::{Driver, DriverOption};

use super::interpreter::Interpreter;
use super::role::{self, Evidence};
use super::scope::{Meaning, Scopes, spells};
use super::{ReadText, absl, argv, click, hydra, sacred};
use crate::python::expression::string;
use crate::python::hints::Hints;
use crate::python::project::Project;
use crate::python::source_file::{ScriptDeclaration, SourceFile};
use crate::python::tree::{SOURCES, Tree};
use crate::python::versions;

/// Finds the drivers of a project, sorted by path.
///
/// `scripts` are the commands that the packaging installs; `read` gives the text of a file of the
/// tree, for configurations.
pub fn find_drivers(
    project: &Project<'_>,
    scripts: &[ScriptDeclaration],
    read: ReadText<'_>,
) -> Vec<Driver> {
    let search = Search { scopes: Scopes::new(project), read, imported: imported(project) };
    let mut drivers: Vec<Driver> = scripts
        .par_iter()
        .filter_map(|script| search.script(script))
        .chain(
            (0..project.files.len())
                .into_par_iter()
                .with_max_len(1)
                .filter_map(|file| search.file(file)),
        )
        .collect();
    drivers.sort_by(|a, b| (&a.path, &a.name).cmp(&(&b.path, &b.name)));
    // A file that only calls the function of its console script is that script.
    let named: BTreeSet<(String, Vec<DriverOptionKey>)> =
        drivers.iter().filter(|d| d.name.is_some()).map(|d| (d.path.clone(), key(d))).collect();
    drivers.retain(|d| d.name.is_some() || !named.contains(&(d.path.clone(), key(d))));
    drivers
}

type DriverOptionKey = (Option<String>, Vec<String>);

fn key(driver: &Driver) -> Vec<DriverOptionKey> {
    driver.options.iter().map(|o| (o.subcommand.clone(), o.flags.clone())).collect()
}

/// For each file, whether another one imports it.
fn imported(project: &Project<'_>) -> Vec<bool> {
    let mut imported = vec![false; project.files.len()];
    for (index, resolutions) in project.resolutions.iter().enumerate() {
        for resolution in resolutions {
            let crate::python::tree::Resolution::FirstParty(files) = resolution else { continue };
            for &file in files.iter().filter(|&&file| file != index) {
                if let Some(slot) = imported.get_mut(file) {
                    *slot = true;
                }
            }
        }
    }
    imported
}

/// What a file spells that reads its options when it is started.
static PARSING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"parse_args\(|OptionParser|docopt\(|Fire\(|sys\.argv|\.run\(|getopt\(")
        .expect("it is valid")
});

pub(super) struct Search<'p, 'a, 'r> {
    pub(super) scopes: Scopes<'p, 'a>,
    read: ReadText<'r>,
    imported: Vec<bool>,
}

/// What was found of one driver.
#[derive(Default)]
pub(super) struct Interface {
    pub(super) framework: &'static str,
    pub(super) options: Vec<DriverOption>,
    pub(super) subcommands: Vec<String>,
    /// Whether the options are read when the file's top level runs.
    pub(super) parses: bool,
}

impl Search<'_, '_, '_> {
    /// A command that the packaging installs.
    fn script(&self, script: &ScriptDeclaration) -> Option<Driver> {
        let project = self.scopes.project;
        let (file, function) = match script.target.split_once(':') {
            Some((module, function)) => {
                // `module:function [extra]`
                let function = function.split_whitespace().next().unwrap_or(function);
                (project.tree.installed_module(module.trim())?, Some(function.trim()))
            }
            None => (project.file(script.target.trim_start_matches("./"))?, None),
        };
        // A package may only pass the function on.
        let top = function.and_then(|name| name.split('.').next());
        let file = match top.and_then(|name| self.scopes.lookup(file, name)) {
            Some(Meaning::Function(at, _) | Meaning::Class(at, _) | Meaning::Constant(at, _)) => at,
            _ => file,
        };
        let interface = self.interface(file, function);
        let entry = function.and_then(|function| {
            let (module, _) = script.target.split_once(':')?;
            Some(format!("{}:{function}", module.trim()))
        });
        Some(Driver { entry, ..self.driver(file, Some(script.name.clone()), interface) })
    }

    /// A file that can be started.
    fn file(&self, file: usize) -> Option<Driver> {
        let source = self.scopes.project.files.get(file)?;
        let facts = self.scopes.project.facts.get(file)?;
        if source.is_notebook() || is_not_for_users(&source.path, &source.module.text) {
            return None;
        }
        let starts_itself = sacred::main_function(&self.scopes, file).is_some();
        let guarded = facts.main_guard.is_some() || source.stem() == "__main__" || starts_itself;
        if source.stem() == "__init__" && !guarded {
            return None;
        }
        let imported = self.imported.get(file).copied().unwrap_or(false);
        let stands_alone = facts.works_at_top_level && !imported;
        let text = source.module.text.as_str();
        let may_parse = !imported && PARSING.is_match(text);
        let is_script = stands_alone
            && (is_place_of_scripts(&source.path)
                || is_no_module(source)
                || is_in_sources(source, &self.scopes.project.tree));
        if !(guarded || may_parse || is_script) {
            return None;
        }
        let interface = self.interface(file, None);
        let starts = guarded
            || interface.parses
            || is_script
            || (interface.framework == "sys.argv" && facts.works_at_top_level);
        starts.then(|| self.driver(file, None, interface))
    }

    fn driver(&self, file: usize, name: Option<String>, mut interface: Interface) -> Driver {
        let project = self.scopes.project;
        let is_imported = name.is_some();
        let reached = project.reachable(file, is_imported);
        let hints = |index: &usize| project.facts.get(*index).map(|facts| facts.hints);
        let closure_hints = reached.iter().filter_map(hints).fold(Hints::default(), Hints::and);
        let source = project.files.get(file);
        let stem = source.map_or("", |source| source.stem());
        let folder = source.and_then(|source| source.folder().rsplit('/').next());
        let stem = if stem == "__main__" { folder.unwrap_or(stem) } else { stem };
        let role = role::decide(&Evidence {
            name: name.as_deref().unwrap_or(stem),
            own: hints(&file).unwrap_or_default(),
            closure: closure_hints,
            options: &interface.options,
            docstring: source.and_then(|source| docstring(source.module.statements())),
        });
        let mut closure: Vec<String> = reached
            .iter()
            .filter_map(|&index| project.files.get(index))
            .map(|file| file.path.clone())
            .collect();
        closure.sort();
        let needed = project.needed(file, is_imported);
        let mut dispensable: Vec<String> = reached
            .iter()
            .filter(|index| needed.binary_search(index).is_err())
            .filter_map(|&index| project.files.get(index))
            .map(|file| file.path.clone())
            .collect();
        dispensable.sort();
        let grammar = versions::verdict(
            reached.iter().filter_map(|&index| project.versions.get(index)),
            versions::Scope::Closure,
        );
        interface.subcommands.dedup();
        Driver {
            path: source.map(|source| source.path.clone()).unwrap_or_default(),
            name,
            entry: None,
            framework: interface.framework.to_owned(),
            role: role.name.to_owned(),
            role_reason: role.reason,
            subcommands: interface.subcommands,
            options: interface.options,
            closure,
            dispensable,
            python_at_least: grammar.at_least,
            python_at_most: grammar.at_most,
        }
    }

    /// Finds out how `file` takes its options, when started itself or through `function`.
    fn interface(&self, file: usize, function: Option<&str>) -> Interface {
        let project = self.scopes.project;
        let mut interpreter = Interpreter::new(&self.scopes, file);
        // what no file spells that it reaches, none of them calls
        let reached = project.reachable(file, function.is_some());
        if reached.iter().any(|&at| self.scopes.spells_parsers.get(at).copied().unwrap_or(true)) {
            interpreter.run_module(file);
            if let Some(function) = function {
                interpreter.call_function(file, function);
            }
        }
        let calls = std::mem::take(&mut interpreter.calls);
        let mut interface = of_parsers(&interpreter);
        if interface.framework.is_empty()
            && let Some(found) = self.click(file, function)
        {
            interface = found;
        }
        if interface.framework.is_empty()
            && let Some(found) = self.hydra(file)
        {
            interface = found;
        }
        if interface.framework.is_empty() && sacred::main_function(&self.scopes, file).is_some() {
            interface.framework = "sacred";
            interface.options = sacred::options(&self.scopes, file);
        }
        for call in &calls {
            if interface.framework.is_empty()
                && let Some(found) = self.framework_call(call)
            {
                interface = found;
            }
        }
        if matches!(interface.framework, "" | "argparse") {
            self.add_absl(file, &mut interface);
        }
        if interface.framework.is_empty() {
            let reached = self.scopes.project.facts.get(file).map(|facts| &facts.argv);
            interface.framework = "none";
            if let Some(argv) = reached.filter(|argv| argv.line > 0) {
                interface.framework = "sys.argv";
                interface.options = argv::positionals(&self.scopes, file, argv);
            }
        }
        interface
    }

    fn click(&self, file: usize, function: Option<&str>) -> Option<Interface> {
        let source = self.scopes.project.files.get(file)?;
        if !spells(&source.module.text, &["click", "typer", "add_command", ".command("]) {
            return None;
        }
        let commands = match function {
            Some(function) => click::command(&self.scopes, file, function)?,
            None => click::commands(&self.scopes, file)?,
        };
        Some(Interface {
            framework: commands.framework,
            options: commands.options,
            subcommands: commands.subcommands,
            parses: false,
        })
    }

    fn hydra(&self, file: usize) -> Option<Interface> {
        let call = hydra::main_call(&self.scopes, file)?;
        let options = hydra::options(&self.scopes, file, call, self.read);
        Some(Interface { framework: "hydra", options, ..Interface::default() })
    }

    /// Flags of absl are defined by importing the files that define them.
    fn add_absl(&self, file: usize, interface: &mut Interface) {
        let project = self.scopes.project;
        let mut files = project.reachable(file, false);
        files.retain(|&index| self.scopes.defines_flags.get(index).copied().unwrap_or(false));
        if files.is_empty() {
            return;
        }
        // The driver's own flags come first.
        files.sort_by_key(|&index| index != file);
        let uses = project
            .files
            .get(file)
            .is_some_and(|source| spells(&source.module.text, &["FLAGS", "app.run", "flags"]));
        let options = absl::flags(&self.scopes, &files);
        if uses && !options.is_empty() {
            interface.framework = "absl";
            interface.options.extend(options);
            interface.parses |= files.first() == Some(&file);
        }
    }
}

/// Merges the parsers that were parsed, with their subcommands; all of them where none was.
fn of_parsers(interpreter: &Interpreter<'_, '_, '_>) -> Interface {
    let mut interface = Interface::default();
    let parsers = &interpreter.parsers;
    let any_parsed = parsers.iter().any(|parser| parser.parsed);
    interface.parses = any_parsed;
    let root = |index: usize| {
        let mut at = index;
        while let Some(parent) = parsers.get(at).and_then(|parser| parser.parent) {
            at = parent;
        }
        at
    };
    for (index, parser) in parsers.iter().enumerate() {
        let used = !any_parsed || parsers.get(root(index)).is_some_and(|root| root.parsed);
        if !used {
            continue;
        }
        if interface.framework.is_empty() {
            interface.framework = parser.framework;
        }
        if let Some(subcommand) = &parser.subcommand
            && !interface.subcommands.contains(subcommand)
        {
            interface.subcommands.push(subcommand.clone());
        }
        for option in &parser.options {
            let known = interface
                .options
                .iter()
                .any(|known| known.flags == option.flags && known.subcommand == option.subcommand);
            if !known {
                interface.options.push(option.clone());
            }
        }
    }
    interface
}

pub(super) fn docstring(statements: &[Stmt]) -> Option<&str> {
    match statements.first()? {
        Stmt::Expr(expression) => string(&expression.value),
        _ => None,
    }
}

/// Files that start, but not for those who use the code.
fn is_not_for_users(path: &str, text: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    if matches!(
        name,
        "setup.py" | "conftest.py" | "versioneer.py" | "noxfile.py" | "ez_setup.py" | "fabfile.py"
    ) {
        return true;
    }
    let in_folder = |folder: &str| path.split('/').any(|part| part == folder);
    if name == "conf.py" && (in_folder("docs") || in_folder("doc")) {
        return true;
    }
    // `test.py` and `test_net.py` are drivers of academic code, unless they are unit tests.
    let is_test = name.starts_with("test") || name.ends_with("_test.py") || in_folder("tests");
    let frameworks = ["unittest", "pytest", "doctest", "absltest", "nose", "tf.test.main"];
    is_test && spells(text, &frameworks)
}

/// Whether no file can import it by its name: `01_train.py` and `DanQ-test.py` can only be started.
fn is_no_module(source: &SourceFile) -> bool {
    let stem = source.stem();
    let is_name = !stem.starts_with(|c: char| c.is_ascii_digit())
        && stem.chars().all(|c| c.is_alphanumeric() || c == '_');
    // what is read, shown or brought along there is not started
    let aside = source.folder().split('/').any(|part| {
        matches!(
            part,
            "doc" | "docs" | "config" | "configs" | "conf" | "third_party" | "external" | "vendor"
        )
    });
    !is_name && !aside
}

/// Whether it lies in a folder of the tree's code that is no package: `code/train.py`.
fn is_in_sources(source: &SourceFile, tree: &Tree) -> bool {
    SOURCES.contains(&source.folder()) && tree.packages_above(source.folder()).is_empty()
}

/// Where scripts without a guard are to be expected.
fn is_place_of_scripts(path: &str) -> bool {
    let Some((folder, _)) = path.rsplit_once('/') else { return true };
    folder.split('/').any(|part| {
        matches!(
            part,
            "scripts"
                | "script"
                | "examples"
                | "example"
                | "tools"
                | "tool"
                | "bin"
                | "demo"
                | "demos"
                | "experiments"
                | "tutorials"
        )
    })
}
