//! Git LFS pointers: small texts that stand for large files kept elsewhere.

/// The first line of every pointer.
const FIRST_LINE: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

/// The pointers in a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers {
    count: usize,
    /// The path and size of the file that is missed most.
    biggest: Option<(String, u64)>,
}

impl Pointers {
    /// The most bytes that a pointer may have.
    pub const LONGEST: usize = 1024;

    /// Counts the file at `path` if it is a pointer; `content` is all of it, or too long.
    pub fn look_at(&mut self, path: &str, content: &[u8]) {
        if content.len() > Self::LONGEST || !content.starts_with(FIRST_LINE) {
            return;
        }
        let size = String::from_utf8_lossy(content)
            .lines()
            .find_map(|line| line.strip_prefix("size ")?.trim().parse().ok())
            .unwrap_or(0);
        self.count += 1;
        if self.biggest.as_ref().is_none_or(|(_, biggest)| size > *biggest) {
            self.biggest = Some((path.to_owned(), size));
        }
    }

    /// Says what is missing and how to get it.
    pub fn note(&self) -> Option<String> {
        let (path, size) = self.biggest.as_ref()?;
        let are = if self.count == 1 { "1 file is a" } else { "files are" };
        let count = if self.count == 1 { String::new() } else { format!("{} ", self.count) };
        let pointers = if self.count == 1 { "pointer" } else { "pointers" };
        Some(format!(
            "{count}{are} Git LFS {pointers} instead of contents (the biggest, `{path}`, stands \
             for {}); to have them, clone the repository with `git lfs` installed and give sizar \
             that folder",
            in_words(*size)
        ))
    }
}

/// Writes an amount of bytes for people.
pub(super) fn in_words(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut name = "bytes";
    for unit in units {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        name = unit;
    }
    if name == "bytes" { format!("{bytes} bytes") } else { format!("{amount:.1} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_counted() {
        let mut pointers = Pointers::default();
        assert_eq!(pointers.note(), None);
        let text = |size| {
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize {size}\n")
        };
        pointers.look_at("a.pth", text(3 << 20).as_bytes());
        pointers.look_at("b.pth", text(1000).as_bytes());
        pointers.look_at("c.txt", b"version 2");
        let note = pointers.note().unwrap();
        assert!(note.starts_with("2 files are Git LFS pointers"), "{note}");
        assert!(note.contains("`a.pth`, stands for 3.0 MiB"), "{note}");
    }
}
