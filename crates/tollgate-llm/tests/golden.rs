//! Golden cases of both pairs: requests, whole replies, streams, errors and refusals.
//!
//! Sources: `request.<dialect>.json`, `reply.<provider>.{json,sse}`, `error.<provider>.<status>.<ext>`.
//! Wants: `want.request.<schema>.json` or `want.refused.<schema>.txt`, `want.reply.<dialect>.{json,sse}`,
//! `want.usage.json`, `want.fault.txt`, `want.error.<dialect>.json`.

mod support;

use std::path::Path;

use http::{HeaderMap, StatusCode};
use tollgate_llm::translate::{Reader, Translated};
use tollgate_testkit::{Case, cases};
use tollgate_types::{ApiSchema, Endpoint, Usage};

use self::support::{assert_well_formed, run, stream};

/// A client's dialect, with the schemas that it reaches by translation.
struct Client {
    name: &'static str,
    endpoint: Endpoint,
    schemas: &'static [(&'static str, ApiSchema)],
    /// Enough to get a reader.
    request: &'static [u8],
}

const CLIENTS: [Client; 4] = [
    Client {
        name: "openai-chat",
        endpoint: Endpoint::ChatCompletions,
        schemas: &[
            ("anthropic", ApiSchema::Anthropic),
            ("bedrock", ApiSchema::AwsBedrock),
            ("cohere", ApiSchema::Cohere),
            ("aws-anthropic", ApiSchema::AwsAnthropic),
            ("gemini", ApiSchema::GcpVertexAi),
            ("gcp-anthropic", ApiSchema::GcpAnthropic),
        ],
        request: br#"{"model":"claude-sonnet-4-5","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
    },
    Client {
        name: "openai-responses",
        endpoint: Endpoint::Responses,
        schemas: &[
            ("anthropic", ApiSchema::Anthropic),
            ("bedrock", ApiSchema::AwsBedrock),
            ("cohere", ApiSchema::Cohere),
            ("gemini", ApiSchema::GcpVertexAi),
        ],
        request: br#"{"model":"claude-sonnet-4-5","input":"","stream":true}"#,
    },
    Client {
        name: "anthropic-messages",
        endpoint: Endpoint::Messages,
        schemas: &[
            ("openai", ApiSchema::OpenAi),
            ("azure", ApiSchema::AzureOpenAi),
            ("bedrock", ApiSchema::AwsBedrock),
            ("cohere", ApiSchema::Cohere),
            ("gemini", ApiSchema::GcpVertexAi),
        ],
        request: br#"{"model":"gpt-4o-mini","max_tokens":100,"messages":[],"stream":true}"#,
    },
    Client {
        name: "gemini",
        endpoint: Endpoint::StreamGenerateContent,
        schemas: &[
            ("openai", ApiSchema::OpenAi),
            ("anthropic", ApiSchema::Anthropic),
            ("cohere", ApiSchema::Cohere),
        ],
        request: br#"{"contents":[]}"#,
    },
];

#[test]
fn every_case_gives_what_it_wants() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut count = 0;
    for client in &CLIENTS {
        for case in cases(&root.join(client.name)) {
            requests(client, &case);
            replies(client, &case);
            errors(client, &case);
            count += 1;
        }
    }
    assert!(count >= 40, "only {count} cases were found");
}

fn requests(client: &Client, case: &Case) {
    let source = format!("request.{}.json", client.name);
    if !case.has(&source) {
        return;
    }
    for (name, schema) in client.schemas {
        let want = format!("want.request.{name}.json");
        let refusal = format!("want.refused.{name}.txt");
        match run(client.endpoint, *schema, &case.read(&source)) {
            Ok(translated) => {
                assert!(!case.has(&refusal), "{}: {name} was to refuse", case.name);
                case.expect(&want, &pretty(&translated.body));
            }
            Err(refused) => {
                assert!(!case.has(&want), "{}: {name} refused: {refused}", case.name);
                case.expect(&refusal, &format!("{refused}\n"));
            }
        }
    }
}

fn replies(client: &Client, case: &Case) {
    for (file, provider) in case.sources("reply.", ".json") {
        let mut reader = translated(client, case, provider).reader;
        let mut out = Vec::new();
        match reader.whole(&case.read(file), &mut out) {
            Ok(()) => case.expect(&format!("want.reply.{}.json", client.name), &pretty(&out)),
            Err(fault) => {
                assert!(case.has("want.fault.txt"), "{}: {fault}", case.name);
                case.expect("want.fault.txt", &format!("{fault}\n"));
            }
        }
        case.expect("want.usage.json", &usage(&reader.usage()));
    }
    for (file, provider) in case.sources("reply.", ".sse") {
        let source = case.read(file);
        let replay =
            |chunks: &[&[u8]]| replay(client, case, translated(client, case, provider).reader, chunks);
        replay(&[&source]);
        replay(&source.chunks(1).collect::<Vec<_>>());
        for seed in 1..20 {
            replay(&random_chunks(&source, seed));
        }
    }
}

fn replay(client: &Client, case: &Case, mut reader: Box<dyn Reader>, chunks: &[&[u8]]) {
    let streamed = stream(reader.as_mut(), chunks.iter().copied());
    assert_well_formed(client.endpoint, &streamed);
    case.expect(&format!("want.reply.{}.sse", client.name), &String::from_utf8_lossy(&streamed.out));
    case.expect("want.usage.json", &usage(&reader.usage()));
    match streamed.fault {
        Some(fault) => {
            assert!(case.has("want.fault.txt"), "{}: {fault}", case.name);
            case.expect("want.fault.txt", &format!("{fault}\n"));
        }
        None => assert!(!case.has("want.fault.txt"), "{}: there was to be a fault", case.name),
    }
}

fn errors(client: &Client, case: &Case) {
    for (file, middle) in case.sources("error.", "") {
        let status = middle.split('.').nth(1).and_then(|status| status.parse::<u16>().ok());
        let status =
            status.and_then(|status| StatusCode::from_u16(status).ok()).expect("error.<provider>.<status>");
        let mut out = Vec::new();
        let provider = middle.split('.').next().unwrap_or_default();
        translated(client, case, provider).reader.error(
            status,
            &HeaderMap::new(),
            &case.read(file),
            &mut out,
        );
        case.expect(&format!("want.error.{}.json", client.name), &pretty(&out));
    }
}

/// The case's own request, where it has one that is translated, or else the client's least. The provider is the one
/// that the source names, or else the client's first.
fn translated(client: &Client, case: &Case, provider: &str) -> Translated {
    let source = format!("request.{}.json", client.name);
    let own = case.has(&source).then(|| case.read(&source));
    let named = client.schemas.iter().find(|(name, _)| *name == provider);
    let (_, schema) = named.unwrap_or(&client.schemas[0]);
    run(client.endpoint, *schema, own.as_deref().unwrap_or(client.request))
        .expect("the case's request is translated")
}

fn pretty(json: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(json).expect("translations write valid JSON");
    format!("{document:#}\n")
}

fn usage(usage: &Usage) -> String {
    let Usage { input, output, total, cached_input, cache_creation_input, reasoning, .. } = usage;
    let fields = [
        ("input", input),
        ("output", output),
        ("total", total),
        ("cached_input", cached_input),
        ("cache_creation_input", cache_creation_input),
        ("reasoning", reasoning),
    ];
    let known = fields.iter().filter_map(|(name, tokens)| Some(format!("\"{name}\":{}", (**tokens)?.0)));
    pretty(format!("{{{}}}", known.collect::<Vec<_>>().join(",")).as_bytes())
}

/// Cuts at places that a linear congruence of the seed chooses.
fn random_chunks(source: &[u8], seed: u64) -> Vec<&[u8]> {
    let (mut state, mut rest, mut chunks) = (seed, source, Vec::new());
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = usize::try_from(state >> 33).unwrap_or(0) % 40 + 1;
        let (chunk, tail) = rest.split_at(length.min(rest.len()));
        chunks.push(chunk);
        rest = tail;
    }
    chunks
}
