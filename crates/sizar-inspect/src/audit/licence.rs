//! The licence, recognised by the sentences that only it has.

use std::sync::LazyLock;

use regex::Regex;
use sizar_model::inspection::Licence;

use crate::tree::{Tree, TreeFile};

/// The most bytes of a licence or README that are read.
const MAX_TEXT: u64 = 512 << 10;

/// Packaging files that may name the licence.
const PACKAGING: &[&str] = &["pyproject.toml", "setup.cfg", "setup.py", "PKG-INFO"];

/// Finds the licence: a file of that name at the root, else what the packaging or the README says.
pub fn of_tree(tree: &Tree) -> Option<Licence> {
    let mut files: Vec<&TreeFile> = tree.files().iter().filter(|file| is_licence(file)).collect();
    // the shortest path is the licence of the whole; others are those of parts
    files.sort_by_key(|file| (file.path.matches('/').count(), file.path.len(), &file.path));
    let first = files.first().filter(|file| !file.path.contains('/'));
    if let Some(file) = first {
        let same_folder = files.iter().filter(|file| !file.path.contains('/'));
        let named = same_folder.copied().find_map(|file| {
            let spdx = recognise(&text_of(tree, file)?)?;
            Some(Licence { spdx: Some(spdx), path: file.path.clone() })
        });
        return named.or_else(|| Some(Licence { spdx: None, path: file.path.clone() }));
    }
    let root = || tree.files().iter().filter(|file| !file.path.contains('/'));
    let packaging = root().filter(|file| PACKAGING.contains(&file.name()));
    let said = packaging.map(|file| (file, in_packaging as fn(&str) -> Option<&'static str>));
    let told = root().filter(|file| is_readme(file)).map(|file| (file, in_readme as fn(&str) -> _));
    said.chain(told).find_map(|(file, read)| {
        let spdx = read(&text_of(tree, file)?)?;
        Some(Licence { spdx: Some(spdx.to_owned()), path: file.path.clone() })
    })
}

fn text_of(tree: &Tree, file: &TreeFile) -> Option<String> {
    tree.read(file, MAX_TEXT).map(crate::python::into_text)
}

fn is_licence(file: &TreeFile) -> bool {
    let name = file.name().to_ascii_lowercase();
    let stem = name.split(['.', '-', '_']).next().unwrap_or(&name);
    let code = matches!(file.extension().as_str(), "py" | "cpp" | "c" | "h" | "js" | "sh");
    !code && matches!(stem, "license" | "licence" | "copying" | "unlicense" | "unlicence")
}

/// Returns whether a file is a README.
pub fn is_readme(file: &TreeFile) -> bool {
    let name = file.name().to_ascii_lowercase();
    let stem = name.split('.').next().unwrap_or(&name);
    stem == "readme"
        && matches!(file.extension().as_str(), "" | "md" | "rst" | "txt" | "markdown" | "org")
}

/// Returns the SPDX expression of a licence's text.
pub fn recognise(text: &str) -> Option<String> {
    let flat = flattened(text);
    let first = own_licence(&flat)?;
    // code under one licence, models or data under another
    let other = flat.find("creative commons attribution").filter(|_| !first.starts_with("CC"));
    let other = other.and_then(|at| creative_commons(&flat[at..]));
    Some(other.map_or_else(|| first.to_owned(), |other| format!("{first} AND {other}")))
}

/// Returns the words in lower case, with one space between them.
fn flattened(text: &str) -> String {
    let mut flat = String::with_capacity(text.len().min(40_000));
    // quotation marks and line ends differ from copy to copy; the words do not
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '.' && c != '-').take(6_000) {
        let word = word.trim_end_matches('.');
        if !word.is_empty() {
            flat.extend(word.chars().flat_map(char::to_lowercase));
            flat.push(' ');
        }
    }
    flat
}

fn own_licence(flat: &str) -> Option<&'static str> {
    let has = |sentence: &str| flat.contains(sentence);
    let begins = &flat[..flat.floor_char_boundary(600)];
    let heading = |name: &str| begins.contains(name);
    let marks = ["creative commons", "attribution-", "cc by", "cc-by", "cc0"];
    let bsd = has("redistribution and use in source and binary forms");
    if marks.iter().any(|mark| heading(mark))
        && !bsd
        && let Some(spdx) = creative_commons(flat)
    {
        return Some(spdx);
    }
    if heading("gnu affero general public license") {
        return Some("AGPL-3.0");
    }
    if heading("gnu lesser general public license") || heading("gnu library general public license")
    {
        return Some(if heading("version 2.1") {
            "LGPL-2.1"
        } else if heading("version 2 ") {
            "LGPL-2.0"
        } else {
            "LGPL-3.0"
        });
    }
    if heading("gnu general public license") {
        return Some(if heading("version 2") { "GPL-2.0" } else { "GPL-3.0" });
    }
    if heading("mozilla public license") {
        return Some("MPL-2.0");
    }
    if heading("apache license") || has("licensed under the apache license version 2.0") {
        return Some("Apache-2.0");
    }
    if has("this is free and unencumbered software released into the public domain") {
        return Some("Unlicense");
    }
    if has("boost software license - version 1.0") {
        return Some("BSL-1.0");
    }
    if bsd {
        let third = has("neither the name")
            || has("may not be used to endorse")
            || has("names of its contributors may");
        let fourth = has("all advertising materials mentioning features");
        return Some(if fourth {
            "BSD-4-Clause"
        } else if third {
            "BSD-3-Clause"
        } else {
            "BSD-2-Clause"
        });
    }
    if has(
        "permission is hereby granted free of charge to any person obtaining a copy of this software",
    ) {
        // without the condition of keeping the notice it is MIT-0
        return Some(if has("shall be included in all copies") { "MIT" } else { "MIT-0" });
    }
    if has("permission to use copy modify and or distribute this software for any purpose") {
        return Some("ISC");
    }
    if heading("european union public licence") {
        return Some("EUPL-1.2");
    }
    if heading("cecill") {
        return Some("CECILL-2.1");
    }
    None
}

fn creative_commons(flat: &str) -> Option<&'static str> {
    let begins = &flat[..flat.floor_char_boundary(1_500)];
    let has = |words: &[&str]| words.iter().any(|word| begins.contains(word));
    if has(&["cc0 1.0", "cc0", "public domain dedication"]) {
        return Some("CC0-1.0");
    }
    let noncommercial = has(&["noncommercial", "non-commercial", "by-nc"]);
    let alike = has(&["sharealike", "share alike", "share-alike", "-sa "]);
    let none = has(&["noderivatives", "noderivs", "-nd "]);
    let old = has(&["3.0"]) && !has(&["4.0"]);
    Some(match (noncommercial, alike, none) {
        (true, true, _) if old => "CC-BY-NC-SA-3.0",
        (true, true, _) => "CC-BY-NC-SA-4.0",
        (true, _, true) => "CC-BY-NC-ND-4.0",
        (true, _, _) => "CC-BY-NC-4.0",
        (_, true, _) => "CC-BY-SA-4.0",
        (_, _, true) => "CC-BY-ND-4.0",
        _ if has(&["attribution", "cc by", "cc-by", "licenses by"]) => "CC-BY-4.0",
        _ => return None,
    })
}

/// Returns the licence that a packaging file names, in its field or among its classifiers.
fn in_packaging(text: &str) -> Option<&'static str> {
    static FIELD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r#"(?im)(?:License :: (?:OSI Approved :: )?|^[ \t]*license(?:-expression)?[ ]*[=:][ ]*(?:\{[ ]*text[ ]*=[ ]*)?["']?)([^"'\n,}]{2,80})"#,
        )
        .expect("the pattern is valid")
    });
    FIELD.captures_iter(text).find_map(|found| by_name(found.get(1)?.as_str()))
}

/// Returns the licence that a README names: "licensed under the MIT license".
pub fn in_readme(text: &str) -> Option<&'static str> {
    static SENTENCE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?i)(?:licen[sc]ed under|released under|distributed under|licen[sc]e:|#+ *licen[sc]e[ \r]*\n+|licen[sc]e[ \r]*\n[-=~]+\n+)([^\n]{3,160})",
        )
        .expect("the pattern is valid")
    });
    SENTENCE.captures_iter(text).find_map(|found| by_name(found.get(1)?.as_str()))
}

/// Returns the SPDX identifier of a licence's usual name.
pub fn by_name(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase().replace([' ', '_'], "-");
    let has = |word: &str| lower.contains(word);
    let word = |word: &str| lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|it| it == word);
    if has("cc-by") || has("creative-commons") || has("cc0") {
        return creative_commons(&lower.replace("cc-by-nc-sa", "cc-by noncommercial sharealike "));
    }
    if has("affero") || has("agpl") {
        return Some("AGPL-3.0");
    }
    if has("lesser") || has("lgpl") {
        return Some("LGPL-3.0");
    }
    if has("gpl") || has("gnu-general") {
        return Some(if has("2") && !has("3") { "GPL-2.0" } else { "GPL-3.0" });
    }
    if has("apache") {
        return Some("Apache-2.0");
    }
    if has("mozilla") || word("mpl") {
        return Some("MPL-2.0");
    }
    if has("bsd") {
        return Some(if has("2-clause") || has("simplified") {
            "BSD-2-Clause"
        } else {
            "BSD-3-Clause"
        });
    }
    if word("mit") {
        return Some("MIT");
    }
    has("unlicense").then_some("Unlicense")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_known_by_their_sentences() {
        for (text, spdx) in [
            (
                "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software and … shall be included in all\ncopies",
                "MIT",
            ),
            ("   Apache License\n  Version 2.0, January 2004", "Apache-2.0"),
            ("GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007", "GPL-3.0"),
            ("GNU GENERAL PUBLIC LICENSE\n  Version 2, June 1991", "GPL-2.0"),
            ("GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1, February 1999", "LGPL-2.1"),
            ("GNU AFFERO GENERAL PUBLIC LICENSE\n Version 3", "AGPL-3.0"),
            ("Mozilla Public License Version 2.0", "MPL-2.0"),
            (
                "Redistribution and use in source and binary forms, with or without … Neither the name of",
                "BSD-3-Clause",
            ),
            (
                "Redistribution and use in source and binary forms, with or without modification",
                "BSD-2-Clause",
            ),
            (
                "Attribution-NonCommercial 4.0 International\n Creative Commons Corporation",
                "CC-BY-NC-4.0",
            ),
            ("Attribution-NonCommercial-ShareAlike 4.0 International", "CC-BY-NC-SA-4.0"),
            (
                "Redistribution and use in source and binary forms … models: Creative Commons Attribution-NonCommercial-ShareAlike 4.0",
                "BSD-2-Clause AND CC-BY-NC-SA-4.0",
            ),
            ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
            (
                "This is free and unencumbered software released into the public domain.",
                "Unlicense",
            ),
        ] {
            assert_eq!(recognise(text).as_deref(), Some(spdx), "{text}");
        }
        assert_eq!(recognise("You may use this for research only."), None);
        assert_eq!(recognise(""), None);
    }

    #[test]
    fn packaging_may_name_the_licence() {
        for (text, spdx) in [
            ("setup(\n    name='x',\n    license='MIT',\n)", Some("MIT")),
            ("    'License :: OSI Approved :: Apache Software License',", Some("Apache-2.0")),
            ("license = {text = \"BSD-3-Clause\"}", Some("BSD-3-Clause")),
            ("License: GPLv3\n", Some("GPL-3.0")),
            ("license_files = LICENSE", None),
        ] {
            assert_eq!(in_packaging(text), spdx, "{text}");
        }
    }

    #[test]
    fn a_readme_may_name_the_licence() {
        for (text, spdx) in [
            ("This code is licensed under the MIT License.", Some("MIT")),
            ("## License\n\nBSD 2-clause", Some("BSD-2-Clause")),
            ("License\n-------\nGPL v3", Some("GPL-3.0")),
            ("Released under Apache 2.0.", Some("Apache-2.0")),
            ("It is CC-BY-NC-SA licensed: released under CC-BY-NC-SA 4.0", Some("CC-BY-NC-SA-4.0")),
            ("We permit nothing.", None),
            ("License: see the template", None),
            ("licensed under terms that emit light", None),
        ] {
            assert_eq!(in_readme(text), spdx, "{text}");
        }
    }
}
