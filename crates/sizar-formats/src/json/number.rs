//! Numbers, read and written: rounded correctly, and quickly where they are short.

use std::fmt::Write as _;

/// The powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A number and how many bytes of the text it takes; `None` where none begins.
///
/// A quotient of a whole number below 2⁵³ and a power of ten up to 10²² is rounded once, hence
/// correctly; everything longer goes through the standard library.
#[inline]
pub fn float(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let (mut mantissa, mut at) = (0_u64, start);
    while let Some(digit) = digit(text, at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let whole = at - start;
    if whole == 0 || (whole > 1 && text[start] == b'0') {
        return None;
    }
    let mut decimals = 0;
    if text.get(at) == Some(&b'.') {
        at += 1;
        let point = at;
        while let Some(digit) = digit(text, at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
            at += 1;
        }
        decimals = at - point;
        if decimals == 0 {
            return None;
        }
    }
    let has_exponent = matches!(text.get(at), Some(b'e' | b'E'));
    if !has_exponent && whole + decimals <= 19 && mantissa < 1 << 53 {
        let value = mantissa as f64 / POWERS[decimals];
        return Some((if negative { -value } else { value }, at));
    }
    if has_exponent {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        digit(text, at)?;
        while digit(text, at).is_some() {
            at += 1;
        }
    }
    let value = std::str::from_utf8(&text[..at]).ok()?.parse().ok()?;
    Some((value, at))
}

#[inline]
fn digit(text: &[u8], at: usize) -> Option<u64> {
    let digit = text.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

/// A number of one of the forms that most coordinates have, with a comma after it, and how many
/// bytes both take; `None` says nothing.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a call takes as long as the number")]
pub fn short_float(text: &[u8]) -> Option<(f64, usize)> {
    let word = Word::of(text)?;
    (word.float::<3, 2>())
        .or_else(|| word.float::<2, 2>())
        .or_else(|| word.float::<3, 1>())
        .or_else(|| word.float::<2, 1>())
        .or_else(|| word.float::<1, 2>())
        .or_else(|| word.float::<1, 1>())
        .or_else(|| word.float::<3, 0>())
        .or_else(|| word.float::<2, 0>())
        .or_else(|| word.float::<1, 0>())
}

/// A whole number of one to four digits, with a comma after it, and how many bytes both take;
/// `None` says nothing.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a call takes as long as the number")]
pub fn short_integer(text: &[u8]) -> Option<(u32, usize)> {
    let word = Word::of(text)?;
    (word.digits::<3, 0>())
        .or_else(|| word.digits::<2, 0>())
        .or_else(|| word.digits::<1, 0>())
        .or_else(|| word.digits::<4, 0>())
}

/// Eight bytes of a text, looked at together.
///
/// Where a number ends is when the next can begin to be read. In a loop over digits, or where the
/// end is computed, a processor waits for it. With forms of a fixed length it guesses right which
/// one is next, and reads several numbers at a time.
struct Word {
    /// Digits have become 0 to 9.
    values: u64,
    /// The top bit of each byte that is no digit.
    others: u64,
}

impl Word {
    #[inline]
    fn of(text: &[u8]) -> Option<Self> {
        let values = u64::from_le_bytes(*text.first_chunk()?) ^ all(b'0');
        // what carries into the next byte is none, and comes first
        let others = (values.wrapping_add(all(0x76)) | values) & all(0x80);
        Some(Self { values, others })
    }

    /// Takes a number of `WHOLE` digits and `DECIMALS` decimals, and a comma.
    #[inline]
    fn float<const WHOLE: u32, const DECIMALS: u32>(&self) -> Option<(f64, usize)> {
        let (digits, length) = self.digits::<WHOLE, DECIMALS>()?;
        Some((f64::from(digits) / POWERS[DECIMALS as usize], length))
    }

    /// The same as its digits, without the point.
    #[inline]
    fn digits<const WHOLE: u32, const DECIMALS: u32>(&self) -> Option<(u32, usize)> {
        let point = if DECIMALS == 0 { 0 } else { 0x80 << (8 * WHOLE) };
        let end = WHOLE + DECIMALS + u32::from(DECIMALS > 0);
        let up_to_end = u64::MAX >> (56 - 8 * end);
        let byte = |at: u32| (self.values >> (8 * at)) as u8 ^ b'0';
        if self.others & up_to_end != point | 0x80 << (8 * end)
            || (DECIMALS > 0 && byte(WHOLE) != b'.')
            || (WHOLE > 1 && byte(0) == b'0')
            || byte(end) != b','
        {
            return None;
        }
        let before_point = (1 << (8 * WHOLE)) - 1;
        let digits = match DECIMALS {
            0 => self.values,
            _ => self.values & before_point | self.values >> 8 & !before_point,
        };
        // the last digit comes to the top; then neighbours join to pairs, to fours and to all eight
        let digits = digits << (64 - 8 * (WHOLE + DECIMALS));
        let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
        let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
        let eight = fours.wrapping_mul(10_000 << 32 | 1) >> 32;
        Some((eight as u32, end as usize + 1))
    }
}

/// The same byte eight times.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Writes a number with as few digits as read back as the same, as the standard library does.
///
/// Most coordinates have at most two decimals. Where a whole number below 10¹⁵ over a power of ten is the
/// number, no shorter text is: the search for one costs most of the time of writing polygons.
#[inline]
#[expect(clippy::float_cmp, reason = "what reads back as another number is not written")]
pub fn push(text: &mut String, value: f64) {
    const MOST: f64 = 1e15;
    for (decimals, power) in POWERS[..5].iter().enumerate() {
        let scaled = value * power;
        if scaled.is_nan() || scaled.abs() >= MOST {
            break;
        }
        let whole = scaled.round();
        // equal to the last bit, and below 0 there is a zero, too
        if whole / power == value && (value != 0.0 || value.is_sign_positive()) {
            return digits(text, whole as i64, decimals);
        }
    }
    let _ = write!(text, "{value}");
}

/// Writes `whole` with a point before its last `decimals` digits.
fn digits(text: &mut String, whole: i64, decimals: usize) {
    let mut made = [0; 24];
    let mut at = made.len();
    let mut rest = whole.unsigned_abs();
    let mut count = 0;
    while rest > 0 || count <= decimals {
        if count == decimals && decimals > 0 {
            at -= 1;
            made[at] = b'.';
        }
        at -= 1;
        made[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
    }
    if whole < 0 {
        at -= 1;
        made[at] = b'-';
    }
    text.push_str(std::str::from_utf8(&made[at..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{float, push, short_float, short_integer};

    fn written(value: f64) -> String {
        let mut text = String::new();
        push(&mut text, value);
        text
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for value in [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            -0.05,
            0.1,
            0.3,
            1.0 / 3.0,
            12.34,
            0.0001,
            0.000_01,
            1e15,
            123_456_789_012.34,
            999_999_999_999_999.0,
            1e300,
            5e-324,
            f64::NAN,
            f64::INFINITY,
            0.1 + 0.2,
            4.35,
            2.675,
            1_000_000.001,
            16_777_216.01,
        ] {
            assert_eq!(written(value), value.to_string());
        }
    }

    #[test]
    fn what_is_no_number_in_json_is_none_here() {
        for text in ["", "-", "01", "-01", "1.", ".5", "1e", "1e+", "NaN", "Infinity", "+1"] {
            assert_eq!(float(text.as_bytes()), None, "{text}");
            let text = format!("{text},       ");
            assert_eq!(short_float(text.as_bytes()), None, "{text}");
            assert_eq!(short_integer(text.as_bytes()), None, "{text}");
        }
        assert_eq!(float(b"12.50,"), Some((12.5, 5)));
        assert_eq!(float(b"-0 "), Some((-0.0, 2)));
    }

    #[test]
    fn short_numbers_are_those_that_all_eight_bytes_show() {
        for (text, value) in
            [("123.45,--", 123.45), ("0.05,]   ", 0.05), ("7, 8, 9  ", 7.0), ("480, 640 ", 480.0)]
        {
            let length = text.find(',').unwrap() + 1;
            assert_eq!(short_float(text.as_bytes()), Some((value, length)), "{text}");
        }
        assert_eq!(short_integer(b"307,200,1"), Some((307, 4)));
        // at the end of a list or the text, too long, with two points, with what is not ASCII
        for text in [
            "1.5]    ",
            "1.5,",
            "12345678",
            "1.234,  ",
            "1.5.3,  ",
            "1.\u{e9}5,    ",
            "1\u{ff}1.5,  ",
        ] {
            assert_eq!(short_float(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_float_is_read_as_the_standard_library_reads_it(
            value in proptest::num::f64::NORMAL,
            short in -1_000_000_000_i64..1_000_000_000,
            decimals in 0_usize..9,
        ) {
            for text in [format!("{value}"), format!("{value:e}"), format!("{:.decimals$}", short as f64 / 1e4)] {
                let expected: f64 = text.parse().unwrap();
                let (read, length) = float(text.as_bytes()).unwrap();
                prop_assert_eq!(read.to_bits(), expected.to_bits(), "{}", &text);
                prop_assert_eq!(length, text.len());
                let text = format!("{text},       ");
                if let Some(short) = short_float(text.as_bytes()) {
                    prop_assert_eq!(short, (expected, length + 1), "{}", &text);
                }
                if let Some((short, end)) = short_integer(text.as_bytes()) {
                    prop_assert_eq!((f64::from(short), end), (expected, length + 1), "{}", &text);
                }
            }
        }

        #[test]
        fn any_float_is_written_as_the_standard_library_writes_it(
            value in proptest::num::f64::ANY,
            short in -1_000_000_000_000_000_i64..1_000_000_000_000_000,
            decimals in 0_i32..16,
        ) {
            for value in [value, short as f64, short as f64 / 10_f64.powi(decimals)] {
                prop_assert_eq!(written(value), value.to_string());
            }
        }
    }
}
