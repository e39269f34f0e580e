//! JSON strings. Only what JSON requires is escaped, and the two separators that JavaScript once took for line ends.

/// What replaces a byte: 0 for nothing, `u` for `\u00XX`, otherwise the letter after the backslash.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0A] = b'n';
    table[0x0C] = b'f';
    table[0x0D] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[0x7F] = b'u';
    table
};

/// The first byte of U+2028 and U+2029 in UTF-8.
const SEPARATOR: u8 = 0xE2;

/// Appends a text as a JSON string, quotes included.
pub(crate) fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    push_escaped(text, out);
    out.push(b'"');
}

/// Appends a text as the inside of a JSON string.
pub(crate) fn push_escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len());
    let mut done = 0;
    let mut at = 0;
    // Most texts hold no separator at all, and then the loop need not look for its first byte.
    let separators = memchr::memchr(SEPARATOR, bytes).is_some();
    while let Some(byte) = bytes.get(at).copied() {
        let escape = ESCAPES[byte as usize];
        if escape == 0 && !(separators && byte == SEPARATOR) {
            at += 1;
            continue;
        }
        if escape == 0 {
            let digit = match bytes.get(at + 1..at + 3) {
                Some([0x80, 0xA8]) => b'8',
                Some([0x80, 0xA9]) => b'9',
                _ => {
                    at += 1;
                    continue;
                }
            };
            out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
            out.extend_from_slice(b"\\u202");
            out.push(digit);
            at += 3;
        } else {
            out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
            push_escape(byte, escape, out);
            at += 1;
        }
        done = at;
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
}

fn push_escape(byte: u8, escape: u8, out: &mut Vec<u8>) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    out.push(b'\\');
    out.push(escape);
    if escape == b'u' {
        out.extend_from_slice(b"00");
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

/// Whether bytes of UTF-8 can stand inside a JSON string as they are. Blocks are looked at whole, which compilers turn into vector
/// instructions; that a block holds the first byte of a separator is rare enough to look again.
#[inline]
pub(super) fn is_clean(bytes: &[u8]) -> bool {
    #[inline]
    fn special(found: bool, byte: &u8) -> bool {
        found | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\') | (*byte == 0x7F) | (*byte == SEPARATOR)
    }
    let mut suspect = false;
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        suspect |= block.iter().fold(false, special);
    }
    suspect |= blocks.remainder().iter().fold(false, special);
    !suspect || is_clean_exactly(bytes)
}

#[cold]
fn is_clean_exactly(bytes: &[u8]) -> bool {
    let plain = bytes.iter().all(|byte| ESCAPES[*byte as usize] == 0);
    let separator = |at: usize| matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xA8 | 0xA9]));
    plain && !memchr::memchr_iter(SEPARATOR, bytes).any(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        push_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_control_character_and_separator_is_escaped() {
        for code in (0..=0x20).chain([0x7F, 0x22, 0x5C, 0x2027, 0x2028, 0x2029, 0x202A, 0xE2, 0xFFFF, 0x1F600]) {
            let text = format!("a{}b", char::from_u32(code).unwrap());
            let json = written(&text);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "{code:x}");
            assert!(!json.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}'), "{code:x}");
        }
        assert!(is_clean("’€ \u{2027}".as_bytes()) && !is_clean("a\u{2029}".as_bytes()) && !is_clean(b"\x7f"));
        assert_eq!(written("\u{0}\t\"\\/é\u{2028}€\u{2029}"), r#""\u0000\t\"\\/é\u2028€\u2029""#);
    }

    proptest! {
        #[test]
        fn clean_is_what_needs_no_escape(text in any::<String>(), pad in 0..70_usize) {
            let text = format!("{}{text}", "x".repeat(pad));
            let clean = written(&text).len() == text.len() + 2;
            prop_assert_eq!(is_clean(text.as_bytes()), clean);
        }

        #[test]
        fn strings_are_read_back(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&written(&text)).unwrap(), text);
        }
    }
}
