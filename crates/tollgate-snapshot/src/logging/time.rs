/// How `%START_TIME(…)%` writes the time, which is in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339 with milliseconds
    Rfc3339,
    /// Specifiers of `strftime`; `%3f` is a fraction with three digits
    Strftime(Box<str>),
}

/// Specifiers that mean the same to Envoy and to us.
const PLAIN: &str = "YmdeHIMSpyjaAbBZzsTDFRnt%";

// === impl TimeFormat ===

impl TimeFormat {
    /// `None` for a specifier that is not known.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Rfc3339);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            let mut letters = after.chars();
            let letter = letters.next()?;
            rest = letters.as_str();
            match letter {
                'f' => out.push_str("%9f"),
                '1'..='9' => {
                    rest = rest.strip_prefix('f')?;
                    out.extend(['%', letter, 'f']);
                }
                'E' => rest = extended(rest, &mut out)?,
                letter if PLAIN.contains(letter) => out.extend(['%', letter]),
                _ => return None,
            }
        }
        out.push_str(rest);
        Some(Self::Strftime(out.into_boxed_str()))
    }
}

/// `%Ez` is `+00:00`, `%E3S` seconds with three places, `%E3f` three places alone.
fn extended<'a>(text: &'a str, out: &mut String) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('z') {
        out.push_str("%:z");
        return Some(rest);
    }
    let mut letters = text.chars();
    let digits = match letters.next()? {
        '*' => '9',
        digit @ '1'..='9' => digit,
        _ => return None,
    };
    match letters.next()? {
        'S' => out.push_str("%S."),
        'f' => {}
        _ => return None,
    }
    out.extend(['%', digits, 'f']);
    Some(letters.as_str())
}
