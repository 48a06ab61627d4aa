//! Any text is read without a panic, and what is wrong with it has a place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_resources::{Source, load};

fuzz_target!(|text: &str| {
    let loaded =
        load(&[Source { name: "fuzz.yaml", text }], &|name| (name.len() % 2 == 0).then(|| name.to_owned()));
    for note in &loaded.notes {
        assert!(note.span.is_some(), "{note:?}");
    }
});
