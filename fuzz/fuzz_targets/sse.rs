//! Events are the same however their bytes are split.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_wire::sse::Splitter;

const LIMIT: usize = 1 << 20;

type Seen = Vec<(Option<String>, Option<Vec<u8>>)>;

fn events<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Option<Seen> {
    let mut splitter = Splitter::new(LIMIT);
    let mut seen = Seen::new();
    for chunk in chunks {
        let mut at = 0;
        while let Some(event) = splitter.next(chunk, &mut at).ok()? {
            seen.push((event.name.map(str::to_owned), event.data.map(<[u8]>::to_vec)));
        }
    }
    if let Some(event) = splitter.finish() {
        seen.push((event.name.map(str::to_owned), event.data.map(<[u8]>::to_vec)));
    }
    Some(seen)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    let whole = events(std::iter::once(bytes));
    let pieces = events(bytes.chunks(usize::from(step) + 1));
    let single = events(bytes.chunks(1));
    assert_eq!(whole, pieces);
    assert_eq!(whole, single);
});
