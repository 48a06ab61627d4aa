//! The scanner accepts what serde_json accepts, and refuses what it refuses.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let ours = tollgate_wire::scan::document(bytes);
    // We look at structure, not at the encoding of strings; and serde_json has its own bound on depth and numbers.
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => assert!(ours.is_ok(), "{ours:?}"),
        Err(error) if error.to_string().contains("number out of range") => {}
        Err(error) if error.to_string().contains("recursion limit") => {}
        Err(error) if error.to_string().contains("surrogate") || error.to_string().contains("hex escape") => {
        }
        Err(error) => assert!(ours.is_err(), "{error}"),
    }
});
