//! Whether a text nests so deeply that reading its syntax tree would exhaust the stack.
//!
//! The parser grows its stack as it needs, but whoever walks or drops the tree recurses. Python
//! itself refuses 200 nested brackets and expressions of a few thousand operators, so that what is
//! refused here could not run either.

/// The deepest brackets that are parsed.
const MAX_BRACKETS: u32 = 400;
/// The most tokens of one expression, between commas and line ends, that are parsed.
const MAX_RUN: u32 = 8_000;
/// The most `lambda`s of one line that are parsed.
const MAX_LAMBDAS: u32 = 2_000;
/// The deepest indentation that is parsed, in columns.
const MAX_INDENT: u32 = 800;

/// Returns whether `text` can be parsed and walked on a stack of a few dozen megabytes.
///
/// It is a rough look at brackets and words, not a tokenizer; in doubt it says no, and only for
/// texts that no Python accepts.
pub fn is_shallow(text: &str) -> bool {
    Scan { bytes: text.as_bytes(), at: 0 }.run()
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn run(mut self) -> bool {
        let (mut depth, mut run, mut lambdas) = (0u32, 0u32, 0u32);
        let mut after_string = false;
        let mut continued = false;
        while let Some(&byte) = self.bytes.get(self.at) {
            let was_string = std::mem::take(&mut after_string);
            match byte {
                b'\n' => {
                    self.at += 1;
                    if depth == 0 && !continued {
                        (run, lambdas) = (0, 0);
                    }
                    continued = false;
                    if depth == 0 && self.indentation() > MAX_INDENT {
                        return false;
                    }
                    after_string = was_string;
                    continue;
                }
                b'\\' => {
                    continued = true;
                    self.at += 1;
                    after_string = was_string;
                    continue;
                }
                b' ' | b'\t' | b'\r' => {
                    self.at += 1;
                    after_string = was_string;
                    continue;
                }
                b'#' => {
                    self.skip_while(|byte| byte != b'\n');
                    after_string = was_string;
                    continue;
                }
                b'"' | b'\'' => {
                    // strings side by side are one token of the tree
                    run += u32::from(!was_string);
                    if self.string(byte) > MAX_BRACKETS {
                        return false;
                    }
                    after_string = true;
                }
                b'(' | b'[' | b'{' => {
                    depth += 1;
                    run += 1;
                    self.at += 1;
                }
                b')' | b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b',' | b';' => {
                    run = 0;
                    self.at += 1;
                }
                _ if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => {
                    run += 1;
                    let start = self.at;
                    self.skip_while(|byte| {
                        byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
                    });
                    lambdas += u32::from(&self.bytes[start..self.at] == b"lambda");
                }
                _ => {
                    run += 1;
                    self.at += 1;
                }
            }
            continued = false;
            if depth > MAX_BRACKETS || run > MAX_RUN || lambdas > MAX_LAMBDAS {
                return false;
            }
        }
        true
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|&byte| keep(byte)) {
            self.at += 1;
        }
    }

    fn indentation(&mut self) -> u32 {
        let start = self.at;
        self.skip_while(|byte| byte == b' ' || byte == b'\t');
        // a tab is one column here: it is the number of levels that matters
        (self.at - start) as u32
    }

    /// Skips a string; returns how deeply braces nest in it, if it is one with expressions.
    fn string(&mut self, quote: u8) -> u32 {
        let before = &self.bytes[self.at.saturating_sub(2)..self.at];
        let formatted = before.iter().any(|byte| matches!(byte, b'f' | b'F' | b't' | b'T'));
        let (mut depth, mut deepest) = (0u32, 0u32);
        let rest = &self.bytes[self.at..];
        let triple = rest.starts_with(&[quote; 3]);
        self.at += if triple { 3 } else { 1 };
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'\n' if !triple => return deepest,
                b'{' | b'}' if formatted => {
                    depth = if byte == b'{' { depth + 1 } else { depth.saturating_sub(1) };
                    deepest = deepest.max(depth);
                    self.at += 1;
                }
                _ if byte == quote => {
                    if !triple {
                        self.at += 1;
                        return deepest;
                    }
                    if self.bytes[self.at..].starts_with(&[quote; 3]) {
                        self.at += 3;
                        return deepest;
                    }
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        deepest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nests_too_deeply_is_refused() {
        for text in [
            "[".repeat(100_000),
            format!("x = {}1", "-".repeat(100_000)),
            format!("x = {}1", "not ".repeat(100_000)),
            format!("x = {}1", "1 + ".repeat(100_000)),
            format!("x = {}", "a.".repeat(100_000)),
            format!("x = {}", "a if b else ".repeat(10_000)),
            format!("x = {}1", "lambda a, b: ".repeat(10_000)),
            format!("x = f{}", "()".repeat(100_000)),
            format!("x = 1{}", " + \\\n 1".repeat(100_000)),
            format!("x = f'{}'", "{a:".repeat(100_000)),
        ] {
            assert!(!is_shallow(&text), "{:.40}", text);
        }
    }

    #[test]
    fn data_in_code_is_fine() {
        for text in [
            format!("x = [{}]", "-1.5, ".repeat(100_000)),
            format!("x = {{{}}}", "'a': [1, 2], ".repeat(100_000)),
            format!("x = ({})", "'abc'\n".repeat(100_000)),
            "x = 1 + 2\n".repeat(100_000),
            format!("'''{}'''", "[".repeat(10_000)),
            format!("# {}", "[".repeat(10_000)),
        ] {
            assert!(is_shallow(&text), "{:.40}", text);
        }
    }
}
