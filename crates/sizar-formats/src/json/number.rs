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

    use super::{float, push};

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
        }
        assert_eq!(float(b"12.50,"), Some((12.5, 5)));
        assert_eq!(float(b"-0 "), Some((-0.0, 2)));
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
