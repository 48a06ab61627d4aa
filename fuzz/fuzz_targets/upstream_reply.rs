//! A reply of an HTTP/1 upstream is the same however its bytes are split, and no longer than what came.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tollgate_net::read_reply;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    bodiless: bool,
    step: u8,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let Input { bodiless, step, bytes } = input;
    let whole = read_reply([bytes], bodiless);
    let pieces = bytes.chunks(usize::from(step).max(1));
    assert_eq!(read_reply(pieces, bodiless), whole);
    assert!(whole.body.len() + whole.behind.unwrap_or_default() <= bytes.len());
});
