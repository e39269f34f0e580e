//! PostgreSQL's binary COPY format: a signature, tuples of cells, an end. Pure. It must not know types or builders.
//! The server sends a tuple a message, but promises nothing about where messages end: one may hold many tuples, or a part of one.

use bytes::{Buf, Bytes, BytesMut};

/// What every such stream begins with.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, length of what more the header has.
const HEADER: usize = SIGNATURE.len() + 8;
/// The bit of the flags that says that every tuple begins with an object id, which no server since PostgreSQL 12 sends; and the others
/// below it that a reader must know to go on.
const CRITICAL: u32 = 0xffff_0000;

/// The stream, taken apart.
#[derive(Debug, Default)]
pub struct Tuples {
    /// What came and has not been read.
    pending: BytesMut,
    begun: bool,
    ended: bool,
}

/// Where a tuple stands in what it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It ends here.
    At(usize),
    /// The rest has not come.
    Unfinished,
    /// There is none any more.
    End,
}

impl Tuples {
    /// Whether the server has said that there is no more. A stream that stops without it is not complete.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Gives every whole tuple of what has come to `take`, as its cells.
    ///
    /// # Errors
    /// For what is not of the format, and what `take` fails with.
    pub fn read<E>(
        &mut self,
        mut chunk: Bytes,
        fault: impl Fn(&str) -> E,
        mut take: impl FnMut(Cells<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.pending.is_empty() {
            // Rare: a message ended inside a tuple.
            self.pending.extend_from_slice(&chunk);
            chunk = std::mem::take(&mut self.pending).freeze();
        }
        if !self.begun {
            match header(&chunk).map_err(&fault)? {
                Some(length) => {
                    chunk.advance(length);
                    self.begun = true;
                }
                None => {
                    self.pending.extend_from_slice(&chunk);
                    return Ok(());
                }
            }
        }
        while !chunk.is_empty() {
            if self.ended {
                return Err(fault("more follows its end"));
            }
            match next(&chunk).map_err(&fault)? {
                Next::At(end) => {
                    take(Cells { rest: &chunk[2..end] })?;
                    chunk.advance(end);
                }
                Next::End => {
                    chunk.advance(2);
                    self.ended = true;
                }
                Next::Unfinished => {
                    self.pending.extend_from_slice(&chunk);
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The length of the header, once all of it is there.
fn header(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let begun = bytes.len().min(SIGNATURE.len());
    if bytes[..begun] != SIGNATURE[..begun] {
        return Err("it does not begin as binary COPY does");
    }
    let Some(mut fields) = bytes.get(SIGNATURE.len()..HEADER) else { return Ok(None) };
    if fields.get_u32() & CRITICAL != 0 {
        return Err("it is of a form of binary COPY that is not known");
    }
    let length = HEADER + fields.get_u32() as usize;
    Ok((bytes.len() >= length).then_some(length))
}

fn next(bytes: &[u8]) -> Result<Next, &'static str> {
    let Some(count) = bytes.first_chunk::<2>() else { return Ok(Next::Unfinished) };
    let count = match i16::from_be_bytes(*count) {
        -1 => return Ok(Next::End),
        ..0 => return Err("it has a tuple of fewer than no cells"),
        count => count,
    };
    let mut at = 2;
    for _ in 0..count {
        let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(Next::Unfinished) };
        at += 4;
        match i32::from_be_bytes(*length) {
            -1 => {}
            length => at += usize::try_from(length).map_err(|_| "it has a cell of less than no bytes")?,
        }
    }
    Ok(if at <= bytes.len() { Next::At(at) } else { Next::Unfinished })
}

/// The cells of one tuple, in order: their bytes, or null.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        // Walked before: what is not null has a length that is there.
        let length = i32::from_be_bytes(*length);
        let (cell, rest) = match usize::try_from(length) {
            Ok(length) => rest.split_at_checked(length).map(|(cell, rest)| (Some(cell), rest))?,
            Err(_) => (None, rest),
        };
        self.rest = rest;
        Some(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = Vec<Option<Vec<u8>>>;

    fn stream(rows: &[Row]) -> Vec<u8> {
        let mut bytes = [SIGNATURE, &[0; 8]].concat();
        for row in rows {
            bytes.extend((row.len() as i16).to_be_bytes());
            for cell in row {
                bytes.extend(cell.as_ref().map_or(-1, |cell| cell.len() as i32).to_be_bytes());
                bytes.extend(cell.iter().flatten());
            }
        }
        bytes.extend((-1i16).to_be_bytes());
        bytes
    }

    fn read(chunks: &[&[u8]]) -> Result<(Vec<Row>, bool), String> {
        let (mut tuples, mut rows) = (Tuples::default(), Vec::new());
        for chunk in chunks {
            tuples.read(Bytes::copy_from_slice(chunk), str::to_owned, |cells| {
                rows.push(cells.map(|cell| cell.map(<[u8]>::to_vec)).collect());
                Ok(())
            })?;
        }
        Ok((rows, tuples.ended()))
    }

    #[test]
    fn tuples_are_read_wherever_messages_end() {
        let rows: Vec<Row> =
            vec![vec![Some(b"abc".to_vec()), None], vec![Some(Vec::new()), Some(vec![0xff; 300])], vec![], vec![None, None]];
        let bytes = stream(&rows);
        assert_eq!(read(&[&bytes]), Ok((rows.clone(), true)));
        for cut in 0..bytes.len() {
            assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), Ok((rows.clone(), true)), "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single), Ok((rows.clone(), true)));
        // Stopped early it is not complete.
        assert!(!read(&[&bytes[..bytes.len() - 2]]).unwrap().1);
        // What the header may be extended by is passed over.
        let extended = [SIGNATURE, &[0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3], &bytes[HEADER..]].concat();
        assert_eq!(read(&[&extended]), Ok((rows, true)));
    }

    #[test]
    fn what_is_not_of_the_format_is_an_error() {
        let bytes = stream(&[vec![Some(b"abc".to_vec())]]);
        assert!(read(&[b"PGCOPX\n"]).unwrap_err().contains("begin"));
        let flagged = [SIGNATURE, &[0, 1, 0, 0, 0, 0, 0, 0]].concat();
        assert!(read(&[&flagged]).unwrap_err().contains("form"));
        assert!(read(&[&bytes, b"x"]).unwrap_err().contains("end"));
        let header = [SIGNATURE, &[0; 8]].concat();
        assert!(read(&[&header, &(-2i16).to_be_bytes()]).is_err());
        assert!(read(&[&header, &1i16.to_be_bytes(), &(-2i32).to_be_bytes()]).is_err());
    }
}
