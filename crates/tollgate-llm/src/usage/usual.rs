//! Usage objects as providers spell them: names without escapes, whole numbers, one level of details. Reading just that
//! takes a fourth of the time of reading any JSON; everything else is left to the scanner.

use tollgate_types::{Tokens, Usage};

use super::sum;

/// Digits that fit into 64 bits whatever they are.
const DIGITS: usize = 18;

/// What is left to read.
struct Reader<'a>(&'a [u8]);

/// As [`super::openai`]; `None` where the text is spelled in any other way, or is no JSON.
pub(super) fn openai(text: &[u8]) -> Option<Usage> {
    let (usage, length) = openai_ahead(text)?;
    let mut rest = Reader(text.get(length..)?);
    rest.space();
    rest.0.is_empty().then_some(usage)
}

/// The same where other text may follow: how long it is, too.
pub(super) fn openai_ahead(text: &[u8]) -> Option<(Usage, usize)> {
    let mut usage = Usage::default();
    let mut reader = Reader(text);
    reader.space();
    reader.object(|reader, key| {
        match key {
            b"prompt_tokens" | b"input_tokens" => usage.input = reader.count()?,
            b"completion_tokens" | b"output_tokens" => usage.output = reader.count()?,
            b"total_tokens" => usage.total = reader.count()?,
            b"prompt_tokens_details" | b"input_tokens_details" if reader.is_at_object() => {
                reader.object(|reader, key| {
                    let count = reader.count()?;
                    match key {
                        b"cached_tokens" => usage.cached_input = count,
                        b"cache_creation_input_tokens" | b"cache_creation_tokens" | b"cache_write_tokens" => {
                            usage.cache_creation_input = count;
                        }
                        b"audio_tokens" => usage.audio_input = count,
                        _ => return is_plain(key),
                    }
                    Some(())
                })?;
            }
            b"completion_tokens_details" | b"output_tokens_details" => {
                (usage.reasoning, usage.audio_output) = (None, None);
                if !reader.is_at_object() {
                    return reader.count().map(drop);
                }
                reader.object(|reader, key| {
                    let count = reader.count()?;
                    match key {
                        b"reasoning_tokens" => usage.reasoning = count,
                        b"audio_tokens" => usage.audio_output = count,
                        _ => return is_plain(key),
                    }
                    Some(())
                })?;
            }
            b"prompt_cache_hit_tokens" if usage.cached_input.is_none() => {
                usage.cached_input = reader.count()?;
            }
            _ => return reader.count().and_then(|_| is_plain(key)),
        }
        Some(())
    })?;
    usage.total = usage.total.or_else(|| sum([usage.input, usage.output]));
    Some((usage, text.len() - reader.0.len()))
}

/// A name without escapes or anything else that is not usual.
fn is_plain(key: &[u8]) -> Option<()> {
    let (words, rest) = key.as_chunks::<8>();
    let is_plain = words.iter().all(|word| words::is_plain(u64::from_ne_bytes(*word)));
    let rest_is_plain = match key.last_chunk::<8>() {
        // Some of it was seen before.
        Some(last) => words::is_plain(u64::from_ne_bytes(*last)),
        None => rest.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\'),
    };
    (is_plain && rest_is_plain).then_some(())
}

/// Eight bytes at once: names are a few words long, and anything wider takes longer to set up than they take to read.
mod words {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;

    /// Where the first quote is, if there is one. Borrowing makes other bytes tell only behind one that does.
    pub(super) fn quote(word: u64) -> Option<usize> {
        let differing = word ^ (ONES * b'"' as u64);
        let found = differing.wrapping_sub(ONES) & !differing & HIGH;
        (found != 0).then(|| found.trailing_zeros() as usize / 8)
    }

    /// True for printable ASCII without backslashes; false also where a byte has the look of one by borrowing.
    pub(super) const fn is_plain(word: u64) -> bool {
        let backslash = word ^ (ONES * b'\\' as u64);
        let controls = word.wrapping_sub(ONES * 0x20);
        (controls | backslash.wrapping_sub(ONES) | word.wrapping_add(ONES) | word) & HIGH == 0
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    #[inline]
    fn space(&mut self) {
        // Most write none: one comparison tells.
        while let [first @ ..=b' ', rest @ ..] = self.0 {
            if !matches!(first, b' ' | b'\n' | b'\r' | b'\t') {
                return;
            }
            self.0 = rest;
        }
    }

    fn eat(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == wanted).then_some(())
    }

    fn is_at_object(&self) -> bool {
        self.0.first() == Some(&b'{')
    }

    /// Reads an object; `each` reads the value of each of its members.
    fn object(&mut self, mut each: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.eat(b'{')?;
        self.space();
        if let [b'}', rest @ ..] = self.0 {
            self.0 = rest;
            return Some(());
        }
        loop {
            let key = self.key()?;
            self.space();
            self.eat(b':')?;
            self.space();
            each(self, key)?;
            self.space();
            let (next, rest) = self.0.split_first()?;
            self.0 = rest;
            match next {
                b',' => self.space(),
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let (words, _) = self.0.as_chunks::<8>();
        let found = words
            .iter()
            .enumerate()
            .find_map(|(position, word)| Some(position * 8 + words::quote(u64::from_le_bytes(*word))?));
        let seen = words.len() * 8;
        let end = found.or_else(|| Some(seen + self.0[seen..].iter().position(|byte| *byte == b'"')?))?;
        let (key, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(key)
    }

    /// Reads a whole number, or `null`.
    fn count(&mut self) -> Option<Option<Tokens>> {
        if let Some(rest) = self.0.strip_prefix(b"null") {
            self.0 = rest;
            return Some(None);
        }
        let mut sum = 0;
        let mut end = 0;
        while let Some(digit @ b'0'..=b'9') = self.0.get(end) {
            sum = sum * 10 + u64::from(digit - b'0');
            end += 1;
            if end > DIGITS {
                return None;
            }
        }
        // A zero stands alone, and a fraction is somebody else's to read.
        let usual = match (end, self.0) {
            (0, _) | (2.., [b'0', ..]) => false,
            _ => !matches!(self.0.get(end), Some(b'.' | b'e' | b'E')),
        };
        self.0 = &self.0[end..];
        usual.then_some(Some(Tokens(sum)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::any_openai;
    use super::*;

    fn name() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(vec![
            "prompt_tokens",
            "input_tokens",
            "completion_tokens",
            "output_tokens",
            "total_tokens",
            "cached_tokens",
            "prompt_tokens_details",
            "completion_tokens_details",
            "output_tokens_details",
            "reasoning_tokens",
            "cache_write_tokens",
            "prompt_cache_hit_tokens",
            "other",
            "a\\u0062",
            "total_\\u0074okens",
            "accepted_prediction_tokens",
            "named_\u{e9}_unusually",
            "A",
            "",
        ])
    }

    fn count() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<u32>().prop_map(|count| count.to_string()),
            Just("null".to_owned()),
            "[-0-9.e]{1,5}|[0-9]{17,21}|true|\"1\"|nul|\\[\\]",
        ]
    }

    fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        let member = (name(), value, "[ \n]{0,2}")
            .prop_map(|(name, value, space)| format!("{space}\"{name}\"{space}:{space}{value}{space}"));
        proptest::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
    }

    proptest! {
        #[test]
        fn what_is_read_here_is_read_there_alike(
            text in object(prop_oneof![3 => count(), 1 => object(count())]),
            cut in 0..400_usize,
        ) {
            for text in [&text[..], &text[..text.len().min(cut)], &format!(" {text}\n"), &format!("{text},")] {
                if let Some(usage) = openai(text.as_bytes()) {
                    prop_assert_eq!(any_openai(text.as_bytes()), Ok(usage), "{}", text);
                }
            }
        }
    }

    #[test]
    fn the_usual_spellings_are_read_here() {
        for text in [
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}"#,
            "{\n  \"input_tokens\": 10,\n  \"output_tokens\": 5,\n  \"output_tokens_details\": {\n    \"reasoning_tokens\": 0\n  }\n}",
            r#"{"prompt_tokens":0,"completion_tokens_details":null}"#,
            "{}",
        ] {
            assert!(openai(text.as_bytes()).is_some(), "{text}");
        }
    }
}
