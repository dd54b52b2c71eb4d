//! Prints what the packaging files of a folder say: `cargo run --example packaging -- FOLDER`.

use sizar_inspect::packaging::read_tree;

#[expect(clippy::print_stdout, reason = "it is what the example is for")]
fn main() {
    for root in std::env::args().skip(1) {
        let mut files = Vec::new();
        for entry in ignore::WalkBuilder::new(&root).standard_filters(false).build().flatten() {
            let Ok(path) = entry.path().strip_prefix(&root) else { continue };
            if entry.file_type().is_some_and(|kind| kind.is_file()) && !path.starts_with(".git") {
                files.push(path.to_string_lossy().into_owned());
            }
        }
        let told = read_tree(&files, &|path| fs_err::read(format!("{root}/{path}")).ok());
        println!("== {root}");
        for file in &told.files {
            println!(
                "{} ({}) {} {} {} {}",
                file.path,
                file.kind,
                file.name.as_deref().unwrap_or_default(),
                file.version.as_deref().unwrap_or_default(),
                file.build_backend.as_deref().unwrap_or_default(),
                if file.compiles { "compiles" } else { "" }
            );
            for why in &file.unreadable {
                println!("    ! {why}");
            }
        }
        for d in &told.declared {
            let asked = d.requirement.as_deref().unwrap_or("-");
            println!("  {}:{} [{}] {} -> {asked}", d.path, d.line, d.scope, d.raw);
            for note in d.repaired.iter().chain(&d.unreadable) {
                println!("        {note}");
            }
        }
        for script in &told.scripts {
            println!("  script {} {:?}", script.name, script.target);
        }
        let python = told.python.requires.iter().map(|seen| ("requires python", seen));
        let python = python.chain(told.python.named.iter().map(|seen| ("names python", seen)));
        let other = told.platform.iter().chain(&told.system_packages).chain(&told.indexes);
        for (what, seen) in python.chain(other.map(|seen| ("", seen))) {
            println!("  {what} {} {} ({}:{})", seen.kind, seen.text, seen.path, seen.line);
        }
        println!(
            "  packages {:?} in {:?}, modules {:?}",
            told.packages, told.package_dirs, told.py_modules
        );
    }
}
