//! Any bytes under any content encoding: bounded output, no panic, splits do not matter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_wire::encoding::{Decoder, Encoding};

const LIMIT: usize = 1 << 20;

fn decode<'a>(name: &str, chunks: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(Encoding::parse(name)?, LIMIT).ok()?;
    let mut out = Vec::new();
    for chunk in chunks {
        decoder.push(chunk, &mut out).ok()?;
        assert!(out.len() <= LIMIT + (1 << 17));
    }
    decoder.finish(&mut out).ok()?;
    Some(out)
}

fuzz_target!(|bytes: &[u8]| {
    for name in ["gzip", "deflate", "br", "zstd"] {
        let whole = decode(name, std::iter::once(bytes));
        if whole.is_some() {
            assert_eq!(whole, decode(name, bytes.chunks(1)));
        }
    }
});
