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

/// Which bytes of a text need a look before they stand inside a JSON string: a bit for each.
#[derive(Debug)]
pub(super) struct Specials(Vec<u64>);

impl Specials {
    /// Nothing when there are none.
    pub(super) fn of(bytes: &[u8]) -> Option<Specials> {
        // The first byte of separators begins other characters too: it is only looked for where there are separators.
        let mut starts = memchr::memchr_iter(SEPARATOR, bytes);
        let separator = if starts.any(|at| begins_separator(bytes, at)) { SEPARATOR } else { b'"' };
        let (blocks, rest) = bytes.as_chunks::<64>();
        let mut masks = Vec::with_capacity(blocks.len() + 1);
        let mut any = 0;
        for block in blocks {
            let mask = mask(block, separator);
            any |= mask;
            masks.push(mask);
        }
        let mut last = [b' '; 64];
        last.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
        let mask = mask(&last, separator);
        masks.push(mask);
        (any | mask != 0).then_some(Specials(masks))
    }

    /// The first one in a range.
    #[inline]
    pub(super) fn next(&self, start: usize, end: usize) -> Option<usize> {
        let mut at = start;
        while at < end {
            let found = self.0.get(at / 64)? >> (at % 64);
            if found != 0 {
                return Some(at + found.trailing_zeros() as usize).filter(|at| *at < end);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }
}

/// A bit for each byte that is special. The bytes are compared in vectors; a multiplication gathers the bits of eight of them.
#[inline]
fn mask(block: &[u8; 64], separator: u8) -> u64 {
    let mut flags = [0_u8; 64];
    for (flag, byte) in flags.iter_mut().zip(block) {
        let byte = *byte;
        *flag = u8::from((byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0x7F) | (byte == separator));
    }
    let (words, _) = flags.as_chunks::<8>();
    let gathered = |word: &[u8; 8]| u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    words.iter().enumerate().fold(0, |mask, (index, word)| mask | gathered(word) << (8 * index))
}

fn begins_separator(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xA8 | 0xA9]))
}

/// What stands inside a JSON string for the character that begins at a place, and how long that character is; nothing for one that
/// stands for itself.
#[inline]
pub(super) fn escape_at(bytes: &[u8], at: usize) -> Option<([u8; 6], usize, usize)> {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    let byte = *bytes.get(at)?;
    match ESCAPES[byte as usize] {
        0 if byte == SEPARATOR && begins_separator(bytes, at) => {
            let last = if bytes.get(at + 2) == Some(&0xA8) { b'8' } else { b'9' };
            Some(([b'\\', b'u', b'2', b'0', b'2', last], 6, 3))
        }
        0 => None,
        b'u' => Some(([b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]], 6, 1)),
        letter => Some(([b'\\', letter, 0, 0, 0, 0], 2, 1)),
    }
}

#[cold]
fn is_clean_exactly(bytes: &[u8]) -> bool {
    let plain = bytes.iter().all(|byte| ESCAPES[*byte as usize] == 0);
    plain && !memchr::memchr_iter(SEPARATOR, bytes).any(|at| begins_separator(bytes, at))
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
            prop_assert_eq!(Specials::of(text.as_bytes()).is_none(), clean);
        }

        #[test]
        fn strings_are_read_back(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&written(&text)).unwrap(), text);
        }
    }
}
