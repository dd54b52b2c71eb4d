//! Conda's `environment.yml`.

use serde_json::Value;

use super::kind::Kind;
use super::read::Read;
use super::{conda, requirements_txt};

/// An entry of the file.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    Name(String),
    Channel(String),
    Conda(String),
    Pip(String),
}

/// Reads an environment file. A YAML file without `dependencies:` gives nothing.
pub(super) fn read(path: &str, text: &str) -> Read {
    let mut read = Read::new(path, Kind::EnvironmentYml);
    if !text
        .lines()
        .any(|line| line.starts_with("dependencies") || line.starts_with("\"dependencies"))
    {
        return read;
    }
    let entries = match strict(text) {
        Ok(entries) => entries,
        Err(why) => {
            read.cannot_read(format!("not valid YAML, so read line by line: {why}"));
            tolerant(text)
        }
    };
    for (line, entry) in entries {
        match entry {
            Entry::Name(name) => read.file.name = Some(name),
            Entry::Channel(channel) => read.index("conda_channel", &channel, line),
            Entry::Conda(spec) => conda::require(&mut read, &spec, line, "conda"),
            Entry::Pip(written) => requirements_txt::entry(&mut read, &written, line, "conda"),
        }
    }
    read
}

/// Returns the entries of an environment file.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let entries = strict(text).unwrap_or_else(|_| tolerant(text));
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// Reads by the letter of YAML; the lines are looked up in the text.
fn strict(text: &str) -> Result<Vec<(u32, Entry)>, String> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let message = error.to_string();
        super::text::shorten(message.lines().next().unwrap_or_default())
    })?;
    let mut lines = Lines { text, next: 0 };
    let mut entries = Vec::new();
    if let Some(name) = value.get("name").and_then(Value::as_str) {
        entries.push((1, Entry::Name(name.to_owned())));
    }
    for key in ["channels", "dependencies"] {
        lines.after(key);
        for item in value.get(key).and_then(Value::as_array).into_iter().flatten() {
            match item {
                Value::Object(sections) => {
                    for written in sections.values().filter_map(Value::as_array).flatten() {
                        let written = scalar(written);
                        entries.push((lines.of(&written), Entry::Pip(written)));
                    }
                }
                Value::Null => {}
                item => {
                    let written = scalar(item);
                    let line = lines.of(&written);
                    entries.push(match key {
                        "channels" => (line, Entry::Channel(written)),
                        _ => (line, Entry::Conda(written)),
                    });
                }
            }
        }
    }
    Ok(entries)
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Finds the lines of entries, which come in the order of the file.
struct Lines<'t> {
    text: &'t str,
    next: usize,
}

impl Lines<'_> {
    fn after(&mut self, key: &str) {
        let found = self.text.lines().position(|line| line.trim_start().starts_with(key));
        self.next = found.unwrap_or(0);
    }

    fn of(&mut self, written: &str) -> u32 {
        let mut lines = self.text.lines().enumerate().skip(self.next);
        match lines.find(|(_, line)| line.contains(written)) {
            Some((index, _)) => {
                self.next = index + 1;
                index as u32 + 1
            }
            None => self.next.max(1) as u32,
        }
    }
}

/// Reads line by line what YAML refuses: tabs, bad indents, unclosed quotes.
fn tolerant(text: &str) -> Vec<(u32, Entry)> {
    let mut entries = Vec::new();
    let mut section = String::new();
    let mut pip_indent: Option<usize> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.replace('\t', "    ");
        let bare = line.split(" #").next().unwrap_or(&line).trim();
        let indent = line.len() - line.trim_start().len();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        if let Some(item) = bare.strip_prefix('-') {
            let item = item.trim().trim_matches(['"', '\'']);
            if pip_indent.is_some_and(|pip| indent <= pip) {
                pip_indent = None;
            }
            if item == "pip:" {
                pip_indent = Some(indent);
            } else if pip_indent.is_some() {
                entries.push((number, Entry::Pip(item.to_owned())));
            } else if section == "channels" {
                entries.push((number, Entry::Channel(item.to_owned())));
            } else if section == "dependencies" {
                entries.push((number, Entry::Conda(item.to_owned())));
            }
        } else if let Some((key, value)) = bare.split_once(':')
            && indent == 0
        {
            pip_indent = None;
            key.trim().clone_into(&mut section);
            if section == "name" && !value.trim().is_empty() {
                entries
                    .push((number, Entry::Name(value.trim().trim_matches(['"', '\'']).to_owned())));
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "# conda env create -f environment.yml\nname: nerf\nchannels:\n    - conda-forge\ndependencies:\n    - python=3.7\n    - pip\n    - cudatoolkit=10.0\n    - numpy\n    - pip:\n        - torch==1.4.0\n        - -r requirements.txt\n        - git+https://github.com/a/b.git\nprefix: /home/me/anaconda3/envs/nerf\n";

    fn told(read: &Read) -> Vec<String> {
        read.declared.iter().map(|d| format!("{} {}", d.line, d.raw)).collect()
    }

    #[test]
    fn both_readers_agree() {
        assert_eq!(strict(PLAIN).unwrap()[1..], tolerant(PLAIN)[1..]);
        let read = read("environment.yml", PLAIN);
        assert_eq!(
            told(&read),
            [
                "7 pip",
                "8 cudatoolkit=10.0",
                "9 numpy",
                "11 torch==1.4.0",
                "13 git+https://github.com/a/b.git"
            ]
        );
        assert_eq!(read.file.name.as_deref(), Some("nerf"));
        assert_eq!((read.python.named[0].text.as_str(), read.python.named[0].line), ("3.7", 6));
        assert_eq!(read.references[0].path, "requirements.txt");
        assert_eq!(read.indexes[0].text, "conda-forge");
    }

    #[test]
    fn broken_yaml_is_read_line_by_line() {
        let broken = "name: x\nchannels:\n\t- defaults\ndependencies:\n\t- python=3.6\n  - numpy=1.16 # a comment\n  - pip:\n    - tqdm\n    - \"unclosed\n";
        let read = read("environment.yml", broken);
        assert_eq!(told(&read), ["6 numpy=1.16", "8 tqdm", "9 unclosed"]);
        assert_eq!(read.file.unreadable.len(), 1);
        assert_eq!(read.python.named[0].text, "3.6");
    }

    #[test]
    fn another_yaml_file_gives_nothing() {
        assert!(read("config.yml", "model:\n  dependencies: 3\n").is_empty());
    }
}
