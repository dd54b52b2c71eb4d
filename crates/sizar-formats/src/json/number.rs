//! Numbers, rounded correctly, and quickly where they are short.

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::float;

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
    }
}
