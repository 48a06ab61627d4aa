//! The fields of a form are the same however its bytes are split, and stand where they are said to stand.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_wire::multipart::{Field, Scanner, boundary};

fn fields<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Option<(Vec<Field>, bool)> {
    let mut scanner = Scanner::new("X", 16);
    let mut fields = Vec::new();
    for chunk in chunks {
        let mut at = 0;
        while let Some(field) = scanner.next(chunk, &mut at).ok()? {
            fields.push(field);
        }
    }
    Some((fields, scanner.is_complete()))
}

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    let whole = fields(std::iter::once(bytes));
    assert_eq!(whole, fields(bytes.chunks(usize::from(step) + 1)));
    assert_eq!(whole, fields(bytes.chunks(1)));
    for field in whole.iter().flat_map(|(fields, _)| fields) {
        let range = field.range.start as usize..field.range.end as usize;
        assert!(bytes[range.clone()].starts_with(&field.value));
        assert!(bytes[range.end..].starts_with(b"\r\n--X"));
    }
    // A header may hold anything.
    let _ = boundary(bytes);
});
