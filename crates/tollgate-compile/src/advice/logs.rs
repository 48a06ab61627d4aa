//! Headers in the access log that nobody writes but clients.

use tollgate_resources::{EnvoyProxy, Object};

use super::facts::Facts;
use crate::{
    Fault,
    notes::{At, Notes},
};

/// What proxies and clients are known to write by themselves.
const USUAL: [&str; 8] =
    ["x-ai-eg-", "x-envoy-", "x-forwarded-", "x-request-id", "x-b3-", "x-real-ip", "x-client-", "x-gateway-"];

pub(super) fn advise(facts: &Facts<'_>, notes: &mut Notes) {
    for proxy in &facts.set.envoy_proxies {
        let log = proxy.spec.telemetry.as_ref().and_then(|telemetry| telemetry.access_log.as_ref());
        for (i, setting) in log.into_iter().flat_map(|log| &log.settings).enumerate() {
            let Some(format) = &setting.format else { continue };
            let at = format!("spec.telemetry.accessLog.settings[{i}].format");
            if let Some(text) = &format.text {
                asked(facts, proxy, (text, &format!("{at}.text")), notes);
            }
            for (key, text) in &format.json {
                asked(facts, proxy, (text, &format!("{at}.json[{key:?}]")), notes);
            }
        }
    }
}

fn asked(facts: &Facts<'_>, proxy: &Object<EnvoyProxy>, (text, at): (&str, &str), notes: &mut Notes) {
    for rest in text.split("%REQ(").skip(1) {
        let Some((operand, _)) = rest.split_once(')') else { continue };
        let names: Vec<_> = operand.split('?').map(str::to_ascii_lowercase).collect();
        let Some(first) = names.first().filter(|name| name.starts_with("x-")) else { continue };
        let usual = |name: &String| USUAL.iter().any(|usual| name.starts_with(usual));
        if names.iter().any(|name| usual(name) || facts.is_made(name)) {
            continue;
        }
        let message = format!("nothing here sets {first}: the log has what a client writes there, or -");
        let help = "make it from a verified token (SecurityPolicy jwt.providers[].claimToHeaders); the model is in \
                    x-ai-eg-model";
        notes.info(&At::new(proxy, at), Fault::new("unset-header-in-log", message).help(help));
    }
}
