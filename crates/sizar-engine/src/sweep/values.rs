//! The values of one parameter, as they are typed: `0.1,0.01`, `0..4`, `0..100:10`.

use super::InvalidParameters;

/// Reads `NAME=VALUES`.
///
/// Values are separated by commas (`\,` is one that belongs to a value); `A..B` stands for all
/// whole numbers from A to B, both included, and `A..B:STEP` for every STEPth.
pub(super) fn read(text: &str) -> Result<(String, Vec<String>), InvalidParameters> {
    let form = || InvalidParameters::Form { text: text.to_owned() };
    let (name, values) = text.split_once('=').ok_or_else(form)?;
    check_name(name)?;
    let mut all = Vec::new();
    for value in split(values) {
        match range(&value) {
            Some(range) => all.extend(range?),
            None => all.push(value),
        }
    }
    if values.is_empty() { Err(form()) } else { Ok((name.to_owned(), all)) }
}

/// Reads the values of `--seeds`: a number of seeds from 0 on, or what [`read`] takes.
pub(super) fn seeds(text: &str) -> Result<Vec<String>, InvalidParameters> {
    match text.parse::<u32>() {
        Ok(0) => Err(InvalidParameters::Form { text: format!("seeds={text}") }),
        Ok(count) => Ok((0..count).map(|seed| seed.to_string()).collect()),
        Err(_) => Ok(read(&format!("seed={text}"))?.1),
    }
}

/// Checks what a parameter is called: placeholders have to be told from other braces.
pub(super) fn check_name(name: &str) -> Result<(), InvalidParameters> {
    if is_name(name) { Ok(()) } else { Err(InvalidParameters::Name { name: name.to_owned() }) }
}

/// Returns whether a text can be the name of a parameter.
pub(super) fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.starts_with(first) && text.chars().all(rest)
}

fn split(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let value = values.last_mut().expect("there is always one");
        match c {
            '\\' if chars.peek() == Some(&',') => value.extend(chars.next()),
            ',' => values.push(String::new()),
            other => value.push(other),
        }
    }
    values
}

/// Reads a range; none where the text is an ordinary value.
fn range(text: &str) -> Option<Result<Vec<String>, InvalidParameters>> {
    let (range, step) = text.split_once(':').unwrap_or((text, "1"));
    let (first, last) = range.split_once("..")?;
    let (first, last): (i64, i64) = (first.parse().ok()?, last.parse().ok()?);
    let step = step.parse::<usize>().ok().filter(|step| *step > 0)?;
    let wrong = || InvalidParameters::Range { text: text.to_owned() };
    let count = last.checked_sub(first).filter(|count| *count >= 0);
    Some(match count {
        Some(count) if count / step as i64 <= i64::from(super::MOST_TASKS) => {
            Ok((first..=last).step_by(step).map(|number| number.to_string()).collect())
        }
        _ => Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        read(text).unwrap().1
    }

    #[test]
    fn lists_and_ranges_are_read() {
        assert_eq!(values("lr=0.1,0.01"), ["0.1", "0.01"]);
        assert_eq!(values("seed=0..4"), ["0", "1", "2", "3", "4"]);
        assert_eq!(values("n=0..100:50,7,-1..1"), ["0", "50", "100", "7", "-1", "0", "1"]);
        assert_eq!(values(r"shape=3\,4,5"), ["3,4", "5"]);
    }

    #[test]
    fn what_only_looks_like_a_range_is_a_value() {
        assert_eq!(values("path=../data,a..b,1.5..2"), ["../data", "a..b", "1.5..2"]);
        assert_eq!(values("url=http://x:80"), ["http://x:80"]);
    }

    #[test]
    fn wrong_ones_are_named() {
        for text in ["lr", "lr=", "=1", "1x=2", "a b=1", "n=5..1", "n=0..999999999"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seeds_are_counted_or_listed() {
        assert_eq!(seeds("3").unwrap(), ["0", "1", "2"]);
        assert_eq!(seeds("5..6,11").unwrap(), ["5", "6", "11"]);
        assert!(seeds("0").is_err());
    }
}
