use std::fmt::{self, Debug, Write};

use tollgate_snapshot::{ClientCertificates, ClientSettings, ClientTls, HeadRules};

/// What a policy says of clients, as far as it differs from one that says nothing; nothing at all without a policy.
pub(crate) fn write_client(out: &mut String, client: &ClientSettings, indent: &str) -> fmt::Result {
    let ClientSettings {
        source,
        problem,
        address,
        heads,
        timeouts,
        connection,
        tls,
        http1,
        http2,
        proxy_protocol,
        keepalive,
        health_path,
    } = client;
    let Some(source) = source else { return Ok(()) };
    writeln!(out, "{indent}clients by {source}")?;
    if let Some(problem) = problem {
        return writeln!(out, "{indent}  500 [{}] {problem}", problem.code);
    }
    let usual = ClientSettings::envoy_gateway();
    let mut differing = Differing { out, indent };
    differing.write("address", address, &usual.address)?;
    differing.heads(heads, &usual.heads)?;
    differing.write("timeouts", timeouts, &usual.timeouts)?;
    differing.write("connections", connection, &usual.connection)?;
    differing.tls(tls, &usual.tls)?;
    differing.write("http/1", http1, &usual.http1)?;
    differing.write("http/2", http2, &usual.http2)?;
    differing.write("proxy protocol", proxy_protocol, &usual.proxy_protocol)?;
    differing.write("keepalive", keepalive, &usual.keepalive)?;
    differing.write("health path", health_path, &usual.health_path)
}

struct Differing<'o> {
    out: &'o mut String,
    indent: &'o str,
}

// === impl Differing ===

impl Differing<'_> {
    fn write(&mut self, name: &str, value: &impl Debug, usual: &impl Debug) -> fmt::Result {
        let (value, usual) = (format!("{value:?}"), format!("{usual:?}"));
        if value == usual { Ok(()) } else { writeln!(self.out, "{}  {name} {value}", self.indent) }
    }

    fn heads(&mut self, heads: &HeadRules, usual: &HeadRules) -> fmt::Result {
        self.write("escaped slashes", &heads.escaped_slashes, &usual.escaped_slashes)?;
        self.write("merge slashes", &heads.merge_slashes, &usual.merge_slashes)?;
        self.write("underscores", &heads.underscores, &usual.underscores)?;
        self.write("request ids", &heads.request_ids, &usual.request_ids)?;
        self.write("strip trailing dot", &heads.strip_trailing_dot, &usual.strip_trailing_dot)?;
        self.write("http/1.0", &heads.http10, &usual.http10)?;
        self.write("head bytes", &heads.max_bytes, &usual.max_bytes)?;
        self.write("append x-forwarded-for", &heads.append_forwarded_for, &usual.append_forwarded_for)?;
        self.write("x-forwarded-client-cert", &heads.certificate, &usual.certificate)?;
        // Values may be credentials.
        let names = |pairs: &[(http::HeaderName, http::HeaderValue)]| {
            pairs.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        for (name, filter) in [("early", &heads.early), ("late", &heads.late)] {
            let edit = &filter.edit;
            self.write(&format!("{name} set"), &names(&edit.set), &[(); 0])?;
            self.write(&format!("{name} add"), &names(&edit.add), &[(); 0])?;
            self.write(&format!("{name} add if absent"), &names(&filter.add_if_absent), &[(); 0])?;
            self.write(&format!("{name} remove"), &edit.remove, &[(); 0])?;
            self.write(&format!("{name} remove matching"), &filter.remove_matching, &[(); 0])?;
        }
        self.write("x-envoy headers", &heads.envoy_headers, &usual.envoy_headers)?;
        self.write("x-ratelimit headers", &heads.rate_limit_headers, &usual.rate_limit_headers)
    }

    fn tls(&mut self, tls: &ClientTls, usual: &ClientTls) -> fmt::Result {
        self.write("tls from", &tls.min_version, &usual.min_version)?;
        self.write("tls up to", &tls.max_version, &usual.max_version)?;
        self.write("ciphers", &tls.ciphers, &usual.ciphers)?;
        self.write("curves", &tls.curves, &usual.curves)?;
        self.write("alpn", &tls.alpn, &usual.alpn)?;
        self.write("stateless sessions", &tls.stateless_resumption, &usual.stateless_resumption)?;
        self.write("stateful sessions", &tls.stateful_resumption, &usual.stateful_resumption)?;
        let Some(clients) = &tls.clients else { return Ok(()) };
        let ClientCertificates {
            verification,
            authorities,
            spki_hashes,
            certificate_hashes,
            names,
            revocation,
            allow_expired,
        } = clients;
        let Self { out, indent } = self;
        write!(out, "{indent}  certificates {verification:?} by {} bytes of authorities", authorities.len())?;
        if let Some(revocation) = revocation {
            let leaf = if revocation.leaf_only { " for the leaf" } else { "" };
            write!(out, ", {} bytes of revocations{leaf}", revocation.lists.len())?;
        }
        if *allow_expired {
            write!(out, ", expired ones too")?;
        }
        writeln!(out)?;
        self.write("keys", &spki_hashes.len(), &0)?;
        self.write("hashes", &certificate_hashes.len(), &0)?;
        self.write("names", names, &[(); 0])
    }
}
