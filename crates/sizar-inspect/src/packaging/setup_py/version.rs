//! Versions that are kept in the code.

use crate::packaging::text::{group, pattern};
use crate::packaging::tree::{Tree, neighbour};

/// Looks for `__version__ = '…'` where packages keep it.
pub(in crate::packaging) fn version_in_code(
    name: &str,
    path: &str,
    tree: &dyn Tree,
) -> Option<String> {
    let module = name.replace('-', "_");
    let lower = module.to_lowercase();
    let mut folders = Vec::new();
    for module in [&module, &lower] {
        for above in ["", "src/", "lib/", "python/"] {
            folders.push(format!("{above}{module}"));
        }
    }
    for folder in &folders {
        for file in [
            "__init__.py",
            "_version.py",
            "version.py",
            "__version__.py",
            "__about__.py",
            "about.py",
            "_about.py",
        ] {
            if let Some(found) = in_file(&format!("{folder}/{file}"), path, tree) {
                return Some(found);
            }
        }
        if let Some(found) = in_file(&format!("{folder}.py"), path, tree) {
            return Some(found);
        }
    }
    None
}

/// Looks into the files that the text of a `setup.py` names.
pub(super) fn version_named_in(text: &str, path: &str, tree: &dyn Tree) -> Option<String> {
    pattern!(NAMED, r#"['"]([\w./-]+\.py|[\w./-]*(?:VERSION|version)(?:\.txt)?)['"]"#, needs [".py", "version"]);
    pattern!(JOINED, r#"['"]([\w.-]+)['"]\s*[,/]\s*['"]([\w.-]+\.py)['"]"#, needs[".py"]);
    let joined = JOINED
        .captures_iter(text)
        .map(|found| format!("{}/{}", group(&found, 1), group(&found, 2)));
    let named = NAMED.captures_iter(text).map(|found| group(&found, 1).to_owned());
    joined
        .chain(named)
        .filter(|file| file != "setup.py")
        .find_map(|file| in_file(&file, path, tree))
}

fn in_file(file: &str, from: &str, tree: &dyn Tree) -> Option<String> {
    pattern!(
        VERSION,
        r#"(?m)^\s*(?:__version__|VERSION|version|__VERSION__)\s*(?::\s*\w+\s*)?=\s*['"]([^'"\n]{1,40})['"]"#,
        needs["version"]
    );
    pattern!(BARE, r"^\s*v?(\d[\w.+-]*)\s*$");
    let file = neighbour(from, file)?;
    if !tree.is_file(&file) {
        return None;
    }
    let text = tree.read(&file)?;
    let found = VERSION.captures(&text).or_else(|| BARE.captures(&text))?;
    Some(group(&found, 1).to_owned())
        .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}
