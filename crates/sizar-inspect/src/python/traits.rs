//! What of one file decides in which environment it works.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::versions::FileVersions;
use super::{FileFacts, SourceFile};

/// Returns a text that two versions of a file share where they ask the same of an environment: the
/// same imports in the same places, the same syntax, the same places where modules are looked for.
pub fn traits(path: &str, text: String) -> String {
    let file = SourceFile::parse(path, text);
    let facts = FileFacts::read(&file);
    let imports: BTreeSet<String> = facts
        .imports
        .iter()
        .map(|import| {
            format!(
                "{} {} {:?} {} {} {}",
                import.level,
                import.module,
                import.names,
                import.optional,
                import.conditional,
                import.in_main
            )
        })
        .collect();
    let versions = FileVersions::read(&file, &facts);
    let mut traits = String::new();
    // writing to a text cannot fail
    let _ = writeln!(
        traits,
        "{imports:?} {:?} {:?} {:?} {} {:?} {} {}",
        versions.at_least,
        versions.at_most,
        versions.soft_at_most,
        file.module.is_valid(),
        facts.path_additions,
        facts.main_guard.is_some(),
        facts.works_at_top_level,
    );
    traits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_counts_where_it_asks_for_something_else() {
        let of = |text: &str| traits("a.py", text.to_owned());
        let before = of("import numpy\n\nx = 1\n");
        assert_eq!(before, of("# a comment\nimport numpy\n\ny = [2, 3]\n"));
        for other in [
            "import numpy, scipy\nx = 1\n",
            "try:\n    import numpy\nexcept ImportError:\n    pass\n",
            "import numpy\nx = f'{1}'\n",
            "import numpy\nx = (1\n",
            "import numpy\nprint(1)\n",
        ] {
            assert_ne!(before, of(other), "{other}");
        }
    }
}
