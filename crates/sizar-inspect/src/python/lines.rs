//! Which line an offset is on.

/// Where the lines of a text begin.
pub(super) struct Lines {
    starts: Vec<u32>,
}

impl Lines {
    /// Finds the lines of `text`, which end in `\n`, `\r\n` or `\r`.
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = Vec::with_capacity(bytes.len() / 32 + 1);
        starts.push(0);
        if memchr::memchr(b'\r', bytes).is_none() {
            starts.extend(memchr::memchr_iter(b'\n', bytes).map(|at| at as u32 + 1));
        } else {
            let ends = memchr::memchr2_iter(b'\n', b'\r', bytes)
                .filter(|&at| bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'));
            starts.extend(ends.map(|at| at as u32 + 1));
        }
        Self { starts }
    }

    /// Returns the line of an offset, from 1.
    pub(super) fn line(&self, offset: u32) -> u32 {
        self.starts.partition_point(|&start| start <= offset) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_python_ends_them() {
        for (text, lines) in [
            ("", vec![1]),
            ("a\nb", vec![1, 1, 2, 2]),
            ("a\r\nb", vec![1, 1, 1, 2, 2]),
            ("a\rb\n\r\n", vec![1, 1, 2, 2, 3, 3, 4]),
            ("\n\r", vec![1, 2, 3]),
        ] {
            let index = Lines::of(text);
            let found: Vec<u32> = (0..=text.len() as u32).map(|at| index.line(at)).collect();
            assert_eq!(found, lines, "{text:?}");
        }
    }
}
