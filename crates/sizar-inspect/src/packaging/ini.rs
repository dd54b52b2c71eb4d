//! The files of Python's `configparser`, read without failing.

/// A section: its name and its keys in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub name: String,
    pub keys: Vec<Key>,
}

/// A key with the lines of its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// In lower case, with `_` for `-`, as setuptools takes it.
    pub name: String,
    /// As written; names of extras and commands keep their case.
    pub written: String,
    /// Lines that are not empty and no comments.
    pub lines: Vec<(u32, String)>,
    pub line: u32,
}

impl Key {
    /// Returns the value in one line.
    pub(super) fn value(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|(_, line)| line.as_str()).collect();
        lines.join(" ").trim().to_owned()
    }
}

impl Section {
    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Reads sections, keys, and values that go on in indented lines. Lines that fit nowhere are
/// returned by their number.
pub(super) fn read(text: &str) -> (Vec<Section>, Vec<u32>) {
    let mut sections: Vec<Section> = Vec::new();
    let mut lost = Vec::new();
    for (number, written) in (1..).zip(text.lines()) {
        let bare = written.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        let indented = written.starts_with([' ', '\t']);
        let last_key = sections.last_mut().and_then(|section| section.keys.last_mut());
        if indented && let Some(key) = last_key {
            key.lines.push((number, without_comment(bare)));
        } else if let Some(name) = bare.strip_prefix('[') {
            let name = name.split(']').next().unwrap_or(name).trim().to_owned();
            sections.push(Section { name, keys: Vec::new() });
        } else if let (Some(section), Some(at)) = (sections.last_mut(), bare.find(['=', ':'])) {
            let (name, value) = bare.split_at(at);
            let value = without_comment(value[1..].trim());
            let lines = if value.is_empty() { Vec::new() } else { vec![(number, value)] };
            let written = name.trim().to_owned();
            let name = written.to_ascii_lowercase().replace('-', "_");
            section.keys.push(Key { name, written, lines, line: number });
        } else {
            lost.push(number);
        }
    }
    (sections, lost)
}

/// Cuts ` # …` and ` ; #…`; a lone semicolon separates values or starts a marker.
fn without_comment(value: &str) -> String {
    if value.starts_with('#') {
        return String::new();
    }
    value.split(" #").next().unwrap_or(value).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_on_in_indented_lines() {
        let text = "stray\n[metadata]\nname = x\nclassifier =\n    A :: B  # why\n\n\tC\n[options]\npython-requires: >=3.6\n";
        let (sections, lost) = read(text);
        assert_eq!(lost, [1]);
        assert_eq!(sections[0].key("name").unwrap().value(), "x");
        assert_eq!(
            sections[0].key("classifier").unwrap().lines,
            [(5, "A :: B".to_owned()), (7, "C".to_owned())]
        );
        assert_eq!(sections[1].key("python_requires").unwrap().value(), ">=3.6");
    }
}
