//! What the code would download while it runs, and how to have it there before.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sizar_model::Inspection;
use sizar_model::inspection::Sighting;

/// How many are named.
const MOST: usize = 5;

/// By a kind of download, what is known of it from `knowledge/weights.toml`.
static KNOWN: LazyLock<BTreeMap<String, Cache>> = LazyLock::new(|| {
    let table: toml::Table = toml::from_str(include_str!("../../../../knowledge/weights.toml"))
        .expect("a test reads the table that is compiled in");
    let rows = table.get("weights").and_then(toml::Value::as_array);
    let text = |row: &toml::Value, key: &str| Some(row.get(key)?.as_str()?.to_owned());
    let list = |row: &toml::Value| {
        let values = row.get("cached").and_then(toml::Value::as_array).into_iter().flatten();
        values.filter_map(|value| Some(value.as_str()?.to_owned())).collect()
    };
    rows.into_iter()
        .flatten()
        .filter_map(|row| {
            Some((text(row, "kind")?, Cache { kept: text(row, "kept")?, files: list(row) }))
        })
        .collect()
});

/// Where a library looks before it downloads.
struct Cache {
    kept: String,
    /// The folders in which a file by its address lies under its own name.
    files: Vec<String>,
}

/// Returns the folders in which the library of a kind of download looks for a file by its name.
pub(super) fn caches(kind: &str) -> &'static [String] {
    KNOWN.get(kind).map_or(&[], |cache| &cache.files)
}

/// Returns what `driver` and the files that it imports would download.
pub(super) fn concerning<'a>(inspection: &'a Inspection, driver: &str) -> Vec<&'a Sighting> {
    let found = inspection
        .drivers
        .iter()
        .find(|one| one.path == driver || one.name.as_deref() == Some(driver));
    let concerns = |seen: &&Sighting| {
        // a driver that is not known may use any file
        let used = found.is_none_or(|driver| driver.closure.contains(&seen.path));
        seen.kind != "weights_file" && used
    };
    inspection.weights.iter().filter(concerns).collect()
}

/// Names what would be downloaded, a sentence each.
pub(super) fn named(all: &[&Sighting]) -> Vec<String> {
    let mut sentences: Vec<String> = all.iter().take(MOST).map(|seen| sentence(seen)).collect();
    if all.len() > MOST {
        sentences.push(format!("and {} downloads more (`sizar inspect`)", all.len() - MOST));
    }
    sentences
}

fn sentence(seen: &Sighting) -> String {
    let Sighting { kind, text, path, line } = seen;
    let what = if text.is_empty() { "something".to_owned() } else { format!("`{text}`") };
    let how = match KNOWN.get(kind) {
        Some(Cache { kept, .. }) => format!(
            "have it in `{kept}` (a run here with `--network` and its results, or the library's own \
             way) and show it by `--data {kept}:{kept}`"
        ),
        None => "fetch it here and show it by `--data FILE:WHERE-THE-CODE-LOOKS`".to_owned(),
    };
    format!("{path}:{line} would download {what}, and nodes have mostly no internet: {how}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_uses_is_named_with_a_way_to_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = camino::Utf8Path::from_path(folder.path()).unwrap();
        fs_err::write(
            root.join("train.py"),
            "import torch, net\nif __name__ == '__main__':\n    \
             torch.hub.load_state_dict_from_url('https://x.org/r50.pth')\n",
        )
        .unwrap();
        fs_err::write(
            root.join("net.py"),
            "import gdown\ndef get():\n    gdown.download('https://d.org/w.pth', 'w.pth')\n",
        )
        .unwrap();
        fs_err::write(
            root.join("other.py"),
            "import gdown\nif __name__ == '__main__':\n    gdown.download('https://d.org/o', 'o')\n",
        )
        .unwrap();
        let inspection =
            sizar_inspect::inspect(root, &sizar_inspect::InspectOptions::default()).unwrap();
        let found = named(&concerning(&inspection, "train.py")).join("\n");
        assert!(found.contains("https://x.org/r50.pth") && found.contains("net.py:3"), "{found}");
        assert!(found.contains("~/.cache/torch/hub/checkpoints:~/.cache/torch"), "{found}");
        assert!(!found.contains("other.py"), "{found}");
    }
}
