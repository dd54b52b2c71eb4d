//! The parameter sets of a sweep, from what was typed and from files.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::Parameters;

use super::values;

/// The most tasks of one sweep.
pub const MOST_TASKS: u32 = 100_000;

/// Where the parameters of a sweep come from. Each is combined with all others.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A CSV file with names in its first line, or JSON objects: a list, or one a line.
    pub files: Vec<Utf8PathBuf>,
    /// `NAME=VALUES`, stepped through together.
    pub zip: Vec<String>,
    /// `NAME=VALUES`, each combined with all others.
    pub grid: Vec<String>,
    /// A number of seeds, or values: the parameter `seed`.
    pub seeds: Option<String>,
}

/// Parameters that make no sweep.
#[derive(Debug, thiserror::Error)]
pub enum InvalidParameters {
    #[error("`{text}` is not NAME=VALUES")]
    Form { text: String },
    #[error("`{name}` cannot be the name of a parameter")]
    Name { name: String },
    #[error("`{text}` is no range of whole numbers")]
    Range { text: String },
    #[error("the parameter `{name}` is given twice")]
    Twice { name: String },
    #[error(
        "zipped parameters need equally many values: `{first}` has {firsts}, `{other}` {others}"
    )]
    Uneven { first: String, firsts: usize, other: String, others: usize },
    #[error("nothing is varied")]
    Nothing,
    #[error("that would be {count} tasks; a sweep has {MOST_TASKS} at most")]
    TooMany { count: u128 },
    #[error("`{path}` cannot be read")]
    File {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{path}` holds no parameter sets: {why}")]
    Content { path: Utf8PathBuf, why: String },
}

impl InvalidParameters {
    /// Returns what the reader can do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Form { .. } => "for example `lr=0.1,0.01`, or `seed=0..4`".to_owned(),
            Self::Name { .. } => {
                "letters, digits, `_`, `-` and `.` can, with a letter first".to_owned()
            }
            Self::Range { .. } => "`0..4` is 0, 1, 2, 3, 4; `0..100:10` every tenth".to_owned(),
            Self::Nothing => "`--grid lr=0.1,0.01`, `--seeds 5` and `--file sets.csv` vary".into(),
            Self::Content { .. } => {
                "a CSV file has names in its first line; JSON is a list of objects, or one a line"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

/// Makes the parameter sets: files vary slowest, then zipped ones, grids, and seeds fastest.
///
/// # Errors
///
/// [`InvalidParameters`] where something is no parameter, or would be none or too many sets.
pub fn parameter_sets(sources: &Sources) -> Result<Vec<Parameters>, InvalidParameters> {
    let mut factors: Vec<Vec<Parameters>> = Vec::new();
    for path in &sources.files {
        factors.push(read_file(path)?);
    }
    if !sources.zip.is_empty() {
        factors.push(zipped(&sources.zip)?);
    }
    for grid in &sources.grid {
        let (name, values) = values::read(grid)?;
        factors.push(one_parameter(&name, values));
    }
    if let Some(seeds) = &sources.seeds {
        factors.push(one_parameter("seed", values::seeds(seeds)?));
    }
    if factors.is_empty() {
        return Err(InvalidParameters::Nothing);
    }
    let mut names: Vec<&str> = Vec::new();
    for name in factors.iter().filter_map(|factor| factor.first()).flat_map(Parameters::names) {
        if names.contains(&name) {
            return Err(InvalidParameters::Twice { name: name.to_owned() });
        }
        names.push(name);
    }
    let count = factors.iter().map(|factor| factor.len() as u128).product::<u128>();
    if count > u128::from(MOST_TASKS) {
        return Err(InvalidParameters::TooMany { count });
    }
    let mut sets = vec![Parameters::default()];
    for factor in factors {
        sets = sets
            .iter()
            .flat_map(|set| {
                factor.iter().map(|more| Parameters(set.0.iter().chain(&more.0).cloned().collect()))
            })
            .collect();
    }
    Ok(sets)
}

fn one_parameter(name: &str, values: Vec<String>) -> Vec<Parameters> {
    values.into_iter().map(|value| Parameters(vec![(name.to_owned(), value)])).collect()
}

fn zipped(texts: &[String]) -> Result<Vec<Parameters>, InvalidParameters> {
    let columns = texts.iter().map(|text| values::read(text)).collect::<Result<Vec<_>, _>>()?;
    let Some((first, firsts)) = columns.first() else { return Ok(Vec::new()) };
    for (index, (name, column)) in columns.iter().enumerate() {
        if columns.iter().take(index).any(|(known, _)| known == name) {
            return Err(InvalidParameters::Twice { name: name.clone() });
        }
        if column.len() != firsts.len() {
            return Err(InvalidParameters::Uneven {
                first: first.clone(),
                firsts: firsts.len(),
                other: name.clone(),
                others: column.len(),
            });
        }
    }
    let row = |at: usize| {
        let cell =
            |(name, column): &(String, Vec<String>)| Some((name.clone(), column.get(at)?.clone()));
        Parameters(columns.iter().filter_map(cell).collect())
    };
    Ok((0..firsts.len()).map(row).collect())
}

fn read_file(path: &Utf8Path) -> Result<Vec<Parameters>, InvalidParameters> {
    let text = fs::read_to_string(path)
        .map_err(|source| InvalidParameters::File { path: path.to_owned(), source })?;
    let sets = match path.extension() {
        Some("json" | "jsonl" | "ndjson") => of_json(&text),
        Some("tsv") => of_table(&text, b'\t'),
        _ => of_table(&text, b','),
    }
    .map_err(|why| InvalidParameters::Content { path: path.to_owned(), why })?;
    let Some(first) = sets.first() else {
        let why = "it is empty".to_owned();
        return Err(InvalidParameters::Content { path: path.to_owned(), why });
    };
    let names: Vec<&str> = first.names().collect();
    for name in &names {
        values::check_name(name)?;
    }
    if let Some(other) = sets.iter().position(|set| !set.names().eq(names.iter().copied())) {
        let why = format!("set {} has other names than the first", other + 1);
        return Err(InvalidParameters::Content { path: path.to_owned(), why });
    }
    Ok(sets)
}

fn of_table(text: &str, delimiter: u8) -> Result<Vec<Parameters>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let names = reader.headers().map_err(|error| error.to_string())?.clone();
    reader
        .records()
        .map(|record| {
            let record = record.map_err(|error| error.to_string())?;
            let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            Ok(Parameters(names.iter().zip(&record).map(pair).collect()))
        })
        .collect()
}

/// Reads a list of objects, or objects one after the other.
fn of_json(text: &str) -> Result<Vec<Parameters>, String> {
    let values: Vec<serde_json::Value> = serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let objects = match <[serde_json::Value; 1]>::try_from(values) {
        Ok([serde_json::Value::Array(list)]) => list,
        Ok([one]) => vec![one],
        Err(several) => several,
    };
    objects
        .into_iter()
        .map(|object| match object {
            serde_json::Value::Object(members) => {
                let pair = |(name, value): (String, serde_json::Value)| match value {
                    serde_json::Value::String(text) => (name, text),
                    other => (name, other.to_string()),
                };
                Ok(Parameters(members.into_iter().map(pair).collect()))
            }
            other => Err(format!("`{other}` is no object")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(sources: &Sources) -> Vec<String> {
        parameter_sets(sources).unwrap().iter().map(ToString::to_string).collect()
    }

    fn words(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn grids_are_multiplied_and_zipped_ones_step_together() {
        let sources = Sources {
            zip: words(&["depth=1,2", "width=10,20"]),
            grid: words(&["lr=0.1,0.01"]),
            seeds: Some("2".into()),
            ..Sources::default()
        };
        let sets = sets(&sources);
        assert_eq!(sets.len(), 8);
        assert_eq!(sets[0], "depth=1 width=10 lr=0.1 seed=0");
        assert_eq!(sets[1], "depth=1 width=10 lr=0.1 seed=1");
        assert_eq!(sets[7], "depth=2 width=20 lr=0.01 seed=1");
    }

    #[test]
    fn files_hold_sets() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let table = "lr,name\n0.1,\"a, b\"\n0.2, c\n";
        for (name, text) in [
            ("a.csv", table),
            ("b.json", r#"[{"lr": 0.1, "name": "a, b"}, {"lr": 0.2, "name": "c"}]"#),
            ("c.jsonl", "{\"lr\": 0.1, \"name\": \"a, b\"}\n{\"lr\": 0.2, \"name\": \"c\"}\n"),
            ("d.tsv", "lr\tname\n0.1\ta, b\n0.2\tc\n"),
        ] {
            fs::write(folder.join(name), text).unwrap();
            let sources = Sources { files: vec![folder.join(name)], ..Sources::default() };
            assert_eq!(sets(&sources), ["lr=0.1 name=a, b", "lr=0.2 name=c"], "{name}");
        }
        for (name, text) in [("e.csv", "lr\n"), ("f.json", "[1]"), ("g.json", "[{\"a\":1},{}]")] {
            fs::write(folder.join(name), text).unwrap();
            let sources = Sources { files: vec![folder.join(name)], ..Sources::default() };
            let error = parameter_sets(&sources).unwrap_err();
            assert!(matches!(error, InvalidParameters::Content { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn what_makes_no_sweep_is_refused() {
        let of = |zip: &[&str], grid: &[&str], seeds: Option<&str>| {
            let seeds = seeds.map(str::to_owned);
            let sources = Sources { zip: words(zip), grid: words(grid), seeds, files: Vec::new() };
            parameter_sets(&sources).unwrap_err().to_string()
        };
        assert!(of(&[], &[], None).contains("nothing"));
        assert!(of(&["a=1,2", "b=1"], &[], None).contains("`a` has 2, `b` 1"));
        assert!(of(&[], &["seed=1"], Some("2")).contains("`seed` is given twice"));
        assert!(of(&[], &["a=0..999", "b=0..999"], None).contains("1000000 tasks"));
    }
}
