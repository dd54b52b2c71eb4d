//! A conda package of a real interpreter.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::CondaRecipe;

/// Folders of a standard library that no test needs.
const ASIDE: [&str; 6] = ["site-packages", "test", "tests", "__pycache__", "idlelib", "tkinter"];

/// Makes a package of the interpreter at `prefix` and its standard library.
///
/// It must be one that can be taken elsewhere, which the system's own cannot.
pub fn packed_python(prefix: &Utf8Path, version: &str) -> CondaRecipe {
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    let name = format!("python{minor}");
    let mut program = read(&prefix.join("bin").join(&name));
    find_library_beside(&mut program, prefix);
    let mut recipe = CondaRecipe::new("python", version)
        .built_at(1_500_000_000)
        .program(&format!("bin/{name}"), program)
        .link("bin/python3", &name)
        .link("bin/python", &name);
    for (file, _) in entries(&prefix.join("lib")) {
        if file.starts_with("libpython") && file.contains(".so") {
            let bytes = read(&prefix.join("lib").join(&file));
            recipe = recipe.program(&format!("lib/{file}"), bytes);
        }
    }
    let mut folders = vec![Utf8PathBuf::from(format!("lib/{name}"))];
    while let Some(folder) = folders.pop() {
        for (file, is_folder) in entries(&prefix.join(&folder)) {
            let path = folder.join(&file);
            if ASIDE.contains(&file.as_str()) || file.starts_with("config-") {
                continue;
            }
            if is_folder {
                folders.push(path);
                continue;
            }
            let bytes = read(&prefix.join(&path));
            let speaks = file.ends_with(".py")
                && std::str::from_utf8(&bytes).is_ok_and(|text| text.contains(prefix.as_str()));
            recipe = recipe.file(path.as_str(), bytes);
            if speaks {
                recipe = recipe.placeholder(path.as_str(), prefix.as_str(), "text");
            }
        }
    }
    recipe
}

fn read(path: &Utf8Path) -> Vec<u8> {
    fs::read(path).expect("a file of the interpreter")
}

/// Returns the names in a folder, and which are folders.
fn entries(folder: &Utf8Path) -> Vec<(String, bool)> {
    fs::read_dir(folder)
        .expect("a folder of the interpreter")
        .map(|entry| {
            let entry = entry.expect("an entry of the folder");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            (name, entry.file_type().expect("a kind of file").is_dir())
        })
        .collect()
}

/// Has a program look for its library beside itself, as conda-build has all programs do.
fn find_library_beside(program: &mut [u8], prefix: &Utf8Path) {
    let (fixed, beside) = (format!("{prefix}/lib\0"), b"$ORIGIN/../lib");
    let found = program.windows(fixed.len()).position(|part| part == fixed.as_bytes());
    // one without a shared library looks for none
    let Some(place) = found.and_then(|at| program.get_mut(at..at + fixed.len())) else { return };
    place.fill(0);
    for (byte, new) in place.iter_mut().zip(beside) {
        *byte = *new;
    }
}
