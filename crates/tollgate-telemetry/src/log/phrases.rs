use super::escape::json_string;

/// Names in one phrase.
const NAMES: usize = 5;
/// Phrases that are remembered.
const SLOTS: usize = 16;
/// Bytes of a phrase that is remembered at most: names of models are what clients make them.
const LONGEST: usize = 1024;

/// Members of a line that many requests have in common, as they were written last: the names of a route, or of a model.
/// Comparing them takes a fifth of writing them.
#[derive(Debug, Default)]
pub(crate) struct Phrases([Phrase; SLOTS]);

#[derive(Debug, Default)]
struct Phrase {
    names: [Option<String>; NAMES],
    /// Empty where nothing was written yet.
    text: Vec<u8>,
}

// === impl Phrases ===

impl Phrases {
    /// Appends each name behind its key; one phrase always has the same keys.
    pub(super) fn write(
        &mut self,
        keys: &[&'static str; NAMES],
        names: [Option<&str>; NAMES],
        out: &mut Vec<u8>,
    ) {
        let Some(phrase) = self.0.get_mut(slot(&names)) else { return };
        if phrase.text.is_empty() || !phrase.names.iter().map(Option::as_deref).eq(names) {
            phrase.remember(keys, names);
        }
        out.extend_from_slice(&phrase.text);
        if phrase.text.len() > LONGEST {
            *phrase = Phrase::default();
        }
    }
}

/// Where a phrase is remembered: those of one configuration differ in their lengths and last letters.
fn slot(names: &[Option<&str>; NAMES]) -> usize {
    let sum = names.iter().flatten().fold(0_usize, |sum, name| {
        let last = name.as_bytes().last().copied().unwrap_or_default();
        sum.wrapping_mul(31).wrapping_add(name.len()).wrapping_add(usize::from(last))
    });
    sum % SLOTS
}

// === impl Phrase ===

impl Phrase {
    fn remember(&mut self, keys: &[&'static str; NAMES], names: [Option<&str>; NAMES]) {
        self.text.clear();
        for ((key, name), known) in keys.iter().zip(names).zip(&mut self.names) {
            self.text.extend_from_slice(key.as_bytes());
            match name {
                Some(name) => json_string(name.as_bytes(), &mut self.text),
                None => self.text.extend_from_slice(b"null"),
            }
            *known = name.map(str::to_owned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; NAMES] = [",\"a\":", ",\"b\":", ",\"c\":", ",\"d\":", ",\"e\":"];

    #[test]
    fn names_are_written_as_they_are_whatever_was_written_before() {
        let mut phrases = Phrases::default();
        let long = "x".repeat(2 * LONGEST);
        for name in [Some("a"), Some("b"), None, Some("q\"\n"), Some(&long), Some(""), Some("a"), Some("q")] {
            for others in [Some("one"), None] {
                let mut out = Vec::new();
                phrases.write(&KEYS, [others, name, others, None, name], &mut out);
                let written: serde_json::Value =
                    serde_json::from_slice(&[b"{\"first\":1".as_slice(), &out, b"}"].concat()).unwrap();
                let wanted = serde_json::json!({
                    "first": 1, "a": others, "b": name, "c": others, "d": null, "e": name,
                });
                assert_eq!(written, wanted);
            }
        }
        assert!(phrases.0.iter().all(|phrase| phrase.text.len() <= LONGEST));
    }
}
