/// Appends a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn json_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    for chunk in bytes.utf8_chunks() {
        json_text(chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

/// True for what stands for itself, which nearly all of what is logged does. It is short, too: wide vectors would take
/// longer to set up than words take to read.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    if !words.iter().all(|word| is_plain_word(u64::from_ne_bytes(*word))) {
        return false;
    }
    match (rest, bytes.last_chunk::<8>()) {
        ([], _) => true,
        // Some of it was seen before.
        (_, Some(last)) => is_plain_word(u64::from_ne_bytes(*last)),
        (_, None) => rest.iter().all(|byte| byte.is_ascii() && !needs_escape(*byte)),
    }
}

/// The same of eight bytes at once. The highest bit of each byte tells: a subtraction carries into it where a byte is
/// too small, and borrows from a neighbour only where that one has told already.
const fn is_plain_word(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let controls = word.wrapping_sub(ONES * 0x20);
    let found = controls | quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES) | word.wrapping_add(ONES);
    (found | word) & HIGH == 0
}

fn json_text(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(position) = text.iter().position(|byte| needs_escape(*byte)) {
        let (plain, rest) = text.split_at(position);
        out.extend_from_slice(plain);
        match rest[0] {
            quoted @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', quoted]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                hex(&[control], out);
            }
        }
        text = &rest[1..];
    }
    out.extend_from_slice(text);
}

/// Control characters, DEL included: a log that is shown on a terminal must not move its cursor.
const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f
}

/// Appends text for a terminal: whatever could end the line or move the cursor becomes `\xNN`; so do C1 controls.
pub(crate) fn plain(bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.iter().fold(false, |any, byte| any | byte.is_ascii_control() | !byte.is_ascii()) {
        return out.extend_from_slice(bytes);
    }
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                out.extend_from_slice(format!("\\x{:02x}", u32::from(c)).as_bytes());
            } else {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Appends lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Appends a whole number.
pub(crate) fn number(number: u64, out: &mut Vec<u8>) {
    if let Ok(digit @ 0..10) = u8::try_from(number) {
        return out.push(b'0' + digit);
    }
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_become_a_json_string_that_reads_back(bytes: Vec<u8>) {
            let mut out = Vec::new();
            json_string(&bytes, &mut out);
            let back: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(back, String::from_utf8_lossy(&bytes));
            prop_assert!(out.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
        }

        #[test]
        fn any_bytes_stay_on_their_line(bytes: Vec<u8>) {
            let mut out = Vec::new();
            plain(&bytes, &mut out);
            prop_assert!(!String::from_utf8(out).unwrap().chars().any(char::is_control));
        }
    }
}
