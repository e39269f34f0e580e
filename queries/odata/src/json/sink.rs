//! The buffer that rows are written into. It is kept filled with bytes beyond what is written, so that short texts are written as
//! blocks of a fixed length, of which only a part counts: that needs one check and no loop. It must not know what is written.

use bytes::BytesMut;

/// How many bytes are gathered before they are moved on.
const SPILL: usize = 32 * 1024;

/// Bytes, of which those before `at` are written.
#[derive(Debug, Default)]
pub(super) struct Sink {
    bytes: Vec<u8>,
    at: usize,
}

impl Sink {
    /// What is written.
    pub(super) fn written(&self) -> &[u8] {
        self.bytes.get(..self.at).unwrap_or_default()
    }

    /// How much is written.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.at
    }

    /// Forgets what is written, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.at = 0;
    }

    /// Moves what is written to `out` once it is much: before it leaves the processor's cache.
    #[inline]
    pub(super) fn spill(&mut self, out: &mut BytesMut) {
        if self.at >= SPILL {
            out.extend_from_slice(self.written());
            self.at = 0;
        }
    }

    /// Forgets what was written after a place.
    pub(super) fn truncate(&mut self, at: usize) {
        self.at = self.at.min(at);
    }

    #[inline(always)]
    fn room(&mut self, count: usize) {
        if self.at + count > self.bytes.len() {
            self.grow(count);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, count: usize) {
        let wanted = (self.at + count).max(self.bytes.len() * 2).max(4096);
        self.bytes.resize(wanted, 0);
    }

    /// Appends a byte.
    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.room(1);
        if let Some(slot) = self.bytes.get_mut(self.at) {
            *slot = byte;
        }
        self.at += 1;
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.room(bytes.len());
        let end = self.at + bytes.len();
        if let Some(slot) = self.bytes.get_mut(self.at..end) {
            slot.copy_from_slice(bytes);
        }
        self.at = end;
    }

    /// Lets at most `N` bytes be written in place; what `write` returns is how many of them count.
    #[inline(always)]
    pub(super) fn window<const N: usize>(&mut self, write: impl FnOnce(&mut [u8; N]) -> usize) {
        self.room(N);
        if let Some(window) = self.bytes.get_mut(self.at..).and_then(|rest| rest.first_chunk_mut::<N>()) {
            self.at += write(window).min(N);
        }
    }

    /// Appends the first `used` bytes of a block.
    #[inline(always)]
    pub(super) fn block<const N: usize>(&mut self, block: &[u8; N], used: usize) {
        self.window(|window: &mut [u8; N]| {
            *window = *block;
            used
        });
    }

    /// Replaces a byte that is written.
    #[inline]
    pub(super) fn set(&mut self, at: usize, byte: u8) {
        if at < self.at
            && let Some(slot) = self.bytes.get_mut(at)
        {
            *slot = byte;
        }
    }
}

/// A text that is written again and again.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    head: [u8; 32],
    head_length: usize,
    rest: Vec<u8>,
}

impl Stamp {
    pub(super) fn new(text: &[u8]) -> Stamp {
        let (first, rest) = text.split_at(text.len().min(32));
        let mut head = [0; 32];
        for (slot, byte) in head.iter_mut().zip(first) {
            *slot = *byte;
        }
        Stamp { head, head_length: first.len(), rest: rest.to_vec() }
    }

    /// Appends it.
    #[inline(always)]
    pub(super) fn push(&self, sink: &mut Sink) {
        sink.block(&self.head, self.head_length);
        if !self.rest.is_empty() {
            sink.put(&self.rest);
        }
    }
}
