//! Frames are the same however their bytes are split; any bytes end in frames or in an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_wire::event_stream::Splitter;

const LIMIT: usize = 1 << 20;

type Seen = Vec<(String, Vec<u8>)>;

fn frames<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Seen, bool) {
    let mut splitter = Splitter::new(LIMIT);
    let mut seen = Seen::new();
    for chunk in chunks {
        let mut at = 0;
        loop {
            match splitter.next(chunk, &mut at) {
                Ok(Some(frame)) => seen.push((format!("{:?}", frame.kind), frame.payload.to_vec())),
                Ok(None) => break,
                Err(_) => return (seen, false),
            }
        }
    }
    (seen, splitter.is_between_frames())
}

/// Checksums are beyond a fuzzer's guessing: these are right, or the bytes are its own.
fn framed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = size(16 + headers.len() + payload.len()).to_vec();
    bytes.extend_from_slice(&size(headers.len()));
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(headers);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

fuzz_target!(|input: (u8, Vec<(&[u8], &[u8])>, &[u8])| {
    let (step, list, tail) = input;
    let mut bytes: Vec<u8> = list.iter().flat_map(|(headers, payload)| framed(headers, payload)).collect();
    bytes.extend_from_slice(tail);
    let whole = frames(std::iter::once(&bytes[..]));
    assert_eq!(whole, frames(bytes.chunks(usize::from(step) + 1)));
    assert_eq!(whole, frames(bytes.chunks(1)));
});
