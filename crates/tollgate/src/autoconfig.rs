//! Resources from the environment, for `tollgate run` without files. Keys stay in the environment: the text
//! refers to them as `${VAR}`, so that it can be printed, and the loader substitutes them.
use std::fmt::{self, Write};

use http::Uri;

use crate::files::File;

/// The name of the generated text in diagnostics.
const NAME: &str = "(environment)";

/// Ready to serve: the listener is local, as everything that serves with somebody's key should be.
const PORT: u16 = 1975;

const OPENAI_DEFAULT: &str = "https://api.openai.com/v1";
const ANTHROPIC_DEFAULT: &str = "https://api.anthropic.com/v1";

/// The environment does not say which provider to use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotConfigured {
    /// No key at all
    #[error(
        "no resources and no provider: name files or folders, or set OPENAI_API_KEY, AZURE_OPENAI_API_KEY \
         (with AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION) or ANTHROPIC_API_KEY"
    )]
    NoKey,
    /// A key whose companion is missing
    #[error("{key} is set, so {missing} has to be set too")]
    Missing {
        /// What is there.
        key: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// Not a URL that we can call
    #[error("{variable} is no usable URL: {reason}")]
    Url {
        /// Where it stands.
        variable: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The looked-up environment.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One provider to write resources for.
struct Provider {
    /// Name of its resources.
    name: &'static str,
    /// `spec.schema` as YAML flow.
    schema: String,
    /// Where it is.
    base: Base,
    /// Type and field of its BackendSecurityPolicy.
    policy: (&'static str, &'static str),
    /// The variable that has its key.
    key: &'static str,
    /// Headers to set: name and the variable with the value.
    headers: Vec<(&'static str, &'static str)>,
}

/// A base URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Base {
    host: String,
    port: u16,
    tls: bool,
    /// Without slashes at its ends.
    path: String,
}

/// Writes the resources that the environment asks for. OpenAI or Azure serves every model; Anthropic, where it is
/// configured beside one of them, serves `claude-…`.
///
/// # Errors
/// [`NotConfigured`], which names the variables.
pub(crate) fn from_environment(env: Env<'_>) -> Result<File, NotConfigured> {
    let env = &|name: &str| env(name).filter(|value| !value.trim().is_empty());
    let general = match azure(env)? {
        Some(azure) => Some(azure),
        None => openai(env)?,
    };
    let mut rules = Vec::new();
    if let Some(anthropic) = anthropic(env)? {
        let models = if general.is_some() { "claude-.*" } else { ".*" };
        rules.push((models, anthropic));
    }
    rules.extend(general.map(|provider| (".*", provider)));
    if rules.is_empty() {
        return Err(NotConfigured::NoKey);
    }
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = write_all(&mut text, &rules);
    Ok(File { name: NAME.to_owned(), text: text.into() })
}

fn openai(env: Env<'_>) -> Result<Option<Provider>, NotConfigured> {
    if env("OPENAI_API_KEY").is_none() {
        return Ok(None);
    }
    let base = Base::from_env(env, "OPENAI_BASE_URL", OPENAI_DEFAULT)?;
    Ok(Some(Provider {
        name: "openai",
        schema: format!("{{ name: OpenAI, prefix: {} }}", quoted(&base.path)),
        base,
        policy: ("APIKey", "apiKey"),
        key: "OPENAI_API_KEY",
        headers: organisation(env),
    }))
}

fn azure(env: Env<'_>) -> Result<Option<Provider>, NotConfigured> {
    let key = "AZURE_OPENAI_API_KEY";
    if env(key).is_none() {
        return Ok(None);
    }
    for missing in ["AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION"] {
        if env(missing).is_none() {
            return Err(NotConfigured::Missing { key, missing });
        }
    }
    Ok(Some(Provider {
        name: "azure-openai",
        schema: "{ name: AzureOpenAI, version: \"${OPENAI_API_VERSION}\" }".to_owned(),
        base: Base::from_env(env, "AZURE_OPENAI_ENDPOINT", "")?,
        policy: ("AzureAPIKey", "azureAPIKey"),
        key,
        headers: organisation(env),
    }))
}

fn anthropic(env: Env<'_>) -> Result<Option<Provider>, NotConfigured> {
    if env("ANTHROPIC_API_KEY").is_none() {
        return Ok(None);
    }
    let mut base = Base::from_env(env, "ANTHROPIC_BASE_URL", ANTHROPIC_DEFAULT)?;
    // Anthropic's own SDKs take the base URL without the version, so both forms are in use.
    if base.path.is_empty() {
        base.path = "v1".to_owned();
    }
    Ok(Some(Provider {
        name: "anthropic",
        schema: format!("{{ name: Anthropic, prefix: {} }}", quoted(&base.path)),
        base,
        policy: ("AnthropicAPIKey", "anthropicAPIKey"),
        key: "ANTHROPIC_API_KEY",
        headers: Vec::new(),
    }))
}

fn organisation(env: Env<'_>) -> Vec<(&'static str, &'static str)> {
    [("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")]
        .into_iter()
        .filter(|(_, variable)| env(variable).is_some())
        .collect()
}

/// A YAML scalar that nothing in the text can break out of.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write_all(out: &mut String, rules: &[(&str, Provider)]) -> fmt::Result {
    write!(
        out,
        "\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{ name: tollgate }}
spec: {{ controllerName: gateway.envoyproxy.io/gatewayclass-controller }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{ name: tollgate, namespace: default }}
spec:
  gatewayClassName: tollgate
  listeners:
    - {{ name: http, protocol: HTTP, port: {PORT} }}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{ name: tollgate, namespace: default }}
spec:
  parentRefs:
    - {{ name: tollgate }}
  llmRequestCosts:
    - {{ metadataKey: llm_input_token, type: InputToken }}
    - {{ metadataKey: llm_output_token, type: OutputToken }}
    - {{ metadataKey: llm_reasoning_token, type: ReasoningToken }}
  rules:
"
    )?;
    for (models, provider) in rules {
        write!(
            out,
            "    - matches:
        - headers:
            - {{ name: x-ai-eg-model, type: RegularExpression, value: {} }}
      backendRefs:
        - name: {}
      timeouts: {{ request: 120s }}
",
            quoted(models),
            provider.name
        )?;
    }
    rules.iter().try_for_each(|(_, provider)| provider.write(out))
}

// === impl Provider ===

impl Provider {
    #[expect(clippy::too_many_lines, reason = "one template, flat")]
    fn write(&self, out: &mut String) -> fmt::Result {
        let Self { name, schema, base, policy: (policy, field), key, headers } = self;
        let Base { host, port, tls, path: _ } = base;
        write!(
            out,
            "\
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {{ name: {name}, namespace: default }}
spec:
  schema: {schema}
  backendRef: {{ group: gateway.envoyproxy.io, kind: Backend, name: {name} }}
"
        )?;
        if !headers.is_empty() {
            writeln!(out, "  headerMutation:\n    set:")?;
        }
        for (header, variable) in headers {
            writeln!(out, "      - {{ name: {header}, value: \"${{{variable}}}\" }}")?;
        }
        let endpoint = match host.parse::<std::net::IpAddr>() {
            Ok(ip) => format!("ip: {{ address: {}, port: {port} }}", quoted(&ip.to_string())),
            Err(_) => format!("fqdn: {{ hostname: {}, port: {port} }}", quoted(host)),
        };
        write!(
            out,
            "\
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {{ name: {name}-key, namespace: default }}
spec:
  targetRefs:
    - {{ group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: {name} }}
  type: {policy}
  {field}:
    secretRef: {{ name: {name}-key }}
---
apiVersion: v1
kind: Secret
metadata: {{ name: {name}-key, namespace: default }}
stringData:
  apiKey: \"${{{key}}}\"
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{ name: {name}, namespace: default }}
spec:
  endpoints:
    - {endpoint}
"
        )?;
        if *tls {
            write!(
                out,
                "\
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{ name: {name}, namespace: default }}
spec:
  targetRefs:
    - {{ group: gateway.envoyproxy.io, kind: Backend, name: {name} }}
  validation:
    wellKnownCACertificates: System
    hostname: {}
",
                quoted(host)
            )?;
        }
        Ok(())
    }
}

// === impl Base ===

impl Base {
    fn from_env(env: Env<'_>, variable: &'static str, default: &str) -> Result<Self, NotConfigured> {
        let text = env(variable).unwrap_or_else(|| default.to_owned());
        Self::parse(text.trim()).map_err(|reason| NotConfigured::Url { variable, reason })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err("the scheme has to be http or https"),
            None => return Err("it has to start with https:// or http://"),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("it has no host")?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("credentials in URLs are not supported");
        }
        if uri.query().is_some() {
            return Err("it has a query");
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_ascii_lowercase(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            tls,
            path: uri.path().trim_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generate(variables: &[(&str, &str)]) -> Result<String, NotConfigured> {
        let env = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        from_environment(&env).map(|file| file.text.to_string())
    }

    #[test]
    fn without_a_key_the_error_names_every_variable_that_would_help() {
        let error = generate(&[]).unwrap_err().to_string();
        for variable in ["OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION", "ANTHROPIC_API_KEY"]
        {
            assert!(error.contains(variable), "{error}");
        }
    }

    #[test]
    fn keys_stay_in_the_environment() {
        let text = generate(&[("OPENAI_API_KEY", "sk-live"), ("ANTHROPIC_API_KEY", "sk-ant")]).unwrap();
        assert!(!text.contains("sk-live") && !text.contains("sk-ant"));
        assert!(text.contains("apiKey: \"${OPENAI_API_KEY}\""));
    }

    #[test]
    fn claude_models_go_to_anthropic_where_both_are_configured() {
        let text = generate(&[("OPENAI_API_KEY", "a"), ("ANTHROPIC_API_KEY", "b")]).unwrap();
        let (claude, any) = (text.find("\"claude-.*\"").unwrap(), text.find("\".*\"").unwrap());
        assert!(claude < any);
        assert!(!generate(&[("ANTHROPIC_API_KEY", "b")]).unwrap().contains("claude-"));
    }

    #[test]
    fn azure_needs_its_endpoint_and_its_version() {
        let missing =
            generate(&[("AZURE_OPENAI_API_KEY", "a"), ("AZURE_OPENAI_ENDPOINT", "https://x.example")]);
        assert_eq!(
            missing,
            Err(NotConfigured::Missing { key: "AZURE_OPENAI_API_KEY", missing: "OPENAI_API_VERSION" })
        );
    }

    #[test]
    fn a_base_url_gives_host_port_tls_and_prefix() {
        let text = generate(&[
            ("OPENAI_API_KEY", "a"),
            ("OPENAI_BASE_URL", "https://openrouter.ai/api/v1/"),
            ("OPENAI_ORG_ID", "org-1"),
        ])
        .unwrap();
        assert!(
            text.contains("prefix: \"api/v1\"") && text.contains("hostname: \"openrouter.ai\", port: 443")
        );
        assert!(text.contains("{ name: OpenAI-Organization, value: \"${OPENAI_ORG_ID}\" }"));
        let local =
            generate(&[("OPENAI_API_KEY", "a"), ("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")]).unwrap();
        assert!(local.contains("ip: { address: \"127.0.0.1\", port: 11434 }"));
        assert!(!local.contains("BackendTLSPolicy"));
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_variables_name() {
        for url in
            ["api.openai.com/v1", "ftp://x/v1", "https://user:pw@x/v1", "https:///v1", "https://x/?a=b"]
        {
            let error = generate(&[("OPENAI_API_KEY", "a"), ("OPENAI_BASE_URL", url)]).unwrap_err();
            assert!(error.to_string().starts_with("OPENAI_BASE_URL is no usable URL: "), "{error}");
        }
    }
}
