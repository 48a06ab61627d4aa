use std::{
    fmt,
    io::{self, Write},
};

use brotli::CompressorWriter;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};

use super::Encoding;

/// As with Envoy: what a gateway does on the way has to be quick, and its window small.
const BROTLI: (u32, u32) = (3, 18);
const BROTLI_BUFFER: usize = 4096;
const ZSTD: i32 = 1;

/// Encodes one body as it goes by.
pub struct Encoder(Engine);

enum Engine {
    Gzip(GzEncoder<Vec<u8>>),
    Zlib(ZlibEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

// === impl Encoder ===

impl Encoder {
    /// An encoder for one body.
    ///
    /// # Errors
    /// Where the codec cannot be set up.
    pub fn new(encoding: Encoding) -> io::Result<Self> {
        let (quality, window) = BROTLI;
        Ok(Self(match encoding {
            Encoding::Gzip => Engine::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Deflate => Engine::Zlib(ZlibEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Brotli => {
                Engine::Brotli(Box::new(CompressorWriter::new(Vec::new(), BROTLI_BUFFER, quality, window)))
            }
            Encoding::Zstd => Engine::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD)?),
        }))
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// Where the codec fails.
    pub fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Engine::Gzip(engine) => engine.write_all(piece),
            Engine::Zlib(engine) => engine.write_all(piece),
            Engine::Brotli(engine) => engine.write_all(piece),
            Engine::Zstd(engine) => engine.write_all(piece),
        }
    }

    /// Everything that was pushed, in a form that can be decoded without what follows.
    ///
    /// # Errors
    /// Where the codec fails.
    pub fn flush(&mut self) -> io::Result<Vec<u8>> {
        Ok(std::mem::take(match &mut self.0 {
            Engine::Gzip(engine) => flushed(engine)?.get_mut(),
            Engine::Zlib(engine) => flushed(engine)?.get_mut(),
            Engine::Brotli(engine) => flushed(&mut **engine)?.get_mut(),
            Engine::Zstd(engine) => flushed(engine)?.get_mut(),
        }))
    }

    /// The rest.
    ///
    /// # Errors
    /// Where the codec fails.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Engine::Gzip(engine) => engine.finish(),
            Engine::Zlib(engine) => engine.finish(),
            Engine::Brotli(engine) => Ok(engine.into_inner()),
            Engine::Zstd(engine) => engine.finish(),
        }
    }
}

fn flushed<W: Write>(engine: &mut W) -> io::Result<&mut W> {
    engine.flush()?;
    Ok(engine)
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Engine::Gzip(_) => "Encoder(gzip)",
            Engine::Zlib(_) => "Encoder(deflate)",
            Engine::Brotli(_) => "Encoder(br)",
            Engine::Zstd(_) => "Encoder(zstd)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Decoder;

    #[test]
    fn each_piece_can_be_read_before_the_next_one_comes() {
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Brotli, Encoding::Zstd] {
            let mut encoder = Encoder::new(encoding).unwrap();
            let mut decoder = Decoder::new(encoding, 1 << 20).unwrap();
            let mut read = Vec::new();
            for piece in ["one ", "two ", "three"] {
                encoder.push(piece.as_bytes()).unwrap();
                decoder.push(&encoder.flush().unwrap(), &mut read).unwrap();
                assert!(read.ends_with(piece.as_bytes()), "{encoding}: {read:?}");
            }
            decoder.push(&encoder.finish().unwrap(), &mut read).unwrap();
            decoder.finish(&mut read).unwrap();
            assert_eq!(read, b"one two three", "{encoding}");
        }
    }
}
