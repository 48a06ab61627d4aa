use std::fmt::{self, Debug, Write};

use tollgate_snapshot::{Backend, OverrideWith, ReplyOverride, Rule, Traffic};

/// What a policy says of a rule's requests, as far as it says anything.
pub(crate) fn write_rule_traffic(out: &mut String, rule: &Rule) -> fmt::Result {
    let (traffic, usual) = (&*rule.traffic, Traffic::default());
    differing(out, "retry policy", &traffic.retry, &usual.retry)?;
    differing(out, "faults", &traffic.faults, &usual.faults)?;
    differing(out, "request buffer", &traffic.request_buffer, &usual.request_buffer)?;
    differing(out, "replayed", &traffic.replayed, &usual.replayed)?;
    differing(out, "at most", &traffic.max_stream, &usual.max_stream)?;
    differing(out, "admission", &traffic.admission, &usual.admission)?;
    differing(out, "bandwidth", &traffic.bandwidth, &usual.bandwidth)?;
    differing(out, "upgrades", &traffic.upgrades, &usual.upgrades)?;
    differing(out, "compression", &traffic.compression, &usual.compression)?;
    traffic.overrides.iter().try_for_each(|one| write_override(out, one))
}

/// What a policy says of a backend's endpoints and connections, as far as it says anything.
pub(crate) fn write_backend_traffic(out: &mut String, backend: &Backend) -> fmt::Result {
    let (traffic, usual) = (&*backend.traffic, Traffic::default());
    differing(out, "balancing", &traffic.balancing, &usual.balancing)?;
    differing(out, "hash on", &traffic.hash_on, &usual.hash_on)?;
    differing(out, "issued", &traffic.sticky, &usual.sticky)?;
    differing(out, "endpoints in", &traffic.endpoints_in, &usual.endpoints_in)?;
    differing(out, "connections", &traffic.connections, &usual.connections)?;
    if traffic.check.is_some() {
        writeln!(out, "  checked")?;
    }
    Ok(())
}

fn differing<T: Debug + PartialEq>(out: &mut String, name: &str, value: &T, usual: &T) -> fmt::Result {
    if value == usual { Ok(()) } else { writeln!(out, "  {name} {value:?}") }
}

fn write_override(out: &mut String, one: &ReplyOverride) -> fmt::Result {
    let ReplyOverride { statuses, headers, source, with } = one;
    write!(out, "  override of {source:?} {statuses:?}")?;
    for header in headers {
        let not = if header.invert { "not " } else { "" };
        write!(out, " with {not}{} {:?}", header.name, header.value)?;
    }
    match with {
        OverrideWith::Redirect(to) => writeln!(out, ": redirect {to}"),
        OverrideWith::Response { status, headers, body } => {
            let status = status.map_or("its status".to_owned(), |status| status.as_u16().to_string());
            writeln!(out, ": {status}, {} bytes{headers}", body.len())
        }
    }
}
