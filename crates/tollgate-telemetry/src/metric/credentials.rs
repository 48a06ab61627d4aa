use super::exposition::Exposition;
use crate::lock::Slot;

/// How a token for providers is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialState {
    /// Its policy and whom it stands for.
    pub name: String,
    /// True where there is one.
    pub held: bool,
    /// When it ends, in seconds since 1970, where it does.
    pub expires: Option<u64>,
    /// Fetches that failed since the last that went well.
    pub failures: u32,
    /// Why the last one failed.
    pub error: Option<String>,
}

/// What was said last of tokens.
#[derive(Debug, Default)]
pub(crate) struct Credentials(Slot<Vec<CredentialState>>);

// === impl Credentials ===

impl Credentials {
    /// Takes the place of all that was said before.
    pub(crate) fn tell(&self, states: Vec<CredentialState>) {
        self.0.with(|all| *all = states);
    }

    /// One line for each token that could not be fetched the last time.
    pub(crate) fn problems(&self) -> Vec<String> {
        let line = |state: &CredentialState| {
            let error = state.error.as_ref()?;
            let held = if state.held { "the old token is used until it ends" } else { "there is no token" };
            Some(format!("{}: {error}; {held}", state.name))
        };
        self.0.with(|all| all.iter().filter_map(line).collect())
    }

    pub(crate) fn write(&self, out: &mut Exposition) {
        let all = self.0.with(|all| all.clone());
        if all.is_empty() {
            return;
        }
        let name = "tollgate_credential_held";
        out.family(name, "1 where there is a token for a provider.", "gauge");
        for state in &all {
            out.sample(name, &[("credential", &state.name)], u8::from(state.held));
        }
        let name = "tollgate_credential_failures";
        out.family(name, "Fetches of a token that failed since the last that went well.", "gauge");
        for state in &all {
            out.sample(name, &[("credential", &state.name)], state.failures);
        }
        let name = "tollgate_credential_expiry_timestamp_seconds";
        out.family(name, "When a token ends, in unix seconds.", "gauge");
        for (state, expires) in all.iter().filter_map(|state| Some((state, state.expires?))) {
            out.sample(name, &[("credential", &state.name)], expires);
        }
    }
}
