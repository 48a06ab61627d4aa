//! Client certificates as a Gateway asks for them: `spec.tls.frontend`.

use std::sync::Arc;

use tollgate_resources::{
    ClientCertificateMode, FrontendValidation, Gateway, Listener, Object, ObjectReference, SecretRef,
};
use tollgate_snapshot::{ClientCertificates, Problem, Verification};

use crate::{
    Fault,
    client_tls::bundle,
    grants::Party,
    notes::{At, Notes},
    tls::CA,
    world::{World, group},
};

/// What a Gateway asks of client certificates on a listener.
#[derive(Clone, Debug)]
pub(crate) struct Frontend {
    /// Where it was written, by address: listeners for which the same field holds have the same terms.
    pub(crate) origin: usize,
    pub(crate) clients: ClientCertificates,
}

/// What holds for a listener: what it says itself, as early versions of Gateway API have it, or what the Gateway says
/// for its port, or for every port.
///
/// # Errors
/// [`Problem`] where no authority is left that could vouch for anybody: nobody gets in.
pub(crate) fn of_listener(
    world: &World<'_>,
    gateway: &Object<Gateway>,
    listener: (&Listener, &At<'_>),
    notes: &mut Notes,
) -> Result<Option<Frontend>, Arc<Problem>> {
    let Some((spec, at)) = validation(gateway, listener) else { return Ok(None) };
    let FrontendValidation { ca_certificate_refs, mode } = spec;
    let from = Party { group: group::GATEWAY, kind: "Gateway", namespace: &gateway.meta.namespace };
    let (mut authorities, mut broken) = (Vec::new(), None);
    for (i, ObjectReference { group, kind, name, namespace }) in ca_certificate_refs.iter().enumerate() {
        let reference = SecretRef {
            group: group.clone(),
            kind: kind.clone(),
            name: name.clone(),
            namespace: namespace.clone(),
        };
        match bundle(world, from, &reference, (CA, "CERTIFICATE")) {
            Ok(pem) => {
                authorities.extend(pem);
                authorities.push(b'\n');
            }
            Err(fault) => broken = Some(notes.error(&at.to(format!(".caCertificateRefs[{i}]")), fault)),
        }
    }
    if authorities.is_empty() {
        return Err(broken.unwrap_or_else(|| {
            let message = "clients are to be verified, but nothing says which authorities to trust";
            notes.error(&at, Fault::new("no-ca", message).help("set caCertificateRefs"))
        }));
    }
    let verification = match mode {
        ClientCertificateMode::AllowValidOnly => Verification::RequireAndVerify,
        ClientCertificateMode::AllowInsecureFallback => {
            let message = "clients without a valid certificate are let in: backends have to look at it";
            let fault = Fault::new("insecure-clients", message).help("AllowValidOnly lets nobody else in");
            notes.warning(&at.to(".mode"), fault);
            Verification::Request
        }
    };
    let clients = ClientCertificates {
        verification,
        authorities: authorities.into(),
        spki_hashes: Vec::new(),
        certificate_hashes: Vec::new(),
        names: Vec::new(),
        revocation: None,
        allow_expired: false,
    };
    Ok(Some(Frontend { origin: std::ptr::from_ref(spec).addr(), clients }))
}

/// The field that holds, and where it stands. One for a port replaces the default, also where it asks for nothing.
fn validation<'a>(
    gateway: &'a Object<Gateway>,
    (listener, at): (&'a Listener, &At<'a>),
) -> Option<(&'a FrontendValidation, At<'a>)> {
    if let Some(own) = listener.tls.as_ref().and_then(|tls| tls.frontend_validation.as_ref()) {
        return Some((own, at.to(".tls.frontendValidation")));
    }
    let frontend = gateway.spec.tls.as_ref()?.frontend.as_ref()?;
    let at = At::new(gateway, "spec.tls.frontend");
    match frontend.per_port.iter().position(|one| one.port == listener.port) {
        Some(i) => {
            let at = at.to(format!(".perPort[{i}].tls.validation"));
            Some((frontend.per_port.get(i)?.tls.validation.as_ref()?, at))
        }
        None => Some((frontend.default.as_ref()?.validation.as_ref()?, at.to(".default.validation"))),
    }
}
