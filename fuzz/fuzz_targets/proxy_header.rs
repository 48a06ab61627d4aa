//! A PROXY header is the same however its bytes are split, and never longer than what came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_net::ProxyHeader;

fuzz_target!(|bytes: &[u8]| {
    let whole = ProxyHeader::read(bytes);
    let first = (0..=bytes.len())
        .map(|end| ProxyHeader::read(&bytes[..end]))
        .find(|answer| *answer != ProxyHeader::Incomplete)
        .unwrap_or(ProxyHeader::Incomplete);
    assert_eq!(first, whole);
    match whole {
        ProxyHeader::Present { length, .. } => assert!(length <= bytes.len()),
        // What never ends must not be waited for.
        ProxyHeader::Incomplete => assert!(bytes.len() < ProxyHeader::LONGEST),
        ProxyHeader::Absent | ProxyHeader::Broken => {}
    }
});
