use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};

/// Several `Bytes` as one frame: written with one vectored call, never joined.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    /// Kept apart: one chunk alone, the usual reply that is not streamed, needs no list.
    first: Bytes,
    rest: VecDeque<Bytes>,
    remaining: usize,
}

// === impl Chunks ===

impl Chunks {
    /// Appends a chunk; an empty one is left out.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.remaining += chunk.len();
            if self.first.is_empty() {
                self.first = chunk;
            } else {
                self.rest.push_back(chunk);
            }
        }
    }

    /// True where nothing is left to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remaining == 0
    }
}

impl From<Bytes> for Chunks {
    fn from(chunk: Bytes) -> Self {
        let mut chunks = Self::default();
        chunks.push(chunk);
        chunks
    }
}

impl FromIterator<Bytes> for Chunks {
    fn from_iter<T: IntoIterator<Item = Bytes>>(iter: T) -> Self {
        let mut chunks = Self::default();
        iter.into_iter().for_each(|chunk| chunks.push(chunk));
        chunks
    }
}

impl Extend<Bytes> for Chunks {
    fn extend<T: IntoIterator<Item = Bytes>>(&mut self, iter: T) {
        iter.into_iter().for_each(|chunk| self.push(chunk));
    }
}

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        &self.first
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        if self.is_empty() {
            return 0;
        }
        let parts = std::iter::once(&self.first).chain(&self.rest);
        dst.iter_mut().zip(parts).map(|(slot, part)| *slot = IoSlice::new(part)).count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "the writer advances by what it wrote");
        self.remaining -= count;
        while count >= self.first.len() {
            count -= self.first.len();
            match self.rest.pop_front() {
                Some(next) => self.first = next,
                None => return self.first.clear(),
            }
        }
        self.first.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use bytes::{Buf, Bytes};
    use proptest::{collection::vec, prelude::*};

    use super::Chunks;

    proptest! {
        #[test]
        fn any_writer_sees_the_same_bytes(
            parts in vec(vec(any::<u8>(), 0..20), 0..12),
            steps in vec((1..6_usize, 1..25_usize), 0..200),
        ) {
            let whole = parts.concat();
            let mut chunks: Chunks = parts.into_iter().map(Bytes::from).collect();
            let mut written = Vec::new();
            for (slots, most) in steps {
                prop_assert_eq!(chunks.remaining(), whole.len() - written.len());
                let mut slices = std::vec![IoSlice::new(&[]); slots];
                let filled = chunks.chunks_vectored(&mut slices);
                let offered = slices[..filled].iter().flat_map(|slice| slice.iter().copied());
                let taken: Vec<u8> = offered.take(most).collect();
                prop_assert_eq!(taken.is_empty(), chunks.is_empty());
                prop_assert_eq!(chunks.chunk().is_empty(), chunks.is_empty());
                chunks.advance(taken.len());
                written.extend(taken);
            }
            let rest = chunks.remaining();
            written.extend(chunks.copy_to_bytes(rest));
            prop_assert_eq!(written, whole);
        }
    }
}
