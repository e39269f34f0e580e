//! Percent-decoding, once and after splitting, so that an encoded delimiter is never taken for a delimiter of the URL.

use super::Strictness;
use crate::error::ODataError;

/// Decoded text that remembers what was escaped, because some characters mean something only as themselves.
pub(super) struct Decoded {
    pub(super) text: String,
    /// Offsets in bytes, ascending, of what came from a percent-escape.
    pub(super) escaped: Vec<u32>,
}

impl Decoded {
    /// Text that was never encoded.
    pub(super) fn plain(text: &str) -> Decoded {
        Decoded { text: text.to_owned(), escaped: Vec::new() }
    }
}

/// Decodes a path segment; `+` is itself. `target` and `base` say where an error is.
pub(super) fn segment(raw: &str, target: &str, base: usize, strictness: Strictness) -> Result<Decoded, ODataError> {
    decode(raw, false, target, base, strictness)
}

/// Decodes the name or value of a query option. `+` is a space, as HTML forms have it, except where only a sign can stand: before the
/// offset of a timestamp and in an exponent. Clients that mean a plus elsewhere write `%2B`. The grammar knows no such reading, so in
/// strict mode `+` is itself.
pub(super) fn option(raw: &str, target: &str, strictness: Strictness) -> Result<Decoded, ODataError> {
    decode(raw, !strictness.is_strict(), target, 0, strictness)
}

/// Characters that no URL may hold unless they are escaped. Blanks, brackets, braces, double quotes and backslashes are not among
/// them: the grammar takes them, as some clients send them so.
fn never_raw(byte: u8) -> bool {
    matches!(byte, b'#' | b'<' | b'>' | b'^' | b'`' | b'|' | 0x7F) || (byte < b' ' && byte != b'\t')
}

fn decode(raw: &str, plus_is_space: bool, target: &str, base: usize, strictness: Strictness) -> Result<Decoded, ODataError> {
    let bytes = raw.as_bytes();
    let strict = strictness.is_strict();
    let plain = |byte: &u8| *byte != b'%' && !(plus_is_space && *byte == b'+') && !(strict && never_raw(*byte));
    if bytes.iter().all(plain) {
        return Ok(Decoded::plain(raw));
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut escaped = Vec::new();
    let mut at = 0;
    let wrong = |decoded: &[u8], what: String| {
        let characters = String::from_utf8_lossy(decoded).chars().count();
        ODataError::bad_request(what).at(target, Some(base + characters))
    };
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'%' => {
                let pair = bytes.get(at + 1..at + 3).unwrap_or_default();
                let digit = |index: usize| pair.get(index).and_then(|byte| (*byte as char).to_digit(16));
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    return Err(wrong(
                        &decoded,
                        format!("{target} holds '%' without two hexadecimal digits after it; a percent sign is %25"),
                    ));
                };
                escaped.push(u32::try_from(decoded.len()).unwrap_or(u32::MAX));
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            b'+' if plus_is_space => {
                decoded.push(if is_sign(bytes, at) { b'+' } else { b' ' });
                at += 1;
            }
            byte if strict && never_raw(byte) => {
                let shown = if byte > b' ' && byte < 0x7F { format!("'{}'", byte as char) } else { "a control character".to_owned() };
                return Err(wrong(&decoded, format!("{target} holds {shown}, which a URL writes %{byte:02X}")));
            }
            byte => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    let text = String::from_utf8(decoded).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        wrong(error.as_bytes().get(..valid).unwrap_or_default(), format!("{target} is not UTF-8 once its percent-escapes are resolved"))
    })?;
    Ok(Decoded { text, escaped })
}

/// Whether the `+` at this place can only be a sign: `…T10:00:00+02:00` (the colon perhaps encoded), `1e+5`.
fn is_sign(bytes: &[u8], at: usize) -> bool {
    let digit = |index: Option<usize>| index.and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_digit);
    let before = |back: usize| at.checked_sub(back);
    if digit(before(1)) && digit(Some(at + 1)) && digit(Some(at + 2)) {
        let rest = bytes.get(at + 3..).unwrap_or_default();
        let colon = if rest.starts_with(b":") {
            1
        } else if rest.starts_with(b"%3A") || rest.starts_with(b"%3a") {
            3
        } else {
            0
        };
        return colon > 0 && digit(Some(at + 3 + colon)) && digit(Some(at + 4 + colon));
    }
    let exponent = before(1).and_then(|index| bytes.get(index)).is_some_and(|byte| matches!(byte, b'e' | b'E'));
    exponent && digit(before(2)) && digit(Some(at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_is_a_space_except_as_a_sign() {
        let read = |text| option(text, "$filter", Strictness::Lenient).unwrap().text;
        assert_eq!(read("Name+eq+'C%2B%2B'"), "Name eq 'C++'");
        assert_eq!(read("At+lt+2026-08-01T10:00:00+02:00"), "At lt 2026-08-01T10:00:00+02:00");
        assert_eq!(read("At+lt+2026-08-01T10%3A00%3A00+02%3A00"), "At lt 2026-08-01T10:00:00+02:00");
        assert_eq!(read("A+gt+1e+5"), "A gt 1e+5");
        assert_eq!(read("A+eq+e+add+5"), "A eq e add 5");
        assert_eq!(segment("A+B%20C", "path", 0, Strictness::Lenient).unwrap().text, "A+B C");
        assert_eq!(read("%25"), "%");
        assert_eq!(read("%2525"), "%25", "decoded once");
    }

    #[test]
    fn malformed_escapes_are_placed() {
        let place = |text| option(text, "$filter", Strictness::Lenient).err().unwrap().position;
        assert_eq!(place("ab%zz"), Some(2));
        assert_eq!(place("%C3%A4%"), Some(1));
        assert_eq!(segment("a%C3%28", "path", 10, Strictness::Lenient).err().unwrap().position, Some(11));
    }

    #[test]
    fn strict_text_is_what_a_url_may_hold() {
        let strict = |text| option(text, "$filter", Strictness::Strict);
        assert_eq!(strict("a+b").unwrap().text, "a+b", "a plus is itself");
        assert_eq!(strict("a|b").err().unwrap().position, Some(1));
        assert_eq!(strict("%41 \"#").err().unwrap().position, Some(3));
        assert_eq!(strict("a%23b").unwrap().escaped, [1]);
    }
}
