use std::{fmt, sync::Arc, time::Duration};

use tollgate_auth::{azure_grants, google_grants};
use tollgate_net::{BadProxy, Via};

/// What the machine says of the clouds it is in or speaks to: the environment, with the names that their own tools
/// use.
#[derive(Clone)]
pub struct Clouds {
    variable: Arc<LookUp>,
}

type LookUp = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Whose token endpoints a proxy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cloud {
    Aws,
    Azure,
    Google,
}

/// How long a machine's own metadata may take to answer: where there are none, nobody does.
pub(super) const METADATA: Duration = Duration::from_secs(2);

// === impl Clouds ===

impl Clouds {
    /// Looks variables up like this.
    pub fn new(variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { variable: Arc::new(variable) }
    }

    /// A variable that says something.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.trim().is_empty())
    }

    /// The proxy for a cloud's token endpoints, where there is one.
    pub(super) fn proxy(&self, cloud: Cloud) -> Result<Option<Arc<Via>>, BadProxy> {
        let name = match cloud {
            Cloud::Aws => "AI_GATEWAY_STS_PROXY_URL",
            Cloud::Azure => "AI_GATEWAY_AZURE_PROXY_URL",
            Cloud::Google => "AI_GATEWAY_GCP_AUTH_PROXY_URL",
        };
        self.variable(name).map(|url| Via::parse(&url).map(Arc::new)).transpose()
    }

    /// In place of AWS's regional security token service.
    pub(super) fn sts(&self) -> Option<String> {
        self.variable("AWS_ENDPOINT_URL_STS").or_else(|| self.variable("AWS_ENDPOINT_URL"))
    }

    /// Where an instance of AWS finds its metadata; `None` where that is switched off.
    pub(super) fn instance(&self) -> Option<String> {
        let off = self.variable("AWS_EC2_METADATA_DISABLED");
        if off.is_some_and(|off| off.trim().eq_ignore_ascii_case("true")) {
            return None;
        }
        let endpoint = self.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        Some(endpoint.unwrap_or_else(|| "http://169.254.169.254".to_owned()))
    }

    /// Azure's authority.
    pub(super) fn authority(&self) -> String {
        self.variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| azure_grants::AUTHORITY.to_owned())
    }

    /// In place of Google's security token service.
    pub(super) fn google_sts(&self) -> Option<String> {
        self.variable("TOLLGATE_GOOGLE_STS_URL")
    }

    /// In place of Google's service for tokens of service accounts.
    pub(super) fn google_iam(&self) -> Option<String> {
        self.variable("TOLLGATE_GOOGLE_IAM_URL")
    }

    /// Where a machine of Google finds its metadata.
    pub(super) fn google_metadata(&self) -> String {
        match self.variable("GCE_METADATA_HOST") {
            Some(host) => format!("http://{host}"),
            None => google_grants::METADATA.to_owned(),
        }
    }

    /// A file of the user's own folder.
    pub(super) fn at_home(&self, file: &str) -> Option<String> {
        self.variable("HOME").map(|home| format!("{}/{file}", home.trim_end_matches('/')))
    }
}

impl Default for Clouds {
    /// Nothing is said.
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl fmt::Debug for Clouds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clouds")
    }
}
