//! Any request body, to every schema: refused, or turned into JSON.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tollgate_llm::{Call, Target, inspect, prepare};
use tollgate_types::{ApiSchema, Endpoint};

fuzz_target!(|bytes: &[u8]| {
    let body = Bytes::copy_from_slice(bytes);
    for endpoint in Endpoint::ALL {
        let Ok(inspected) = inspect(endpoint, &body) else { continue };
        for schema in ApiSchema::ALL {
            let target = Target { schema, prefix: "v1".to_owned(), version: Some("2025-01-01".to_owned()) };
            let call = Call {
                endpoint,
                body: &body,
                inspected: &inspected,
                target: &target,
                model_override: None,
                mutations: &[],
                query: None,
                beta: None,
                now: 0,
            };
            if let Ok((prepared, _)) = prepare(&call) {
                // Google's paths go behind a project that the credential knows.
                let google = matches!(schema, ApiSchema::GcpVertexAi | ApiSchema::GcpAnthropic);
                assert!(prepared.path.starts_with('/') || google);
                tollgate_wire::scan::document(&prepared.body).expect("what goes to a provider is JSON");
            }
        }
    }
});
