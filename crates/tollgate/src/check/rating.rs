//! Which diagnostics count.

use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, TypedValueParser},
    error::ErrorKind,
};
use tollgate_types::{Diagnostics, Severity};

use crate::explain::codes;

/// All warnings, in place of a code.
const WARNINGS: &str = "warnings";

/// What the command line says about codes.
pub(super) struct Rating<'a> {
    pub(super) deny: &'a [String],
    pub(super) allow: &'a [String],
    /// All warnings count.
    pub(super) warnings: bool,
}

/// Takes the codes that there are, and completes them in shells.
#[derive(Clone, Debug)]
pub(crate) struct CodeParser {
    warnings: bool,
}

// === impl Rating ===

impl Rating<'_> {
    /// Leaves out what is allowed; true where the rest has an error or something that is denied.
    pub(super) fn apply(&self, notes: &mut Diagnostics) -> bool {
        let names = |codes: &[String], code: &str| codes.iter().any(|name| name == code);
        notes.0.retain(|note| !names(self.allow, note.code));
        let warnings = self.warnings || names(self.deny, WARNINGS);
        notes.iter().any(|note| {
            note.severity == Severity::Error
                || (warnings && note.severity == Severity::Warning)
                || names(self.deny, note.code)
        })
    }
}

// === impl CodeParser ===

impl CodeParser {
    pub(super) const fn codes() -> Self {
        Self { warnings: false }
    }

    pub(super) const fn with_warnings() -> Self {
        Self { warnings: true }
    }
}

impl TypedValueParser for CodeParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        _arg: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, Error> {
        let text = value.to_string_lossy().into_owned();
        if (self.warnings && text == WARNINGS) || codes::find(&text).is_some() {
            return Ok(text);
        }
        let near = codes::nearest(&text).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        let message = format!("there is no code {text:?}{near} `tollgate explain` lists all of them\n");
        Err(Error::raw(ErrorKind::InvalidValue, message).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let warnings = self.warnings.then(|| PossibleValue::new(WARNINGS));
        Some(Box::new(
            warnings.into_iter().chain(codes::all().iter().map(|code| PossibleValue::new(code.name))),
        ))
    }
}
