//! What start-up shims wrote down: the calls that they took over.

use std::collections::BTreeMap;
use std::io::Read as _;

use camino::Utf8Path;
use fs_err as fs;
use serde::Deserialize;
use sizar_model::Redirection;

/// The most that is read of a ledger: foreign code can write to it.
const MOST: u64 = 1024 * 1024;

/// How many places of one kind of call are named.
const PLACES: usize = 3;

/// How many kinds of calls are told.
const KINDS: usize = 30;

/// A line of a ledger.
#[derive(Deserialize)]
struct Line {
    shim: String,
    kind: Option<String>,
    path: Option<String>,
    #[serde(default)]
    line: u32,
    note: Option<String>,
    /// Why the shim itself failed.
    error: Option<String>,
}

/// What a ledger holds.
#[derive(Debug, Default, PartialEq)]
pub struct Ledger {
    pub redirections: Vec<Redirection>,
    /// Shims that failed, and why.
    pub failures: Vec<String>,
}

/// Reads a ledger; `roots` are the folders that its paths are told relative to.
///
/// What cannot be read is left out: a program may have written anything.
pub fn read(path: &Utf8Path, roots: &[&Utf8Path]) -> Ledger {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // what was read before an error counts
        let _ = file.take(MOST).read_to_end(&mut bytes);
    }
    let mut ledger = Ledger::default();
    for line in String::from_utf8_lossy(&bytes).lines() {
        let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
        if let Some(error) = line.error {
            let failure = format!("the shim {} failed: {}", plain(&line.shim), plain(&error));
            if !ledger.failures.contains(&failure) {
                ledger.failures.push(failure);
            }
        } else if let Some(kind) = line.kind {
            let path = line.path.unwrap_or_else(|| "?".to_owned());
            ledger.redirections.push(Redirection {
                shim: plain(&line.shim),
                kind: plain(&kind),
                path: plain(relative(&path, roots)),
                line: line.line,
                note: line.note.as_deref().map(plain),
            });
        }
    }
    ledger.redirections.sort();
    ledger.redirections.dedup();
    ledger
}

/// Returns a text without what could move a terminal's cursor, and not longer than a line.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

fn relative<'p>(path: &'p str, roots: &[&Utf8Path]) -> &'p str {
    let inside = |root: &&Utf8Path| Utf8Path::new(path).strip_prefix(root).ok();
    let inside = roots.iter().find_map(inside).map_or(path, Utf8Path::as_str);
    inside.split_once("/site-packages/").map_or(inside, |(_, below)| below)
}

impl Ledger {
    /// Says what was taken over: one sentence for each shim and kind of call.
    pub fn sentences(&self) -> Vec<String> {
        let mut kinds: BTreeMap<(&str, &str), Vec<&Redirection>> = BTreeMap::new();
        for call in &self.redirections {
            kinds.entry((&call.shim, &call.kind)).or_default().push(call);
        }
        let more = kinds.len().saturating_sub(KINDS);
        let mut sentences: Vec<String> = kinds
            .into_iter()
            .take(KINDS)
            .map(|((shim, kind), calls)| {
                let mut places: Vec<String> = calls
                    .iter()
                    .take(PLACES)
                    .map(|call| format!("{}:{}", call.path, call.line))
                    .collect();
                if calls.len() > PLACES {
                    places.push(format!("{} more places", calls.len() - PLACES));
                }
                let note = calls.iter().find_map(|call| call.note.as_deref());
                let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
                format!("shim {shim} took over `{kind}`{note} at {}", places.join(", "))
            })
            .collect();
        if more > 0 {
            sentences.push(format!("shims took over {more} more kinds of calls"));
        }
        sentences.extend(self.failures.iter().cloned());
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_by_kind_and_strange_lines_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("ledger");
        let mut text = String::from("not json\n{\"shim\": 1}\n");
        for line in 1..=5 {
            text += &format!(
                "{{\"shim\":\"cpu\",\"kind\":\"Tensor.cuda\",\"path\":\"/w/a.py\",\"line\":{line}}}\n"
            );
        }
        text += "{\"shim\":\"cpu\",\"kind\":\"x\\u001b[2J\",\"path\":\"/e/lib/site-packages/b.py\",\"line\":1,\"note\":\"n\"}\n";
        text += "{\"shim\":\"imp\",\"error\":\"ValueError: no\"}\n";
        fs::write(&path, text).unwrap();
        let ledger = read(&path, &[Utf8Path::new("/w")]);
        assert_eq!(
            ledger.sentences(),
            [
                "shim cpu took over `Tensor.cuda` at a.py:1, a.py:2, a.py:3, 2 more places",
                "shim cpu took over `x[2J` (n) at b.py:1",
                "the shim imp failed: ValueError: no",
            ]
        );
        assert_eq!(read(Utf8Path::new("/nowhere"), &[]), Ledger::default());
    }
}
