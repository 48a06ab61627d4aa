/// Which Gemini a model is, as far as its API differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family {
    version: (u8, u8),
    pub(super) size: Size,
}

/// The two lines of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Can go without thinking.
    Flash,
    /// Thinks always.
    Pro,
}

// === impl Family ===

impl Family {
    /// Judges by the name: `gemini-3-pro-preview`, `gemini-2.5-flash`, `gemini-flash-latest`. A name that tells
    /// no version of Gemini is taken for an old one, whose API every model has.
    pub(super) fn of(model: &str) -> Self {
        let name = model.to_ascii_lowercase();
        let size = if name.contains("pro") { Size::Pro } else { Size::Flash };
        let Some((_, rest)) = name.split_once("gemini-") else { return Self { version: (0, 0), size } };
        if rest.ends_with("-latest") {
            return Self { version: (2, 5), size };
        }
        let mut numbers =
            rest.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or("").split('.');
        let mut number = || numbers.next().and_then(|digits| digits.parse().ok());
        let version = (number().unwrap_or(0), number().unwrap_or(0));
        Self { version, size }
    }

    /// Takes JSON Schema as it is, and words about thinking.
    pub(super) fn is_recent(self) -> bool {
        self.version >= (2, 5)
    }

    /// Thinks by levels instead of budgets, wants the signatures of its calls back, and is told how closely to
    /// look at images.
    pub(super) fn is_third(self) -> bool {
        self.version >= (3, 0)
    }

    /// Knows the level between low and high; the first Pro of its generation does not.
    pub(super) fn has_medium(self) -> bool {
        self.size == Size::Flash || self.version > (3, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_by_name() {
        for (model, version, size) in [
            ("gemini-2.0-flash-001", (2, 0), Size::Flash),
            ("gemini-2.5-flash-lite", (2, 5), Size::Flash),
            ("Gemini-2.5-Pro", (2, 5), Size::Pro),
            ("gemini-3-pro-preview", (3, 0), Size::Pro),
            ("gemini-3.1-flash", (3, 1), Size::Flash),
            ("gemini-flash-latest", (2, 5), Size::Flash),
            ("google/gemini-3-flash", (3, 0), Size::Flash),
            ("our-own-3", (0, 0), Size::Flash),
        ] {
            assert_eq!(Family::of(model), Family { version, size }, "{model}");
        }
    }
}
