//! The names nearest to one that was not found.

/// How many names are offered.
const OFFERED: usize = 3;

/// Returns those of `known` that look most like `wanted`, the nearest first; where none does,
/// the first few that are known.
pub fn nearest(wanted: &str, known: Vec<String>) -> Vec<String> {
    let mut rated: Vec<(usize, String)> = known
        .iter()
        .filter_map(|name| distance_to(wanted, name).map(|distance| (distance, name.clone())))
        .collect();
    if rated.is_empty() {
        return known.into_iter().take(OFFERED).collect();
    }
    rated.sort_by_key(|(distance, _)| *distance);
    rated.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

/// Returns how far `name` is from `wanted`, if it is near at all: as a whole, or by its last part
/// and without its extension.
fn distance_to(wanted: &str, name: &str) -> Option<usize> {
    let (wanted, name) = (wanted.to_lowercase(), name.to_lowercase());
    let last = |text: &str| {
        let last = text.rsplit(['/', '.']).find(|part| !matches!(*part, "py" | "sh"));
        last.unwrap_or(text).to_owned()
    };
    let (wanted_last, name_last) = (last(&wanted), last(&name));
    let best = edits(&wanted, &name).min(edits(&wanted_last, &name_last));
    let enough = (wanted_last.chars().count() / 3).max(1);
    if best <= enough {
        return Some(best);
    }
    let contained = wanted_last.len() >= 3
        && (name_last.contains(&wanted_last) || wanted_last.contains(&name_last))
        && !name_last.is_empty();
    contained.then_some(enough + 1)
}

/// Counts the letters to insert, remove, replace or swap between two texts.
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut cost = (row[j] + usize::from(from != to)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                cost = cost.min(before[j - 1] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first() {
        let known = ["train.py", "tools/test.py", "predict.py", "eval.py"].map(str::to_owned);
        assert_eq!(nearest("trian.py", known.to_vec())[0], "train.py");
        assert_eq!(nearest("test", known.to_vec())[0], "tools/test.py");
        assert_eq!(nearest("Predict", known.to_vec()), ["predict.py"]);
        assert_eq!(nearest("xyzzy", known.to_vec()).len(), 3);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("ab", "ba"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
