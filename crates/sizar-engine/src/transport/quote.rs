//! Writes words that a POSIX `sh` reads as one argument, whatever is in them.

/// Returns `word` quoted for a POSIX `sh`.
///
/// Bytes that are no UTF-8 stay as they are. A word cannot hold a NUL byte: see
/// [`InvalidStep`](super::TransportError::InvalidStep).
pub fn quoted(word: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(word.len() + 2);
    push_quoted(&mut text, word);
    text
}

/// Appends `word`, quoted.
pub(super) fn push_quoted(text: &mut Vec<u8>, word: &[u8]) {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:,@%".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        text.extend_from_slice(word);
        return;
    }
    text.push(b'\'');
    for &byte in word {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            byte => text.push(byte),
        }
    }
    text.push(b'\'');
}

/// Appends a quoted format for `printf` that prints exactly `bytes`, NUL bytes among them.
pub(super) fn push_printf(text: &mut Vec<u8>, bytes: &[u8]) {
    text.extend_from_slice(b"printf '");
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            // a format that begins so is taken for an option
            b'-' if at == 0 => text.extend_from_slice(b"\\055"),
            b'\'' => text.extend_from_slice(b"'\\''"),
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'%' => text.extend_from_slice(b"%%"),
            b'\n' | b'\t' | b' '..=b'~' => text.push(byte),
            // always three digits, so that a digit that follows is not taken for a fourth
            byte => text.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    text.push(b'\'');
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn said_by(shell: &str, script: &[u8]) -> Vec<u8> {
        let output = Command::new(shell).arg("-c").arg(OsStr::from_bytes(script)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[test]
    fn hard_words_come_back() {
        let words: [&[u8]; 9] =
            [b"", b"a b", b"it's", b"-n", b"a\nb\n", b"$(x) `y` \\ \"", b"\xff\xfe", b"~", b"*"];
        for word in words {
            let script = [b"printf %s ".as_slice(), &quoted(word)].concat();
            for shell in ["sh", "bash"] {
                assert_eq!(said_by(shell, &script), word, "{shell}: {word:?}");
            }
        }
    }

    #[test]
    fn what_begins_like_an_option_is_printed() {
        for bytes in [b"-".as_slice(), b"-n\n", b"--\0", b"-v x"] {
            let mut script = Vec::new();
            push_printf(&mut script, bytes);
            for shell in ["sh", "bash"] {
                assert_eq!(said_by(shell, &script), bytes, "{shell}: {bytes:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_word_comes_back(word in proptest::collection::vec(1u8..=255, 0..60)) {
            let script = [b"printf %s ".as_slice(), &quoted(&word)].concat();
            prop_assert_eq!(said_by("sh", &script), word);
        }

        #[test]
        fn any_bytes_are_printed(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut script = Vec::new();
            push_printf(&mut script, &bytes);
            prop_assert_eq!(said_by("sh", &script), bytes);
        }
    }
}
