//! Columns of text → JSON strings. What needs an escape is looked for once per batch, over all texts at once; texts that need none are
//! copied. It must not know of nulls: they are the caller's.

use super::escape::{Specials, escape_at};
use super::sink::Sink;
use arrow::array::{GenericStringArray, OffsetSizeTrait};

/// The texts of a column.
pub(super) struct Texts<'a, O: OffsetSizeTrait> {
    offsets: &'a [O],
    values: &'a [u8],
    /// Which bytes of the batch's texts need a look, found out at once for all of them, counted from `first`; mostly none.
    specials: Option<Specials>,
    first: usize,
}

impl<'a, O: OffsetSizeTrait> Texts<'a, O> {
    pub(super) fn new(array: &'a GenericStringArray<O>) -> Texts<'a, O> {
        let (offsets, values): (&[O], &[u8]) = (array.value_offsets(), array.value_data());
        let (first, last) = (offsets.first().map_or(0, |at| at.as_usize()), offsets.last().map_or(0, |at| at.as_usize()));
        Texts { offsets, values, specials: Specials::of(values.get(first..last).unwrap_or_default()), first }
    }

    /// The bytes of a text.
    pub(super) fn bytes(&self, row: usize) -> &[u8] {
        match self.offsets.get(row..row + 2) {
            Some([start, end]) => self.values.get(start.as_usize()..end.as_usize()).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Appends a text in quotes.
    #[inline]
    pub(super) fn write(&self, row: usize, sink: &mut Sink) {
        let Some([start, end]) = self.offsets.get(row..row + 2) else { return };
        let (start, end) = (start.as_usize(), end.as_usize());
        let special = self.specials.as_ref().and_then(|specials| specials.next(start - self.first, end - self.first));
        match special {
            None if end - start <= 32 => self.quoted::<32, 34>(start, end, sink),
            None => self.quoted::<64, 66>(start, end, sink),
            Some(_) => self.write_escaped(start, end, sink),
        }
    }

    /// Appends a text that needs no escape. Short ones are copied as a block that reaches into what follows them.
    #[inline]
    fn quoted<const BLOCK: usize, const WINDOW: usize>(&self, start: usize, end: usize, sink: &mut Sink) {
        let length = end - start;
        if length <= BLOCK
            && let Some(block) = self.values.get(start..).and_then(|rest| rest.first_chunk::<BLOCK>())
        {
            sink.window(|window: &mut [u8; WINDOW]| {
                window[0] = b'"';
                window[1..=BLOCK].copy_from_slice(block);
                window[1 + length] = b'"';
                length + 2
            });
            return;
        }
        sink.byte(b'"');
        sink.put(self.values.get(start..end).unwrap_or_default());
        sink.byte(b'"');
    }

    /// Appends a text in quotes, with its special characters escaped.
    #[inline(never)]
    fn write_escaped(&self, start: usize, end: usize, sink: &mut Sink) {
        sink.byte(b'"');
        let (mut done, mut at) = (start, start);
        let next = |at: usize| self.specials.as_ref()?.next(at - self.first, end - self.first).map(|found| found + self.first);
        while let Some(found) = next(at) {
            match escape_at(self.values, found) {
                Some((escape, length, replaced)) => {
                    self.run(done, found, sink);
                    sink.block(&escape, length);
                    at = found + replaced;
                    done = at;
                }
                None => at = found + 1,
            }
        }
        self.run(done, end, sink);
        sink.byte(b'"');
    }

    /// Appends bytes as they are.
    #[inline]
    fn run(&self, start: usize, end: usize, sink: &mut Sink) {
        let length = end - start;
        match self.values.get(start..).and_then(|rest| rest.first_chunk::<32>()) {
            Some(block) if length <= 32 => sink.block(block, length),
            _ => sink.put(self.values.get(start..end).unwrap_or_default()),
        }
    }
}
