//! `pyproject.toml`: PEP 518, 621 and 735, Poetry, Flit, PDM, Hatch, uv, pixi, setuptools.

use super::kind::Kind;
use super::outline::{self, Outline, Shape};
use super::read::Read;
use super::{conda, pipfile, poetry, setup_cfg};

/// Reads a `pyproject.toml`.
pub(super) fn read(path: &str, text: &str) -> Read {
    let mut read = Read::new(path, Kind::Pyproject);
    let (file, errors) = outline::toml(text);
    for error in errors {
        read.cannot_read(error);
    }
    build_system(&mut read, &file);
    if let Some(project) = file.get("project") {
        standard(&mut read, project);
    }
    for (group, items) in entries(file.get("dependency-groups")) {
        // a group may include another one by a table: that one is listed by itself
        strings(&mut read, Some(items), &scope_of_group(group));
    }
    if let Some(tool) = file.get("tool") {
        tools(&mut read, tool);
    }
    read
}

fn entries(table: Option<&Outline>) -> &[(String, Outline)] {
    table.map(Outline::entries).unwrap_or_default()
}

fn strings(read: &mut Read, list: Option<&Outline>, scope: &str) {
    for item in list.map(Outline::items).unwrap_or_default() {
        if let Some(asked) = item.text() {
            read.require(asked, item.line, scope);
        }
    }
}

fn build_system(read: &mut Read, file: &Outline) {
    const COMPILING: &[&str] = &[
        "maturin",
        "scikit_build_core",
        "mesonpy",
        "setuptools_rust",
        "sipbuild",
        "py_build_cmake",
    ];
    let Some(build) = file.get("build-system") else { return };
    strings(read, build.get("requires"), "build");
    read.file.build_backend = build.text_at("build-backend").map(str::to_owned);
    let backend = read.file.build_backend.as_deref().unwrap_or_default();
    read.file.compiles = COMPILING.iter().any(|compiling| backend.starts_with(compiling));
}

fn standard(read: &mut Read, project: &Outline) {
    read.file.name = project.text_at("name").map(str::to_owned);
    read.file.version = project.text_at("version").map(str::to_owned);
    if let Some(python) = project.get("requires-python") {
        requires_python(read, python);
    }
    strings(read, project.get("dependencies"), "install");
    for (extra, list) in entries(project.get("optional-dependencies")) {
        strings(read, Some(list), &format!("extra:{extra}"));
    }
    let urls = entries(project.get("urls")).iter().filter_map(|(_, url)| url.text());
    read.addresses.extend(urls.map(str::to_owned));
    for table in ["scripts", "gui-scripts"] {
        scripts(read, project.get(table));
    }
    for (_, group) in project
        .at(&["entry-points"])
        .map(Outline::entries)
        .unwrap_or_default()
        .iter()
        .filter(|(name, _)| name == "console_scripts")
    {
        scripts(read, Some(group));
    }
    classifiers(read, project.get("classifiers"));
}

fn requires_python(read: &mut Read, python: &Outline) {
    let written = python.text().unwrap_or_default();
    match poetry::specifiers(written) {
        Some(specifiers) if !specifiers.is_empty() => {
            read.python_requires(&specifiers, python.line);
            read.file.requires_python = Some(specifiers);
        }
        Some(_) => {}
        None => read.cannot_read(format!("line {}: the Python version `{written}`", python.line)),
    }
}

fn classifiers(read: &mut Read, list: Option<&Outline>) {
    for item in list.map(Outline::items).unwrap_or_default() {
        if let Some(version) = item.text().and_then(setup_cfg::python_of_classifier) {
            read.python_named(version, item.line);
        }
    }
}

fn scripts(read: &mut Read, table: Option<&Outline>) {
    for (name, target) in entries(table) {
        // Poetry also has `{ reference = "bin/x", type = "file" }` and `{ callable = "a:b" }`
        if target.text_at("type") == Some("file") {
            read.script_file(target.text_at("reference").unwrap_or_default(), target.line);
        } else if let Some(function) = target
            .text()
            .or_else(|| target.text_at("callable"))
            .or_else(|| target.text_at("reference"))
        {
            read.entry_point(name, function, target.line);
        }
    }
}

/// Groups of developers are no part of what the code needs; others may be.
fn scope_of_group(group: &str) -> String {
    match group {
        "test" | "tests" | "testing" => "test".to_owned(),
        "dev" | "develop" | "development" | "lint" | "docs" | "doc" | "typing" | "main-dev"
        | "ci" => "dev".to_owned(),
        other => format!("extra:{other}"),
    }
}

fn tools(read: &mut Read, tool: &Outline) {
    if let Some(table) = tool.get("poetry") {
        from_poetry(read, table);
    }
    if let Some(table) = tool.get("flit") {
        from_flit(read, table);
    }
    for (group, list) in entries(tool.at(&["pdm", "dev-dependencies"])) {
        let scope = scope_of_group(group);
        strings(read, Some(list), if scope == "test" { "test" } else { "dev" });
    }
    for (name, environment) in entries(tool.at(&["hatch", "envs"])) {
        let scope = if name == "default" { "dev".to_owned() } else { scope_of_group(name) };
        strings(read, environment.get("dependencies"), &scope);
        strings(read, environment.get("extra-dependencies"), &scope);
    }
    strings(read, tool.at(&["uv", "dev-dependencies"]), "dev");
    for index in tool.at(&["uv", "index"]).map(Outline::items).unwrap_or_default() {
        pipfile::index(read, index);
    }
    if let Some(table) = tool.get("pixi") {
        from_pixi(read, table);
    }
    if let Some(table) = tool.get("setuptools") {
        from_setuptools(read, table);
    }
}

fn from_poetry(read: &mut Read, table: &Outline) {
    if read.file.name.is_none() {
        read.file.name = table.text_at("name").map(str::to_owned);
        read.file.version = table.text_at("version").map(str::to_owned);
    }
    for key in ["homepage", "repository"] {
        read.addresses.extend(table.text_at(key).map(str::to_owned));
    }
    let main = table.get("dependencies");
    for (name, asked) in entries(main) {
        if name == "python" {
            requires_python(read, asked);
        } else {
            poetry::dependency(read, name, asked, "install");
        }
    }
    for (name, asked) in entries(table.get("dev-dependencies")) {
        poetry::dependency(read, name, asked, "dev");
    }
    for (group, content) in entries(table.get("group")) {
        for (name, asked) in entries(content.get("dependencies")) {
            poetry::dependency(read, name, asked, &scope_of_group(group));
        }
    }
    // an extra lists names whose versions are among the dependencies
    for (extra, names) in entries(table.get("extras")) {
        for name in names.items() {
            let Some(written) = name.text() else { continue };
            match main.and_then(|main| main.get(written)) {
                Some(asked) => {
                    let mut asked = asked.clone();
                    if let Shape::Table(entries) = &mut asked.shape {
                        entries.retain(|(key, _)| key != "optional");
                    }
                    poetry::dependency(read, written, &asked, &format!("extra:{extra}"));
                }
                None => read.require(written, name.line, &format!("extra:{extra}")),
            }
        }
    }
    scripts(read, table.get("scripts"));
    classifiers(read, table.get("classifiers"));
    for source in table.get("source").map(Outline::items).unwrap_or_default() {
        pipfile::index(read, source);
    }
    for package in table.get("packages").map(Outline::items).unwrap_or_default() {
        read.packages.extend(package.text_at("include").map(str::to_owned));
        if let Some(from) = package.text_at("from") {
            read.package_dirs.push((String::new(), from.to_owned()));
        }
    }
    if let Some(build) = table.get("build")
        && build.text_at("script").or(build.text()).is_some()
    {
        read.file.compiles = true;
    }
}

fn from_flit(read: &mut Read, table: &Outline) {
    if let Some(metadata) = table.get("metadata") {
        let module = metadata.text_at("module");
        if read.file.name.is_none() {
            read.file.name = metadata.text_at("dist-name").or(module).map(str::to_owned);
        }
        read.packages.extend(module.map(str::to_owned));
        strings(read, metadata.get("requires"), "install");
        strings(read, metadata.get("dev-requires"), "dev");
        if let Some(python) = metadata.get("requires-python") {
            requires_python(read, python);
        }
        for (extra, list) in entries(metadata.get("requires-extra")) {
            strings(read, Some(list), &format!("extra:{extra}"));
        }
        classifiers(read, metadata.get("classifiers"));
    }
    read.packages.extend(table.at(&["module", "name"]).and_then(Outline::text).map(str::to_owned));
    scripts(read, table.get("scripts"));
}

fn from_pixi(read: &mut Read, table: &Outline) {
    for (name, asked) in entries(table.get("dependencies")) {
        let version = asked.text().or_else(|| asked.text_at("version")).unwrap_or("*");
        let spec = if version == "*" { name.clone() } else { format!("{name} {version}") };
        conda::require(read, &spec, asked.line, "conda");
    }
    for (name, asked) in entries(table.get("pypi-dependencies")) {
        poetry::dependency(read, name, asked, "conda");
    }
}

fn from_setuptools(read: &mut Read, table: &Outline) {
    for key in ["packages", "py-modules"] {
        let names: Vec<String> = table
            .get(key)
            .map(Outline::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Outline::text)
            .map(str::to_owned)
            .collect();
        if key == "packages" { read.packages.extend(names) } else { read.py_modules.extend(names) }
    }
    if let Some(find) = table.at(&["packages", "find"]) {
        let folders: Vec<&str> = find
            .get("where")
            .map(Outline::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Outline::text)
            .collect();
        if folders.is_empty() {
            read.packages.push("find:".to_owned());
        }
        for folder in folders {
            read.packages.push(format!("find:{}", if folder == "." { "" } else { folder }));
        }
    }
    for (package, folder) in entries(table.get("package-dir")) {
        read.package_dirs.push((package.clone(), folder.text().unwrap_or_default().to_owned()));
    }
    for file in table.get("script-files").map(Outline::items).unwrap_or_default() {
        read.script_file(file.text().unwrap_or_default(), file.line);
    }
    if table.get("ext-modules").is_some() {
        read.file.compiles = true;
    }
    dynamic(read, table.at(&["dynamic", "dependencies"]), "install");
    for (extra, from) in entries(table.at(&["dynamic", "optional-dependencies"])) {
        dynamic(read, Some(from), &format!("extra:{extra}"));
    }
}

/// `dependencies = { file = ["requirements.txt"] }`
fn dynamic(read: &mut Read, from: Option<&Outline>, scope: &str) {
    let Some(file) = from.and_then(|from| from.get("file")) else { return };
    let names: Vec<&str> =
        file.text().into_iter().chain(file.items().iter().filter_map(Outline::text)).collect();
    for name in names {
        read.refer(name, Kind::RequirementsTxt, scope, file.line, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let read = read("pyproject.toml", text);
        let mut lines: Vec<(u32, String)> = Vec::new();
        for d in &read.declared {
            let asked =
                d.requirement.clone().unwrap_or_else(|| format!("({}) {:?}", d.name, d.unreadable));
            lines.push((d.line, format!("{}: {asked}", d.scope)));
        }
        lines.extend(
            read.scripts.iter().map(|s| (s.line, format!("script {} {:?}", s.name, s.target))),
        );
        lines.extend(
            read.python.requires.iter().map(|s| (s.line, format!("requires python {}", s.text))),
        );
        lines
            .extend(read.python.named.iter().map(|s| (s.line, format!("named python {}", s.text))));
        lines.extend(read.references.iter().map(|r| (r.line, format!("reads {}", r.path))));
        lines.sort_by_key(|(line, _)| *line);
        let mut told: Vec<String> =
            lines.into_iter().map(|(line, told)| format!("{line} {told}")).collect();
        told.push(format!(
            "{:?} {:?} {:?} {:?}",
            read.file.name, read.file.version, read.packages, read.file.unreadable
        ));
        told.join("\n")
    }

    #[test]
    fn the_standard_tables() {
        insta::assert_snapshot!(told(r#"[build-system]
requires = ["setuptools>=61", "cython"]
build-backend = "setuptools.build_meta"
[project]
name = "bio-tool"
version = "0.3"
requires-python = ">=3.8"
dependencies = [
  "numpy>=1.20",
  "torch>=1.10,<2; platform_system != 'Darwin'",
]
dynamic = ["readme"]
classifiers = ["Programming Language :: Python :: 3.9"]
[project.optional-dependencies]
plot = ["matplotlib"]
[project.scripts]
bio-train = "bio_tool.train:main"
[dependency-groups]
dev = ["pytest", {include-group = "lint"}]
lint = ["ruff"]
[tool.setuptools.packages.find]
where = ["src"]
[tool.setuptools.dynamic]
optional-dependencies.gpu = { file = ["requirements-gpu.txt"] }
"#), @r#"
2 build: setuptools>=61
2 build: cython
7 requires python >=3.8
9 install: numpy>=1.20
10 install: torch>=1.10,<2 ; platform_system != 'Darwin'
13 named python 3.9
15 extra:plot: matplotlib
17 script bio-train Function { module: "bio_tool.train", function: Some("main") }
19 dev: pytest
20 dev: ruff
24 reads requirements-gpu.txt
Some("bio-tool") Some("0.3") ["find:src"] []
"#);
    }

    #[test]
    fn poetry_and_its_ranges() {
        insta::assert_snapshot!(told(r#"[tool.poetry]
name = "htr"
version = "1.2.0"
packages = [{ include = "htr", from = "src" }]
[tool.poetry.dependencies]
python = "^3.7"
numpy = "^1.19"
torch = [
  { version = "1.8.1", markers = "sys_platform == 'linux'" },
  { version = "1.8.0", python = "<3.8" },
]
clip = { git = "https://github.com/openai/CLIP.git", rev = "abc" }
wandb = { version = "*", optional = true }
local = { path = "../local" }
[tool.poetry.extras]
log = ["wandb"]
[tool.poetry.dev-dependencies]
pytest = "~6.2"
[tool.poetry.group.docs.dependencies]
sphinx = "*"
[tool.poetry.scripts]
htr = "htr.cli:main"
"#), @r#"
6 requires python >=3.7,<4.0
7 install: numpy>=1.19,<2.0
9 install: torch==1.8.1 ; sys_platform == 'linux'
10 install: torch==1.8.0 ; python_version < "3.8"
12 install: clip @ git+https://github.com/openai/CLIP.git@abc
13 extra:optional: wandb
13 extra:log: wandb
14 install: (local) Some("the folder or file `../local`")
18 dev: pytest>=6.2,<6.3
20 dev: sphinx
22 script htr Function { module: "htr.cli", function: Some("main") }
Some("htr") Some("1.2.0") ["htr"] []
"#);
    }

    #[test]
    fn flit_pdm_hatch_and_pixi() {
        insta::assert_snapshot!(told(r#"[tool.flit.metadata]
module = "kit"
requires = ["numpy"]
requires-python = ">=3.5"
[tool.flit.metadata.requires-extra]
test = ["pytest"]
[tool.flit.scripts]
kit = "kit:main"
[tool.pdm.dev-dependencies]
lint = ["flake8"]
[tool.hatch.envs.default]
dependencies = ["coverage"]
[tool.pixi.dependencies]
python = "3.10.*"
pytorch = ">=2.0"
[tool.pixi.pypi-dependencies]
einops = "*"
"#), @r#"
3 install: numpy
4 requires python >=3.5
6 extra:test: pytest
8 script kit Function { module: "kit", function: Some("main") }
10 dev: flake8
12 dev: coverage
14 named python 3.10
15 conda: torch>=2.0
17 conda: einops
Some("kit") None ["kit"] []
"#);
    }

    #[test]
    fn what_is_broken_is_said_and_the_rest_read() {
        let text = "[project]\nname = x\ndependencies = ['numpy']\n";
        let read = read("pyproject.toml", text);
        assert_eq!(read.declared[0].name, "numpy");
        assert!(read.file.unreadable[0].starts_with("line 2"));
    }
}
