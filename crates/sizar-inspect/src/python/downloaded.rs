//! Which of the most downloaded distributions provides a module, by `knowledge/modules.txt`.

/// The lines, `module` or `module distribution`, sorted by the module's bytes.
static LINES: &str = include_str!("../../../../knowledge/modules.txt");

/// Returns the distribution that provides a top-level module; the module itself where only the
/// normalised name differs.
pub(super) fn provider(module: &str) -> Option<&'static str> {
    let (_, lines) = LINES.split_once("\n\n")?;
    // sorted text needs no table made of it: a run that reads no such module pays nothing
    let (mut low, mut high) = (0, lines.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let start = lines.get(..middle)?.rfind('\n').map_or(0, |at| at + 1);
        let line = lines.get(start..)?.lines().next()?;
        let (name, distribution) = line.split_once(' ').unwrap_or((line, line));
        match name.as_bytes().cmp(module.as_bytes()) {
            std::cmp::Ordering::Less => low = start + line.len() + 1,
            std::cmp::Ordering::Equal => return Some(distribution),
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

/// Returns all modules and their distributions.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = LINES.split_once("\n\n").map_or("", |(_, lines)| lines);
    lines.lines().map(|line| line.split_once(' ').unwrap_or((line, line)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::distributions::{is_known, normalised};

    #[test]
    fn each_line_is_found() {
        let lines: Vec<_> = all().collect();
        assert!(lines.len() > 5_000);
        assert!(lines.is_sorted_by(|a, b| a.0.as_bytes() < b.0.as_bytes()), "sorted, each once");
        for (module, distribution) in lines {
            assert_eq!(provider(module), Some(distribution));
            assert!(!is_known(module), "`{module}` is in imports.toml too");
            assert!(!crate::python::stdlib::is_stdlib(module), "`{module}` is Python's own");
            let said = distribution != module;
            assert!(!said || normalised(distribution) == distribution, "{distribution}");
        }
        for stranger in ["", "A", "zzzzzz", "utils", "model", "encoding", "a b", "\n"] {
            assert_eq!(provider(stranger), None, "{stranger:?}");
        }
        assert_eq!(provider("fontTools"), Some("fontTools"));
        assert_eq!(provider("nrrd"), Some("pynrrd"));
    }
}
