//! Training, validation and test sets: by group, stratified, the same for the same seed.
//!
//! Images of one group (pages of a book, pictures of a patient) stay together. Groups are dealt
//! out rarest class first, each to the split that lacks most of that class: the iterative
//! stratification of Sechidis et al. 2011, <https://doi.org/10.1007/978-3-642-23808-6_10>, with
//! groups in the place of examples.

use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::error::{FormatError, Result};
use crate::model::{Dataset, SplitSet};

/// How to split.
#[derive(Clone, Debug)]
pub struct SplitRequest {
    /// Names and parts, like `train` and 80.
    pub parts: Vec<(String, f64)>,
    pub seed: u64,
    /// What of an image's name its group is.
    pub group: Group,
}

/// What images stay together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// Each image is on its own.
    None,
    /// Those in one folder.
    Folder,
    /// Those whose names are equal up to this text's last occurrence, like `_` in `book_012.jpg`.
    Before(String),
}

impl SplitRequest {
    /// Reads `80/10/10` or `train=80/val=20`.
    pub fn parse(text: &str, seed: u64, group: Group) -> Result<Self> {
        let fields: Vec<&str> = text.split('/').collect();
        let usual: &[&str] =
            if fields.len() == 2 { &["train", "val"] } else { &["train", "val", "test"] };
        let bad = |why: &str| {
            FormatError::cannot_write(format!("`{text}` is no split: {why}"))
                .with_hint("write it like 80/10/10, or like train=80/val=20")
        };
        let mut parts = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            let (name, part) = match field.split_once('=') {
                Some((name, part)) => (name, part),
                None => (
                    *usual.get(at).ok_or_else(|| bad("more than three parts without names"))?,
                    *field,
                ),
            };
            let part: f64 = part.trim().parse().map_err(|_| bad("a part is not a number"))?;
            if !part.is_finite() || part < 0.0 {
                return Err(bad("a part is negative"));
            }
            parts.push((name.trim().to_owned(), part));
        }
        if parts.iter().map(|(_, part)| part).sum::<f64>() <= 0.0 {
            return Err(bad("all parts are 0"));
        }
        Ok(Self { parts, seed, group })
    }
}

/// Puts each image into one split; those it was in are forgotten.
pub fn split(dataset: &mut Dataset, request: &SplitRequest) {
    let groups = groups(dataset, &request.group);
    let mut wanted = Vec::with_capacity(groups.len());
    let by_image = dataset.by_image();
    // how many images of each class, and in all, a group has; the last class is "all"
    let classes = dataset.categories.len();
    for (name, images) in &groups {
        let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
        for image in images {
            let mut seen: Vec<usize> = by_image
                .of(*image)
                .iter()
                .filter_map(|at| dataset.annotations[*at as usize].category)
                .map(|category| category as usize)
                .collect();
            seen.sort_unstable();
            seen.dedup();
            for class in seen {
                *counts.entry(class).or_default() += 1.0;
            }
            *counts.entry(classes).or_default() += 1.0;
        }
        wanted.push((shuffled(name, request.seed), counts, images.clone()));
    }
    let total: f64 = request.parts.iter().map(|(_, part)| part).sum();
    let mut all = vec![0.0; classes + 1];
    for (_, counts, _) in &wanted {
        for (class, count) in counts {
            all[*class] += count;
        }
    }
    // the rarest class of a group decides when it is dealt out; larger groups come first
    let rarity = |counts: &BTreeMap<usize, f64>| {
        counts.keys().map(|class| all[*class]).fold(f64::INFINITY, f64::min)
    };
    wanted.sort_by(|(key, counts, images), (other_key, other, other_images)| {
        rarity(counts)
            .total_cmp(&rarity(other))
            .then(other_images.len().cmp(&images.len()))
            .then(key.cmp(other_key))
    });
    let mut lacks: Vec<Vec<f64>> = request
        .parts
        .iter()
        .map(|(_, part)| all.iter().map(|count| count * part / total).collect())
        .collect();
    dataset.splits = Vec::new();
    let names: Vec<u8> = request.parts.iter().map(|(name, _)| dataset.split(name)).collect();
    for (_, counts, images) in wanted {
        let rarest =
            counts.keys().copied().min_by(|a, b| all[*a].total_cmp(&all[*b])).unwrap_or(classes);
        let chosen = (0..lacks.len())
            .max_by(|a, b| {
                lacks[*a][rarest]
                    .total_cmp(&lacks[*b][rarest])
                    .then(lacks[*a][classes].total_cmp(&lacks[*b][classes]))
                    .then(b.cmp(a))
            })
            .unwrap_or(0);
        for (class, count) in &counts {
            lacks[chosen][*class] -= count;
        }
        for image in images {
            dataset.images[image].splits = SplitSet::from_iter([names[chosen]]);
        }
    }
}

fn groups(dataset: &Dataset, group: &Group) -> BTreeMap<String, Vec<usize>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, image) in dataset.images.iter().enumerate() {
        let path = Utf8Path::new(&*image.name);
        let key = match group {
            Group::None => format!("{}#{at}", image.name),
            Group::Folder => path.parent().map_or(String::new(), ToString::to_string),
            Group::Before(mark) => {
                let stem = path.file_stem().unwrap_or_default();
                stem.rsplit_once(mark.as_str()).map_or(stem, |(before, _)| before).to_owned()
            }
        };
        groups.entry(key).or_default().push(at);
    }
    groups
}

/// A number that looks random and is the same for the same name and seed on every machine.
fn shuffled(name: &str, seed: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(name.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}
