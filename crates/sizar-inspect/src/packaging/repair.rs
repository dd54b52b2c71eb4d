//! Mistakes in requirement lines that have one plain meaning.

use super::requirement::is_specifiers;
use super::text::{group, pattern};

/// A way to mend a line.
pub(super) struct Repair {
    /// What was mended, as it is recorded.
    pub note: &'static str,
    /// Returns the mended line, or nothing where the mistake is another one.
    pub mend: fn(&str) -> Option<String>,
}

/// The repairs, the harmless ones first: each works on what those before it left.
pub(super) const REPAIRS: &[Repair] = &[
    Repair { note: "a list bullet is cut", mend: bullet },
    Repair { note: "quotes are cut", mend: quotes },
    Repair { note: "a stray end is cut", mend: stray_end },
    Repair { note: "the version in parentheses is read as `==`", mend: version_in_parentheses },
    Repair { note: "a remark in parentheses is cut", mend: remark_in_parentheses },
    Repair { note: "the operator is put right", mend: broken_operator },
    Repair { note: "the conda build is dropped", mend: conda_build },
    Repair { note: "`or later` is read as `>=`", mend: or_later },
    Repair { note: "`=` is read as `==`", mend: single_equals },
    Repair { note: "the version after a space is read as `==`", mend: version_after_a_space },
    Repair { note: "the version after a colon is read as `==`", mend: version_after_a_colon },
    Repair { note: "`.x` is read as `.*`", mend: letter_x },
    Repair { note: "a comma is put between the versions", mend: missing_comma },
    Repair { note: "`.*` is dropped after an ordering", mend: star_after_an_ordering },
    Repair { note: "`~=` with one number is read as a range", mend: compatible_with_one_number },
];

fn changed(old: &str, new: &str) -> Option<String> {
    (old != new).then(|| new.to_owned())
}

/// `- numpy`, `* numpy`, `• numpy`
fn bullet(line: &str) -> Option<String> {
    pattern!(BULLET, r"^(?:[-*+•·▪]|\d+[.)])\s+([A-Za-z].*)$");
    Some(group(&BULLET.captures(line)?, 1).to_owned())
}

/// `"torch>=1.0"`, `scipy=='1.2.1'`; not those of a marker.
fn quotes(line: &str) -> Option<String> {
    let (head, marker) = line.split_once(';').unwrap_or((line, ""));
    let bare: String = head.chars().filter(|c| !matches!(c, '"' | '\'' | '`')).collect();
    if bare == head {
        return None;
    }
    let marker = marker.trim_end_matches(['"', '\'', ',', '`']).trim();
    // the quote that closed the whole was at the end: markers need pairs
    let closing = match marker.matches(['"', '\'']).count() % 2 {
        1 if marker.contains('"') => "\"",
        1 => "'",
        _ => "",
    };
    let mended = if marker.is_empty() { bare } else { format!("{bare};{marker}{closing}") };
    Some(mended.trim().to_owned())
}

/// `scipy,`, `pillow==6.2.1 ;`, `numpy \`, `name==`
fn stray_end(line: &str) -> Option<String> {
    changed(line, line.trim_end_matches([',', ';', '\\', '.', '=', '<', '>', '~', ' ', ':']))
}

/// `torch (1.7.1)`, as an old `pip list` wrote it.
fn version_in_parentheses(line: &str) -> Option<String> {
    pattern!(LISTED, r"^(\S+)\s*\((?:version\s*)?v?(\d[\w.+!]*)(?:,[^)]*)?\)$");
    let found = LISTED.captures(line)?;
    Some(format!("{}=={}", group(&found, 1), group(&found, 2)))
}

/// `numpy>= 1.10 (tested)`
fn remark_in_parentheses(line: &str) -> Option<String> {
    pattern!(REMARK, r"^([A-Za-z0-9][^()]*?)\s*\(([^()]*)\)?\s*(;.*)?$");
    let found = REMARK.captures(line)?;
    (!is_specifiers(group(&found, 2)))
        .then(|| format!("{} {}", group(&found, 1), group(&found, 3)).trim().to_owned())
}

/// `=>1.0`, `> = 1.0`, `= = 1.0`, `=<2`
fn broken_operator(line: &str) -> Option<String> {
    pattern!(APART, r"([<>=~!])\s+=");
    pattern!(TURNED, r"=([<>])");
    let (head, marker) = line.split_once(';').unwrap_or((line, ""));
    let joined = APART.replace_all(head, "$1=");
    let turned = TURNED.replace_all(&joined, "$1=").replace("===", "==");
    let mended = if marker.is_empty() { turned } else { format!("{turned};{marker}") };
    changed(line, &mended)
}

/// `numpy=1.16.2=py37h7e9f1db_0`, `numpy==1.13.3=py36_0`, `numpy 1.16.2 py37_0 defaults`
fn conda_build(line: &str) -> Option<String> {
    pattern!(BUILD, r"^([A-Za-z0-9_][\w.-]*)={1,2}(\d[\w.!]*)=+[\w.*']+$");
    pattern!(TABLE, r"^([A-Za-z0-9_][\w.-]*)\s+(\d[\w.!]*)\s+[\w.<>-]+(?:\s+\S+)?$");
    let found = BUILD.captures(line).or_else(|| TABLE.captures(line))?;
    Some(format!("{}=={}", group(&found, 1), group(&found, 2)))
}

/// `torch >= 1.0 or higher`, `torch 1.0+`
fn or_later(line: &str) -> Option<String> {
    pattern!(
        LATER,
        r"(?i)^([A-Za-z0-9][\w.\[\]-]*?)\s*(?:[>=]=?|v)?\s*v?(\d+(?:\.\d+)*)\s*(?:\+|(?:or|and)\s+(?:higher|later|newer|above|greater|up))$"
    );
    let found = LATER.captures(line)?;
    Some(format!("{}>={}", group(&found, 1), group(&found, 2)))
}

/// `six=1.11.0`
fn single_equals(line: &str) -> Option<String> {
    pattern!(SINGLE, r"^([A-Za-z0-9][\w.\[\]-]*)\s*=\s*v?(\d[\w.*+!-]*)\s*(;.*|,.*)?$");
    let found = SINGLE.captures(line)?;
    Some(format!("{}=={}{}", group(&found, 1), group(&found, 2), group(&found, 3)))
}

/// `torch 1.7`, `torch v1.7`, `torch version 1.7`
fn version_after_a_space(line: &str) -> Option<String> {
    pattern!(
        SPACE,
        r"(?i)^([A-Za-z0-9][\w.\[\]-]*)\s+(?:version\s+|v\.?)?(\d+(?:\.\w+)*(?:\+\w+)?)\s*(;.*)?$"
    );
    let found = SPACE.captures(line)?;
    Some(format!("{}=={}{}", group(&found, 1), group(&found, 2), group(&found, 3)))
}

/// `numpy: 1.16`, `numpy - 1.16`
fn version_after_a_colon(line: &str) -> Option<String> {
    pattern!(COLON, r"^([A-Za-z0-9][\w.\[\]-]*)(?:\s*:\s*|\s+[-–]\s+)([=<>~!]*)\s*v?(\d[\w.*+]*)$");
    let found = COLON.captures(line)?;
    let operator = if group(&found, 2).len() < 2 { "==" } else { group(&found, 2) };
    Some(format!("{}{operator}{}", group(&found, 1), group(&found, 3)))
}

/// `matplotlib==3.1.x`
fn letter_x(line: &str) -> Option<String> {
    pattern!(LETTER, r"(\d)\.[xX](?:\.[xX])*(\s*(?:[,;].*)?)$");
    changed(line, &LETTER.replace(line, "$1.*$2"))
}

/// `h5py>=2.8<3`, `h5py>=2.8 <3`
fn missing_comma(line: &str) -> Option<String> {
    pattern!(TOUCHING, r"([\w*.])\s*([<>!]=?|==|~=)");
    let (head, marker) = line.split_once(';').unwrap_or((line, ""));
    let start = head.find(['<', '>', '=', '!', '~'])?;
    let (name, versions) = head.split_at(start);
    let mut mended = format!("{name}{}", TOUCHING.replace_all(versions, "$1,$2"));
    if !marker.is_empty() {
        mended = format!("{mended};{marker}");
    }
    changed(line, &mended)
}

/// `numpy>=1.11.*`
fn star_after_an_ordering(line: &str) -> Option<String> {
    pattern!(STAR, r"(<=|>=|<|>|~=)(\s*\d+(?:\.\d+)*)\.\*");
    changed(line, &STAR.replace_all(line, "$1$2"))
}

/// `tqdm~=4`
fn compatible_with_one_number(line: &str) -> Option<String> {
    pattern!(ONE, r"~=\s*(\d+)(\s*(?:[,;].*)?)$");
    let found = ONE.captures(line)?;
    let next = group(&found, 1).parse::<u64>().ok()?.checked_add(1)?;
    let range = format!(">={},<{next}{}", group(&found, 1), group(&found, 2));
    Some(ONE.replace(line, regex::NoExpand(&range)).into_owned())
}
