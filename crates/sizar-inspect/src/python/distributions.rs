//! Which distribution provides a module, by `knowledge/imports.toml`.
//!
//! A distribution is not guessed from a module's name: names such as `encoding`, `cv` or `new` exist
//! on the package index as somebody else's. What the table has no row for may be what one of the most
//! downloaded distributions was seen to provide ([`downloaded`]).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;

use super::downloaded;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let text = include_str!("../../../../knowledge/imports.toml");
    let file: File = toml::from_str(text).expect("the table is read in the tests");
    Table::new(file)
});

#[derive(Deserialize)]
struct File {
    same: Vec<String>,
    import: Vec<Provider>,
}

/// A row of the table: who provides a module.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The module, dotted where only a part of a shared name is meant.
    pub module: String,
    /// The distribution to install; absent where no installable one provides the module.
    pub distribution: Option<String>,
    /// Other distributions that provide it too.
    #[serde(default)]
    pub also: Vec<String>,
    /// What to know before installing.
    pub note: Option<String>,
}

struct Table {
    rows: FxHashMap<String, Provider>,
    same: FxHashSet<String>,
}

impl Table {
    fn new(file: File) -> Self {
        let rows = file.import.into_iter().map(|row| (row.module.clone(), row)).collect();
        Self { rows, same: file.same.into_iter().collect() }
    }

    fn row(&self, module: &str) -> Option<&Provider> {
        std::iter::successors(Some(module), |name| name.rsplit_once('.').map(|(head, _)| head))
            .find_map(|prefix| self.rows.get(prefix))
    }
}

/// What the table and the declarations say of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub distribution: Option<String>,
    pub declared: bool,
}

/// Normalises a distribution's name (PEP 503).
pub fn normalised(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !normal.is_empty() {
            normal.push('-');
        }
        normal.push_str(&part.to_ascii_lowercase());
    }
    normal
}

/// Returns the distribution that provides a module, where the table knows it: never guessed from
/// its name, which may be a stranger's.
pub fn distribution_of(module: &str) -> Option<String> {
    decide(module, provider(module), &BTreeSet::new()).distribution
}

/// Returns the table's row for a module: the one with the longest dotted prefix.
pub(super) fn provider(module: &str) -> Option<&'static Provider> {
    TABLE.row(module)
}

/// Returns whether strangers' packages have a module of that top-level name, by the table alone: the
/// most downloaded distributions have many names that a tree's own modules bear, too.
pub(super) fn is_known(top: &str) -> bool {
    TABLE.rows.contains_key(top) || TABLE.same.contains(top)
}

/// Returns whether the table knows a distribution or module of that normalised name.
pub(crate) fn is_named(name: &str) -> bool {
    static NAMES: LazyLock<FxHashSet<String>> = LazyLock::new(|| {
        let rows = TABLE
            .rows
            .values()
            .flat_map(|row| row.also.iter().chain(&row.distribution).chain([&row.module]));
        let downloaded = downloaded::all().flat_map(|(module, name)| [module, name]);
        let curated = rows.chain(&TABLE.same).map(String::as_str);
        curated.chain(downloaded).map(normalised).collect()
    });
    NAMES.contains(name)
}

/// Returns the modules that an import means, up to the part that decides the distribution.
///
/// `from google import protobuf, auth` means two.
pub(super) fn of_import(
    module: &str,
    names: &[String],
) -> Vec<(String, Option<&'static Provider>)> {
    let whole = TABLE.row(module);
    // Only shared names such as `google` have rows below them.
    let below: Vec<_> = if module.split('.').count() < 3 {
        names
            .iter()
            .filter_map(|name| TABLE.rows.get(&format!("{module}.{name}")))
            .map(|row| (row.module.clone(), Some(row)))
            .collect()
    } else {
        Vec::new()
    };
    let only_below = !below.is_empty() && below.len() == names.len();
    let mut modules = below;
    if !only_below {
        let name = whole.map_or_else(
            || module.split('.').next().unwrap_or(module).to_owned(),
            |row| row.module.clone(),
        );
        modules.push((name, whole));
    }
    modules
}

/// Says which distribution provides `module`, and whether `declared` has it or one like it.
pub(super) fn decide(
    module: &str,
    provider: Option<&Provider>,
    declared: &BTreeSet<String>,
) -> Decision {
    let own = normalised(module.split('.').next().unwrap_or(module));
    if let Some(row) = provider {
        let wanted = row.distribution.as_deref();
        let mut candidates = wanted.into_iter().chain(row.also.iter().map(String::as_str));
        let found = candidates.find(|name| declared.contains(&normalised(name)));
        let by_own_name = declared.contains(&own);
        // What the authors declared is what they meant, of several that provide the same module.
        let distribution = found.or(wanted).map(normalised);
        return Decision { distribution, declared: found.is_some() || by_own_name };
    }
    let is_declared = declared.contains(&own);
    if is_declared || TABLE.same.contains(module) {
        return Decision { distribution: Some(own), declared: is_declared };
    }
    let distribution = downloaded::provider(module).map(normalised);
    let declared = distribution.as_ref().is_some_and(|name| declared.contains(name));
    Decision { distribution, declared }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let text = include_str!("../../../../knowledge/imports.toml");
        let file: File = toml::from_str(text).expect("the table parses");
        assert!(file.same.len() >= 600 && file.import.len() >= 250);
        assert!(file.same.is_sorted_by(|a, b| a < b), "`same` is sorted, each name once");
        let modules: Vec<_> = file.import.iter().map(|row| &row.module).collect();
        let unique: FxHashSet<_> = modules.iter().collect();
        assert_eq!(unique.len(), modules.len(), "each module has one row");
        for row in &file.import {
            assert!(!file.same.contains(&row.module), "`{}` is in both lists", row.module);
            assert!(
                row.distribution.is_some() || row.note.is_some(),
                "`{}` says nothing",
                row.module
            );
            for name in row.distribution.iter().chain(&row.also) {
                assert_eq!(normalised(name), name.to_ascii_lowercase().replace(['_', '.'], "-"));
            }
        }
    }

    #[test]
    fn a_module_that_a_package_misses_is_looked_up_in_the_whole_table() {
        assert_eq!(distribution_of("pyarrow").as_deref(), Some("pyarrow"));
        assert_eq!(distribution_of("more_itertools").as_deref(), Some("more-itertools"));
        assert_eq!(distribution_of("cv2.dnn").as_deref(), Some("opencv-python-headless"));
        assert_eq!(distribution_of("encoding"), None);
    }

    #[test]
    fn names_decide_distributions() {
        let declared = BTreeSet::from(["opencv-contrib-python".to_owned(), "mylab".to_owned()]);
        let of = |module: &str| decide(module, provider(module), &declared);
        let says = |distribution: Option<&str>, declared| Decision {
            distribution: distribution.map(str::to_owned),
            declared,
        };
        assert_eq!(of("cv2"), says(Some("opencv-contrib-python"), true));
        assert_eq!(of("PIL"), says(Some("pillow"), false));
        assert_eq!(of("torch"), says(Some("torch"), false));
        assert_eq!(of("mylab"), says(Some("mylab"), true));
        assert_eq!(of("nrrd"), says(Some("pynrrd"), false));
        let declared = BTreeSet::from(["pynrrd".to_owned()]);
        assert_eq!(decide("nrrd", None, &declared), says(Some("pynrrd"), true));
        // Somebody else's packages have these names.
        for stranger in ["encoding", "cv", "new", "detail"] {
            assert_eq!(of(stranger), says(None, false));
        }
    }

    #[test]
    fn shared_names_are_split() {
        let modules = |module: &str, names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            of_import(module, &names).into_iter().map(|(module, _)| module).collect::<Vec<_>>()
        };
        assert_eq!(modules("google.protobuf.text_format", &[]), ["google.protobuf"]);
        assert_eq!(modules("google", &["protobuf"]), ["google.protobuf"]);
        assert_eq!(modules("torch.nn", &["functional"]), ["torch"]);
        assert_eq!(modules("mpl_toolkits.mplot3d", &["Axes3D"]), ["mpl_toolkits"]);
    }
}
