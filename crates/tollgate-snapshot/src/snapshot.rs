use std::{sync::Arc, time::Duration};

use tollgate_auth::TokenSource;
use tollgate_types::{Dialect, Endpoint, Located, ModelPlace, Secret};

use crate::{Authorizer, Backend, Cost, KeySource, Port, Reports, Rule};

/// Everything one request may read. Requests hold it by `Arc` from their first byte to their last.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// What to listen on, ascending by number.
    pub ports: Vec<Port>,
    /// Every backend that a rule can reach, at its own [`Backend::index`].
    pub backends: Vec<Arc<Backend>>,
    /// Every rule, at its own [`Rule::index`].
    pub rules: Vec<Arc<Rule>>,
    /// Key sets to fetch, each once.
    pub key_sources: Vec<KeySource>,
    /// Services that are asked about callers, each once.
    pub authorizers: Vec<Authorizer>,
    /// Tokens for providers to fetch, each once.
    pub tokens: Vec<TokenSource>,
    /// What holds for the whole gateway.
    pub settings: Settings,
}

/// What holds for the whole gateway.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where each dialect is served.
    pub prefixes: Prefixes,
    /// Largest request body that is held for routing, in bytes; larger ones get a 413.
    pub body_limit: usize,
    /// `GatewayConfig.spec.globalLLMRequestCosts`; a route's own cost of the same key wins.
    pub costs: Arc<[Cost]>,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// `GatewayConfig.spec.extProc.kubernetes.env`: variables of OpenTelemetry that win over the process's own. They
    /// count when the process starts.
    pub environment: Vec<(Arc<str>, Secret)>,
    /// What the process tells of itself.
    pub reports: Reports,
}

/// How the process ends (EnvoyProxy `shutdown`); what is not said is up to the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// How long requests under way may take.
    pub patience: Option<Duration>,
    /// How long new connections are still taken, since others may not have heard of the end.
    pub least: Option<Duration>,
}

/// Path prefixes of the LLM endpoints: a root and one per dialect, joined without double slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes {
    root: String,
    openai: String,
    anthropic: String,
    cohere: String,
    gemini: String,
}

// === impl Snapshot ===

impl Snapshot {
    /// The port's table, where we listen on it.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.number == number)
    }
}

// === impl Settings ===

impl Settings {
    /// 50 MiB, what Envoy AI Gateway's own examples raise Envoy's limit to.
    pub const DEFAULT_BODY_LIMIT: usize = 50 * 1024 * 1024;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefixes: Prefixes::default(),
            body_limit: Self::DEFAULT_BODY_LIMIT,
            costs: Arc::new([]),
            shutdown: Shutdown::default(),
            environment: Vec::new(),
            reports: Reports::default(),
        }
    }
}

// === impl Prefixes ===

impl Prefixes {
    /// Joins `root` with each dialect's prefix, the default one where `own` has none; slashes at either end do not
    /// matter.
    #[must_use]
    pub fn new(root: &str, own: &[(Dialect, &str)]) -> Self {
        let join = |own: &str| {
            let parts = [root, own].map(|part| part.trim_matches('/'));
            parts
                .into_iter()
                .filter(|part| !part.is_empty())
                .fold(String::new(), |path, part| path + "/" + part)
        };
        let of = |dialect: Dialect| {
            let own = own.iter().rev().find(|(named, _)| *named == dialect);
            join(own.map_or(dialect.default_prefix(), |(_, prefix)| prefix))
        };
        Self {
            root: join(""),
            openai: of(Dialect::OpenAi),
            anthropic: of(Dialect::Anthropic),
            cohere: of(Dialect::Cohere),
            gemini: of(Dialect::Gemini),
        }
    }

    /// The endpoint at this path, which has no query.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> Option<Endpoint> {
        self.locate(path).map(|located| located.endpoint)
    }

    /// The endpoint at this path, which has no query, with the model or id that the path names.
    ///
    /// Gemini's beta paths and its verbs behind a model's name are nobody else's: they are also taken without a
    /// prefix, which is where Google's clients look for them.
    #[must_use]
    pub fn locate<'a>(&self, path: &'a str) -> Option<Located<'a>> {
        let own = Dialect::ALL
            .into_iter()
            .find_map(|dialect| Endpoint::at(dialect, path.strip_prefix(self.of(dialect))?));
        match own {
            // OpenAI has the path of a model, too, but asks nothing of it.
            Some(Located { endpoint: Endpoint::Model, .. }) | None => self.bare_gemini(path).or(own),
            Some(_) => own,
        }
    }

    /// Gemini's endpoint at a path without its prefix.
    fn bare_gemini<'a>(&self, path: &'a str) -> Option<Located<'a>> {
        let rest = path.strip_prefix(self.root.as_str())?;
        let beta = rest.starts_with("/v1beta/") || rest.starts_with("/v1alpha/");
        let located = Endpoint::at(Dialect::Gemini, rest)?;
        (beta || located.endpoint.model() == ModelPlace::Path).then_some(located)
    }

    /// The prefix of a dialect: empty, or `/…` without a slash at its end.
    #[must_use]
    pub fn of(&self, dialect: Dialect) -> &str {
        match dialect {
            Dialect::OpenAi => &self.openai,
            Dialect::Anthropic => &self.anthropic,
            Dialect::Cohere => &self.cohere,
            Dialect::Gemini => &self.gemini,
        }
    }
}

impl Default for Prefixes {
    fn default() -> Self {
        Self::new("/", &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_found_under_their_own_prefix_only() {
        let prefixes = Prefixes::default();
        assert_eq!(prefixes.endpoint("/v1/chat/completions"), Some(Endpoint::ChatCompletions));
        assert_eq!(prefixes.endpoint("/anthropic/v1/models"), Some(Endpoint::AnthropicModels));
        assert_eq!(prefixes.endpoint("/v1/messages"), None);
        let moved = Prefixes::new("/ai/", &[(Dialect::OpenAi, ""), (Dialect::Anthropic, "claude")]);
        assert_eq!(moved.endpoint("/ai/v1/embeddings"), Some(Endpoint::Embeddings));
        assert_eq!(moved.endpoint("/ai/claude/v1/messages"), Some(Endpoint::Messages));
        assert_eq!(moved.endpoint("/ai/cohere/v2/rerank"), Some(Endpoint::Rerank));
    }

    #[test]
    fn gemini_is_served_under_its_prefix_and_where_its_clients_look() {
        let moved = Prefixes::new("/ai", &[(Dialect::Gemini, "google")]);
        let found = |path| moved.locate(path).map(|found| (found.endpoint, found.parameter));
        let stream = Some((Endpoint::StreamGenerateContent, Some("m")));
        assert_eq!(found("/ai/google/v1beta/models/m:streamGenerateContent"), stream);
        assert_eq!(found("/ai/google/v1/models/m:streamGenerateContent"), stream);
        assert_eq!(found("/ai/v1beta/models/m:streamGenerateContent"), stream);
        assert_eq!(found("/v1beta/models/m:streamGenerateContent"), None);
        assert_eq!(found("/ai/v1/models/m:streamGenerateContent"), stream);
        assert_eq!(found("/ai/v1/models/m"), Some((Endpoint::Model, Some("m"))));
        assert_eq!(found("/ai/v1/models/ft:m"), Some((Endpoint::Model, Some("ft:m"))));
        assert_eq!(found("/ai/v1/models"), Some((Endpoint::Models, None)));
    }
}
