//! A cursor over JSON in memory.

use std::borrow::Cow;

use serde_json::Value;

use super::number;

/// What is wrong, and at which byte of the cursor's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    pub at: usize,
    pub what: Cow<'static, str>,
    /// The keys and indices that lead there, innermost first.
    pub path: Vec<Cow<'static, str>>,
}

impl JsonError {
    pub fn new(at: usize, what: impl Into<Cow<'static, str>>) -> Self {
        Self { at, what: what.into(), path: Vec::new() }
    }

    /// Returns the keys and indices that lead there, like `annotations[3].bbox`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for part in self.path.iter().rev() {
            if !path.is_empty() && !part.starts_with('[') {
                path.push('.');
            }
            path.push_str(part);
        }
        path
    }
}

type Result<T> = std::result::Result<T, JsonError>;

/// A place in JSON text.
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

/// What lists of numbers are read as.
pub trait Number: Sized {
    /// Takes one of a common form with a comma after it, and tells how many bytes both take.
    fn before_comma(text: &[u8]) -> Option<(Self, usize)>;

    /// Takes any.
    fn take(cursor: &mut Cursor<'_>) -> Result<Self>;
}

impl Number for f64 {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call for each coordinate takes a third longer")]
    fn before_comma(text: &[u8]) -> Option<(Self, usize)> {
        number::short_float(text)
    }

    fn take(cursor: &mut Cursor<'_>) -> Result<Self> {
        cursor.float()
    }
}

/// Pixel counts, sizes or the like.
impl Number for u32 {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn before_comma(text: &[u8]) -> Option<(Self, usize)> {
        number::short_integer(text)
    }

    fn take(cursor: &mut Cursor<'_>) -> Result<Self> {
        cursor.size()
    }
}

/// Values nested deeper than this are refused.
const DEEPEST: usize = 100;

impl<'a> Cursor<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The byte that comes next.
    pub fn at(&self) -> usize {
        self.at
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// Returns the byte with which the next value begins.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.get(self.at).copied()
    }

    #[inline]
    fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected(wanted))
        }
    }

    /// Says that something else was wanted here.
    #[cold]
    pub fn unexpected(&mut self, wanted: &str) -> JsonError {
        self.skip_space();
        let rest = &self.text[self.at.min(self.text.len())..];
        if rest.is_empty() {
            return JsonError::new(self.at, format!("the text ends where {wanted} should be"));
        }
        let end = rest.iter().position(|b| b",]}\n".contains(b)).unwrap_or(rest.len()).min(24);
        let found = String::from_utf8_lossy(&rest[..end.max(1)]);
        let found = found.trim();
        let hint = match found {
            "NaN" | "nan" | "Infinity" | "-Infinity" => "; JSON has no such number",
            _ => "",
        };
        JsonError::new(self.at, format!("expected {wanted}, found `{found}`{hint}"))
    }

    /// Walks through an object; `each` must take the value of the key that it is given.
    pub fn object(&mut self, mut each: impl FnMut(&[u8], &mut Self) -> Result<()>) -> Result<()> {
        self.expect(b'{', "an object")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_space();
            let key = self.raw_string("a key in quotes")?;
            self.expect(b':', "`:`")?;
            if let Err(mut error) = each(key, self) {
                error.path.push(String::from_utf8_lossy(key).into_owned().into());
                return Err(error);
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("`,` or `}`")),
            }
        }
    }

    /// Walks through a list; `each` must take the value.
    #[inline]
    pub fn list(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(b'[', "a list")?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        let mut index = 0_usize;
        loop {
            if let Err(mut error) = each(self) {
                error.path.push(format!("[{index}]").into());
                return Err(error);
            }
            index += 1;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
    }

    /// Takes a list of numbers: mostly from comma to comma, and as values where that takes none.
    #[inline]
    pub fn numbers<T: Number>(&mut self, mut each: impl FnMut(T)) -> Result<()> {
        self.expect(b'[', "a list")?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        let mut index = 0_usize;
        loop {
            let mut rest = &self.text[self.at..];
            while let Some((value, length)) = T::before_comma(rest) {
                each(value);
                index += 1;
                rest = &rest[length..];
                rest = rest.strip_prefix(b" ").unwrap_or(rest);
            }
            self.at = self.text.len() - rest.len();
            match T::take(self) {
                Ok(value) => each(value),
                Err(mut error) => {
                    error.path.push(format!("[{index}]").into());
                    return Err(error);
                }
            }
            index += 1;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
    }

    /// Takes a number.
    #[inline]
    pub fn float(&mut self) -> Result<f64> {
        self.skip_space();
        match number::float(&self.text[self.at..]) {
            Some((value, length)) if value.is_finite() => {
                self.at += length;
                Ok(value)
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// Takes a whole number; `3.0` counts as one.
    #[inline]
    pub fn integer(&mut self) -> Result<i64> {
        self.skip_space();
        let begin = self.at;
        let mut value = 0_i64;
        let negative = self.text.get(begin) == Some(&b'-');
        let mut at = begin + usize::from(negative);
        let first = at;
        while let Some(digit) = self.text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10)
        {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
            at += 1;
        }
        let digits = at - first;
        let is_plain = !matches!(self.text.get(at), Some(b'.' | b'e' | b'E'));
        if (1..=18).contains(&digits) && is_plain && (digits == 1 || self.text[first] != b'0') {
            self.at = at;
            return Ok(if negative { -value } else { value });
        }
        match number::float(&self.text[begin..]) {
            Some((value, length)) if value.fract() == 0.0 && value.abs() < 9e18 => {
                self.at += length;
                Ok(value as i64)
            }
            _ => Err(self.unexpected("a whole number")),
        }
    }

    /// Takes a number that is a pixel count, a size or the like.
    pub fn size(&mut self) -> Result<u32> {
        let at = {
            self.skip_space();
            self.at
        };
        let value = self.integer()?;
        u32::try_from(value).map_err(|_| JsonError::new(at, format!("{value} is no size")))
    }

    /// Takes a string; broken halves of UTF-16 become replacement characters.
    pub fn string(&mut self) -> Result<Cow<'a, str>> {
        self.skip_space();
        let begin = self.at;
        let raw = self.raw_string("a string")?;
        let bad = |_| JsonError::new(begin, "a string that is not UTF-8");
        if memchr::memchr(b'\\', raw).is_none() {
            return std::str::from_utf8(raw).map(Cow::Borrowed).map_err(bad);
        }
        match serde_json::from_slice::<String>(&self.text[begin..self.at]) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(error) => {
                Err(JsonError::new(begin, format!("a string that can't be read: {error}")))
            }
        }
    }

    /// Takes a string and returns what is between its quotes.
    #[inline]
    fn raw_string(&mut self, wanted: &'static str) -> Result<&'a [u8]> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(self.unexpected(wanted));
        }
        let begin = self.at + 1;
        let mut at = begin;
        loop {
            match self.text.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(&self.text[begin..at]);
                }
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return Err(JsonError::new(begin - 1, "the text ends within this string")),
            }
        }
    }

    /// Takes a comma, if it is next.
    pub fn comma(&mut self) -> bool {
        let is_comma = self.peek() == Some(b',');
        self.at += usize::from(is_comma);
        is_comma
    }

    /// Takes `null`, if it is next.
    pub fn null(&mut self) -> bool {
        let is_null = self.peek() == Some(b'n') && self.text[self.at..].starts_with(b"null");
        if is_null {
            self.at += 4;
        }
        is_null
    }

    /// Takes `true`, `false`, 0 or 1.
    pub fn boolean(&mut self) -> Result<bool> {
        match self.peek() {
            Some(b't') if self.text[self.at..].starts_with(b"true") => {
                self.at += 4;
                Ok(true)
            }
            Some(b'f') if self.text[self.at..].starts_with(b"false") => {
                self.at += 5;
                Ok(false)
            }
            _ => {
                let at = self.at;
                match self.integer() {
                    Ok(0) => Ok(false),
                    Ok(1) => Ok(true),
                    Ok(other) => Err(JsonError::new(at, format!("expected 0 or 1, found {other}"))),
                    Err(_) => Err(self.unexpected("0 or 1")),
                }
            }
        }
    }

    /// Takes any value and returns its text.
    pub fn skip(&mut self) -> Result<&'a [u8]> {
        self.skip_space();
        let begin = self.at;
        self.skip_nested(0)?;
        Ok(&self.text[begin..self.at])
    }

    fn skip_nested(&mut self, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(JsonError::new(self.at, "values nested too deeply"));
        }
        match self.peek() {
            Some(b'{') => self.object(|_, cursor| cursor.skip_nested(depth + 1)),
            Some(b'[') => self.list(|cursor| cursor.skip_nested(depth + 1)),
            Some(b'"') => self.raw_string("a string").map(|_| ()),
            Some(b't' | b'f') => self.boolean().map(|_| ()),
            Some(b'n') if self.null() => Ok(()),
            _ => self.float().map(|_| ()).map_err(|_| self.unexpected("a value")),
        }
    }

    /// Takes any value.
    pub fn value(&mut self) -> Result<Value> {
        self.skip_space();
        let begin = self.at;
        let raw = self.skip()?;
        serde_json::from_slice(raw)
            .map_err(|error| JsonError::new(begin, format!("a value that can't be read: {error}")))
    }

    /// Says so if anything follows.
    pub fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the text")),
        }
    }
}
