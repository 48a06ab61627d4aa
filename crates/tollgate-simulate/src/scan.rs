//! Finds what a reply depends on without building a document: prompts of megabytes are mostly one
//! string each, and strings are skipped at memory speed.

use memchr::memchr2;

/// The members of the object that `bytes` is. Ends at the first thing that is not JSON.
pub(crate) fn members(bytes: &[u8]) -> Members<'_> {
    let at = skip_space(bytes, 0);
    let at = if bytes.get(at) == Some(&b'{') { at + 1 } else { bytes.len() };
    Members { bytes, at }
}

/// Iterator of [`members`]: keys without quotes and still escaped, values as they were written.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Calls `each` with every string (still escaped) in `value` that a model would read: the strings
/// under `content`, `text` and the like, and those under no key at all.
pub(crate) fn prompt_text<'a>(value: &'a [u8], mut each: impl FnMut(&'a [u8])) {
    let mut at = 0;
    let mut readable = true;
    while let Some(found) = memchr::memchr(b'"', &value[at..]) {
        let start = at + found + 1;
        let Some(end) = end_of_string(value, start) else { return };
        let string = &value[start..end];
        let next = skip_space(value, end + 1);
        if value.get(next) == Some(&b':') {
            readable = matches!(
                string,
                b"content"
                    | b"text"
                    | b"input"
                    | b"prompt"
                    | b"system"
                    | b"instructions"
                    | b"arguments"
                    | b"output"
            );
            at = next + 1;
        } else {
            if readable {
                each(string);
            }
            at = end + 1;
        }
    }
}

// === impl Members ===

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let quote = skip_space(self.bytes, self.at);
        if self.bytes.get(quote) != Some(&b'"') {
            return None;
        }
        let key_end = end_of_string(self.bytes, quote + 1)?;
        let colon = skip_space(self.bytes, key_end + 1);
        if self.bytes.get(colon) != Some(&b':') {
            return None;
        }
        let start = skip_space(self.bytes, colon + 1);
        let end = end_of_value(self.bytes, start)?;
        let comma = skip_space(self.bytes, end);
        self.at = if self.bytes.get(comma) == Some(&b',') { comma + 1 } else { self.bytes.len() };
        Some((&self.bytes[quote + 1..key_end], &self.bytes[start..end]))
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The index of the quote that ends the string whose text starts at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let hit = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[hit] == b'"' {
            return Some(hit);
        }
        at = hit + 2;
    }
}

/// The index behind the value that starts at `at`.
fn end_of_value(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match *bytes.get(at)? {
            b'"' => at = end_of_string(bytes, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                if depth == 0 {
                    return Some(at);
                }
                depth -= 1;
            }
            b',' if depth == 0 => return Some(at),
            _ => {
                at += 1;
                if depth == 0 && at == bytes.len() {
                    return Some(at);
                }
                continue;
            }
        }
        at += 1;
        if depth == 0 && matches!(bytes[at - 1], b'"' | b'}' | b']') {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests;
