//! Drivers, imports and closures of small repositories in the idioms of academic code.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sizar_inspect::python::versions::{Scope, verdict};
use sizar_inspect::python::{Layout, Project, ScriptDeclaration, SourceFile, decode, find_drivers};
use sizar_model::PythonVersion;
use sizar_model::inspection::{Driver, DriverOption};

/// A repository under `fixtures/drivers`.
struct Repository {
    root: PathBuf,
    files: Vec<SourceFile>,
    layout: Layout,
}

impl Repository {
    fn open(name: &str) -> Self {
        let root =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/drivers").join(name);
        let mut paths: Vec<String> = ignore::Walk::new(&root)
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
            .filter_map(|entry| Some(entry.path().strip_prefix(&root).ok()?.to_str()?.to_owned()))
            .collect();
        paths.sort();
        let files = paths
            .iter()
            .filter(|path| Path::new(path).extension().is_some_and(|end| end == "py"))
            .map(|path| {
                let bytes = fs_err::read(root.join(path)).expect("the fixture is readable");
                SourceFile::parse(path.clone(), decode(&bytes))
            })
            .collect();
        Self { root, files, layout: Layout { paths, ..Layout::default() } }
    }

    fn project(&self) -> Project<'_> {
        Project::read(&self.files, &self.layout)
    }

    fn drivers(&self, scripts: &[(&str, &str)]) -> Vec<Driver> {
        let scripts: Vec<_> = scripts
            .iter()
            .map(|&(name, target)| ScriptDeclaration {
                name: name.to_owned(),
                target: target.to_owned(),
            })
            .collect();
        let read = |path: &str| fs_err::read_to_string(self.root.join(path)).ok();
        find_drivers(&self.project(), &scripts, &read)
    }
}

fn option_line(option: &DriverOption) -> String {
    let mut line = String::new();
    if let Some(subcommand) = &option.subcommand {
        write!(line, "{subcommand}: ").expect("text grows");
    }
    line += &option.flags.join(" ");
    for (name, value) in [("=", &option.default), (" : ", &option.kind), (" x", &option.nargs)] {
        if let Some(value) = value {
            write!(line, "{name}{value}").expect("text grows");
        }
    }
    if option.required {
        line += " required";
    }
    if let Some(choices) = &option.choices {
        write!(line, " of {}", choices.join("|")).expect("text grows");
    }
    if let Some(help) = &option.help {
        write!(line, " # {help}").expect("text grows");
    }
    line
}

/// One picture of all drivers.
fn picture(drivers: &[Driver]) -> String {
    let mut text = String::new();
    for driver in drivers {
        let name = driver.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        writeln!(text, "{}{name}: {}, {}", driver.path, driver.framework, driver.role)
            .expect("text grows");
        writeln!(text, "  because it {}", driver.role_reason).expect("text grows");
        if !driver.subcommands.is_empty() {
            writeln!(text, "  commands: {}", driver.subcommands.join(" ")).expect("text grows");
        }
        for option in &driver.options {
            writeln!(text, "  {}", option_line(option)).expect("text grows");
        }
        writeln!(text, "  closure: {}", driver.closure.join(" ")).expect("text grows");
    }
    text
}

macro_rules! shows_drivers {
    ($($test:ident: $repository:literal, $scripts:expr;)*) => {
        $(
            #[test]
            fn $test() {
                let scripts: &[(&str, &str)] = &$scripts;
                insta::assert_snapshot!(picture(&Repository::open($repository).drivers(scripts)));
            }
        )*
    };
}

shows_drivers! {
    argparse_in_functions_and_loops: "unet", [];
    argparse_in_classes_of_other_files: "options_classes", [];
    argparse_subcommands_and_parents: "subcommands", [("lab", "main:main")];
    optparse_and_sys_argv_of_python_2: "old_school", [];
    click_groups_across_files: "click_group",
        [("ocr", "ocr.cli:cli"), ("ocr-train", "ocr.commands.training:train")];
    typer_commands: "typer_app", [("lab", "app:app")];
    fire_class: "fire_class", [];
    absl_flags_of_imported_files: "tf_flags", [];
    hydra_configuration: "hydra_app", [];
    docopt_usage: "docopt_script", [];
    dataclasses_of_transformers: "dataclasses", [];
    sacred_experiment: "sacred_app", [];
    scripts_without_options: "first_party", [];
}

#[test]
fn options_know_their_place() {
    let drivers = Repository::open("options_classes").drivers(&[]);
    let train = drivers.iter().find(|driver| driver.path == "train.py").expect("train.py is found");
    let places: Vec<_> =
        train.options.iter().map(|option| (option.path.as_str(), option.line)).collect();
    assert_eq!(places.first(), Some(&("options/base_options.py", 13)));
    assert_eq!(places.last(), Some(&("options/train_options.py", 8)));
}

#[test]
fn imports_are_told_apart() {
    let repository = Repository::open("first_party");
    let declared = BTreeSet::from(["opencv-python".to_owned(), "pyyaml".to_owned()]);
    let imports = repository.project().imports(&declared);
    let lines: Vec<String> = imports
        .iter()
        .map(|import| {
            format!(
                "{} {}{}{}{} {}",
                import.module,
                import.distribution.as_deref().unwrap_or("?"),
                if import.declared { " declared" } else { "" },
                if import.optional { " optional" } else { "" },
                if import.conditional { " conditional" } else { "" },
                import.files.join(" "),
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_closure_separates_what_it_needs() {
    let repository = Repository::open("first_party");
    let closure = repository.project().closure_of("tools/evaluate.py").expect("the file is there");
    assert_eq!(
        closure.files,
        [
            "datasets/__init__.py",
            "datasets/pages.py",
            "ext/voc.py",
            "lib/geometry.py",
            "lib/shapes.py",
            "src/mylab/__init__.py",
            "src/mylab/net.py",
            "tools/_init_paths.py",
            "tools/evaluate.py",
        ]
    );
    let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        names(&closure.required_modules),
        "cv2 einops google.protobuf numpy strangers_module torch tqdm yaml"
    );
    assert_eq!(names(&closure.deferred_modules), "matplotlib");
    assert_eq!(names(&closure.optional_modules), "apex pandas unirest");
}

#[test]
fn a_tree_of_python_2_is_seen_as_such() {
    let repository = Repository::open("old_school");
    let project = repository.project();
    let evidence = verdict(&project.versions, Scope::Tree);
    assert_eq!(evidence.at_most, Some(PythonVersion::minor(2, 7)));
    let run = project.versions.iter().find(|file| file.path == "run.py").expect("it is read");
    let seen: BTreeSet<&str> =
        run.sightings.iter().map(|sighting| sighting.text.as_str()).collect();
    for expected in [
        "`print` statement",
        "`print >> file`",
        "`except A, e`",
        "`raise E, value`",
        "`0755`",
        "`<>`",
        "`exec` statement",
        "import cPickle",
        ".iteritems()",
    ] {
        assert!(seen.contains(expected), "{expected} is not in {seen:?}");
    }
}
