//! Routing and the provider see the same model.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tollgate_types::Endpoint;

fuzz_target!(|bytes: &[u8]| {
    let body = Bytes::copy_from_slice(bytes);
    for endpoint in [Endpoint::ChatCompletions, Endpoint::Messages, Endpoint::Responses] {
        let Ok(found) = tollgate_llm::inspect(endpoint, &body) else { continue };
        let Ok(document) = serde_json::from_slice::<Value>(bytes) else { continue };
        assert_eq!(document["model"].as_str(), Some(found.model.as_str()));
    }
});
