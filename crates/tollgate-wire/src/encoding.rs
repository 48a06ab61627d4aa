//! `content-encoding` done and undone as the bytes arrive: gzip, deflate (zlib and raw), br, zstd (RFC 9110 section 8.4.1).

use std::{
    fmt,
    io::{self, Write},
};

use brotli::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

mod encoder;

pub use self::encoder::Encoder;

/// A content coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `gzip`, `x-gzip` (RFC 1952)
    Gzip,
    /// `deflate`: zlib (RFC 1950), or the raw form (RFC 1951) that some servers send instead
    Deflate,
    /// `br` (RFC 7932)
    Brotli,
    /// `zstd` (RFC 8878)
    Zstd,
}

/// Why encoded bytes cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not what the encoding says, or cut.
    #[error("the {0} encoding is broken")]
    Broken(Encoding),
    /// More came out than is allowed; the limit is in bytes.
    #[error("more than {0} bytes after decoding")]
    TooLarge(usize),
}

/// Decodes one body.
pub struct Decoder {
    encoding: Encoding,
    limit: usize,
    engine: Engine,
}

enum Engine {
    Gzip(MultiGzDecoder<Sink>),
    /// `deflate` before its second byte, which tells zlib from raw.
    Undecided(Vec<u8>, Sink),
    Zlib(ZlibDecoder<Sink>),
    Raw(DeflateDecoder<Sink>),
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd(zstd::stream::write::Decoder<'static, Sink>),
    /// After an error.
    Dead,
}

/// Takes what was decoded, up to a limit: a bomb is stopped before it is in memory.
struct Sink {
    decoded: Vec<u8>,
    left: usize,
    full: bool,
}

// === impl Encoding ===

impl Encoding {
    /// The encoding that a `content-encoding` value names; `None` for unknown ones and for lists of several.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim();
        let known = [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, encoding)| encoding)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        })
    }
}

// === impl Decoder ===

impl Decoder {
    /// A decoder that gives `limit` bytes over its life at most.
    ///
    /// # Errors
    /// [`DecodeError::Broken`] where the codec cannot be set up.
    pub fn new(encoding: Encoding, limit: usize) -> Result<Self, DecodeError> {
        let sink = Sink { decoded: Vec::new(), left: limit, full: false };
        let engine = match encoding {
            Encoding::Gzip => Engine::Gzip(MultiGzDecoder::new(sink)),
            Encoding::Deflate => Engine::Undecided(Vec::new(), sink),
            Encoding::Brotli => Engine::Brotli(Box::new(DecompressorWriter::new(sink, 4096))),
            Encoding::Zstd => Engine::Zstd(
                zstd::stream::write::Decoder::new(sink).map_err(|_| DecodeError::Broken(encoding))?,
            ),
        };
        Ok(Self { encoding, limit, engine })
    }

    /// Decodes the next piece and appends all that it yields to `out`.
    ///
    /// # Errors
    /// [`DecodeError`]; every later call then fails too.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        self.choose_deflate(piece);
        let written = match &mut self.engine {
            Engine::Undecided(..) => return Ok(()),
            Engine::Gzip(engine) => feed(engine, piece),
            Engine::Zlib(engine) => feed(engine, piece),
            Engine::Raw(engine) => feed(engine, piece),
            Engine::Brotli(engine) => feed(engine, piece),
            Engine::Zstd(engine) => feed(engine, piece),
            Engine::Dead => Err(io::ErrorKind::Other.into()),
        };
        self.settle(written, out)
    }

    /// The body ended: appends what is left.
    ///
    /// # Errors
    /// [`DecodeError::Broken`] where a gzip or br body was cut; the other formats do not always say.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let finished = match &mut self.engine {
            Engine::Undecided(..) | Engine::Dead => Err(io::ErrorKind::UnexpectedEof.into()),
            Engine::Gzip(engine) => engine.try_finish(),
            Engine::Zlib(engine) => engine.try_finish(),
            Engine::Raw(engine) => engine.try_finish(),
            Engine::Brotli(engine) => engine.close(),
            Engine::Zstd(engine) => engine.flush(),
        };
        self.settle(finished, out)
    }

    /// Tells zlib from raw by zlib's two header bytes (RFC 1950 section 2.2).
    fn choose_deflate(&mut self, piece: &[u8]) {
        let Engine::Undecided(held, _) = &mut self.engine else { return };
        held.extend_from_slice(piece);
        let [first, second, ..] = held[..] else { return };
        let Engine::Undecided(held, sink) = std::mem::replace(&mut self.engine, Engine::Dead) else { return };
        let is_zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
        // The header bytes that earlier pieces brought go in here, this piece follows in `push`.
        let before = &held[..held.len() - piece.len()];
        self.engine = if is_zlib {
            let mut engine = ZlibDecoder::new(sink);
            engine.write_all(before).map_or(Engine::Dead, |()| Engine::Zlib(engine))
        } else {
            let mut engine = DeflateDecoder::new(sink);
            engine.write_all(before).map_or(Engine::Dead, |()| Engine::Raw(engine))
        };
    }

    fn settle(&mut self, result: io::Result<()>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let full = self.sink().is_some_and(|sink| {
            out.append(&mut sink.decoded);
            sink.full
        });
        if full {
            self.engine = Engine::Dead;
            return Err(DecodeError::TooLarge(self.limit));
        }
        result.map_err(|_| {
            self.engine = Engine::Dead;
            DecodeError::Broken(self.encoding)
        })
    }

    fn sink(&mut self) -> Option<&mut Sink> {
        match &mut self.engine {
            Engine::Gzip(engine) => Some(engine.get_mut()),
            Engine::Undecided(_, sink) => Some(sink),
            Engine::Zlib(engine) => Some(engine.get_mut()),
            Engine::Raw(engine) => Some(engine.get_mut()),
            Engine::Brotli(engine) => Some(engine.get_mut()),
            Engine::Zstd(engine) => Some(engine.get_mut()),
            Engine::Dead => None,
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encoding, limit, engine: _ } = self;
        f.debug_struct("Decoder").field("encoding", encoding).field("limit", limit).finish_non_exhaustive()
    }
}

/// Feeds a decoder and makes it give what it can, since an event may end here.
fn feed(engine: &mut impl Write, piece: &[u8]) -> io::Result<()> {
    engine.write_all(piece)?;
    engine.flush()
}

// === impl Sink ===

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            self.full = true;
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        self.left = left;
        self.decoded.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
