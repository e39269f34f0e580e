//! Text files of any encoding as UTF-8, piece by piece. What is no text of its encoding is an error, never a replacement character.

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::io::{BufRead, Read};

const PIECE: usize = 64 << 10;

/// A reader of UTF-8.
pub(crate) struct Decoded<R> {
    inner: R,
    decoder: Option<Decoder>,
    encoding: &'static Encoding,
    raw: Vec<u8>,
    raw_at: usize,
    text: Vec<u8>,
    text_at: usize,
    begun: bool,
    ended: bool,
    /// Bytes of the file that were decoded.
    decoded: u64,
}

/// The encoding of that name.
pub(crate) fn encoding(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label(name.as_bytes())
}

impl<R: Read> Decoded<R> {
    /// `declared` is the encoding where it is not UTF-8. A byte order mark is not part of the text, and one of UTF-16 says that it is that.
    pub(crate) fn new(inner: R, declared: Option<&'static Encoding>) -> Decoded<R> {
        Decoded {
            inner,
            decoder: None,
            encoding: declared.unwrap_or(UTF_8),
            raw: Vec::new(),
            raw_at: 0,
            text: Vec::new(),
            text_at: 0,
            begun: false,
            ended: false,
            decoded: 0,
        }
    }

    fn read_raw(&mut self) -> std::io::Result<()> {
        self.raw.drain(..self.raw_at);
        self.raw_at = 0;
        let before = self.raw.len();
        self.raw.resize(before + PIECE, 0);
        let read = match self.raw.get_mut(before..) {
            Some(room) => self.inner.read(room)?,
            None => 0,
        };
        self.raw.truncate(before + read);
        self.ended = read == 0;
        Ok(())
    }

    /// Looks at the first bytes.
    fn begin(&mut self) -> std::io::Result<()> {
        while self.raw.len() < 3 && !self.ended {
            self.read_raw()?;
        }
        if let Some((marked, length)) = Encoding::for_bom(&self.raw) {
            if self.encoding != UTF_8 && self.encoding != marked {
                let is_utf_16 = |encoding: &Encoding| encoding == UTF_16LE || encoding == UTF_16BE;
                // `utf-16` is little-endian in the WHATWG's list, and the mark knows better.
                if !(is_utf_16(self.encoding) && is_utf_16(marked)) {
                    return Err(invalid(format!(
                        "its byte order mark says {}, and the configuration {}",
                        marked.name(),
                        self.encoding.name()
                    )));
                }
            }
            self.encoding = marked;
            self.raw_at = length;
            self.decoded = length as u64;
        }
        self.decoder = Some(self.encoding.new_decoder_without_bom_handling());
        self.begun = true;
        Ok(())
    }

    fn fill(&mut self) -> std::io::Result<()> {
        if !self.begun {
            self.begin()?;
        }
        self.text.clear();
        self.text_at = 0;
        while self.text.is_empty() {
            if self.raw_at == self.raw.len() && !self.ended {
                self.read_raw()?;
            }
            let Some(decoder) = &mut self.decoder else { return Ok(()) };
            let raw = self.raw.get(self.raw_at..).unwrap_or_default();
            let room = decoder.max_utf8_buffer_length_without_replacement(raw.len()).unwrap_or(PIECE * 4);
            self.text.resize(room.max(16), 0);
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(raw, &mut self.text, self.ended);
            self.text.truncate(written);
            self.raw_at += read;
            self.decoded += read as u64;
            if let DecoderResult::Malformed(..) = result {
                let (encoding, at) = (self.encoding.name(), self.decoded);
                return Err(invalid(format!("what stands before byte {at} is no {encoding}: declare the file's 'encoding'")));
            }
            if self.ended {
                if result == DecoderResult::InputEmpty {
                    self.decoder = None;
                }
                return Ok(());
            }
        }
        Ok(())
    }
}

fn invalid(message: String) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, message)
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), available.get(..length)) {
            to.copy_from_slice(from);
        }
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        let is_over = self.begun && self.decoder.is_none();
        if self.text_at == self.text.len() && !is_over {
            self.fill()?;
        }
        Ok(self.text.get(self.text_at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.text_at = (self.text_at + amount).min(self.text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], declared: Option<&str>) -> Result<String, String> {
        let mut text = String::new();
        let declared = declared.map(|name| encoding(name).unwrap());
        // One byte at a time, so that characters are cut everywhere.
        let pieces =
            bytes.iter().fold(Box::new(std::io::empty()) as Box<dyn Read>, |all, byte| Box::new(all.chain(std::io::Cursor::new([*byte]))));
        Decoded::new(pieces, declared).read_to_string(&mut text).map(|_| text).map_err(|error| error.to_string())
    }

    #[test]
    fn encodings_are_decoded() {
        assert_eq!(read("ä€😀".as_bytes(), None).unwrap(), "ä€😀");
        assert_eq!(read(b"\xef\xbb\xbfa", None).unwrap(), "a");
        assert_eq!(read(b"\xe4\x80", Some("windows-1252")).unwrap(), "ä€");
        assert_eq!(read(b"\xff\xfea\0\xac\x20", None).unwrap(), "a€");
        assert_eq!(read(b"\xfe\xff\0a\x20\xac", Some("utf-16")).unwrap(), "a€");
        assert_eq!(read(b"a\0", Some("utf-16le")).unwrap(), "a");
        assert_eq!(read(b"", None).unwrap(), "");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(read(b"ab\xe4c", None).unwrap_err().contains("UTF-8"));
        assert!(read(b"ab\xc3", None).unwrap_err().contains("UTF-8"));
        assert!(read(b"a\0b", Some("utf-16le")).unwrap_err().contains("UTF-16LE"));
        assert!(read(b"\xff\xfea\0", Some("windows-1252")).unwrap_err().contains("byte order mark"));
    }
}
