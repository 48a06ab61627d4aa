//! Calls from the client's bytes to the client's bytes: what the gateway sees of a translation, and of streams
//! that end early.

mod support;

use std::path::Path;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use tollgate_llm::{Call, Fault, Output, Prepared, Reply, Target, inspect, prepare};
use tollgate_testkit::{Case, cases};
use tollgate_types::{ApiSchema, Endpoint, Tokens, Usage};

use self::support::{NOW, assert_well_formed, run, stream};

/// A pair of dialects, with the folder of its golden cases.
#[derive(Clone, Copy)]
struct Pair {
    endpoint: Endpoint,
    schema: ApiSchema,
    folder: &'static str,
}

const PAIRS: [Pair; 3] = [
    Pair { endpoint: Endpoint::ChatCompletions, schema: ApiSchema::Anthropic, folder: "openai-chat" },
    Pair { endpoint: Endpoint::Responses, schema: ApiSchema::Anthropic, folder: "openai-responses" },
    Pair { endpoint: Endpoint::Messages, schema: ApiSchema::OpenAi, folder: "anthropic-messages" },
];

const WHOLE: &str =
    r#"{"model":"m","max_tokens":9,"input":"","messages":[{"role":"user","content":"Good evening!"}]}"#;
const STREAMED: &str = r#"{"model":"m","max_tokens":9,"input":"","messages":[{"role":"user","content":"Good evening!"}],"stream":true}"#;

/// Tokens that the requests are taken to have: 5 bytes of model and role, 13 of content.
const PROMPT: Tokens = Tokens(5);

// === impl Pair ===

impl Pair {
    fn call(self, request: &str) -> (Prepared, Box<Reply>) {
        let body = Bytes::from(request.to_owned());
        let inspected = inspect(self.endpoint, &body).expect("the requests here are sound");
        let target = Target { schema: self.schema, prefix: "v1".to_owned(), version: None };
        let call = Call {
            endpoint: self.endpoint,
            body: &body,
            inspected: &inspected,
            target: &target,
            model_override: None,
            mutations: &[],
            query: None,
            beta: None,
            now: NOW,
        };
        prepare(&call).expect("the pairs here are served")
    }

    /// The same client with the provider that a source of a golden case names.
    fn reading(self, source: &str) -> Self {
        let schema = match source.split('.').next() {
            Some("anthropic") => ApiSchema::Anthropic,
            Some("bedrock") => ApiSchema::AwsBedrock,
            Some("cohere") => ApiSchema::Cohere,
            Some("gemini") => ApiSchema::GcpVertexAi,
            _ => self.schema,
        };
        Self { schema, ..self }
    }

    fn cases(self) -> Vec<Case> {
        cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(self.folder))
    }
}

fn headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CONTENT_LENGTH, HeaderValue::from_static("99")),
    ])
}

/// Pushes a body in pieces and ends it.
fn tell(reply: &mut Reply, body: &[u8], size: usize) -> (Result<(), Fault>, Vec<u8>) {
    let mut out = Output::default();
    let result = body
        .chunks(size)
        .try_for_each(|chunk| reply.push(Bytes::copy_from_slice(chunk), &mut out))
        .and_then(|()| reply.finish(&mut out));
    (result, out.0.concat())
}

#[test]
fn whole_documents_are_what_the_translation_makes_of_them() {
    let mut count = 0;
    for pair in PAIRS {
        for case in pair.cases() {
            for (file, provider) in case.sources("reply.", ".json") {
                let (pair, body) = (pair.reading(provider), case.read(file));
                let mut reader = run(pair.endpoint, pair.schema, WHOLE.as_bytes()).unwrap().reader;
                let mut wanted = Vec::new();
                let expected = reader.whole(&body, &mut wanted);
                for size in [1, 100, usize::MAX] {
                    let (_, mut reply) = pair.call(WHOLE);
                    let head = reply.head(StatusCode::OK, headers("application/json; charset=utf-8"));
                    assert_eq!(head.headers.get(CONTENT_TYPE).unwrap(), "application/json");
                    assert!(!head.headers.contains_key(CONTENT_LENGTH));
                    let (result, out) = tell(&mut reply, &body, size);
                    assert_eq!(result.is_ok(), expected.is_ok(), "{}: {result:?}", case.name);
                    if result.is_ok() {
                        assert_eq!(out, wanted, "{}", case.name);
                        assert_eq!((reply.usage(), reply.model()), (reader.usage(), reader.model()));
                    } else {
                        assert!(out.is_empty(), "{}: a fault lets nothing out", case.name);
                    }
                    assert!(!reply.usage_is_estimated());
                }
                count += 1;
            }
        }
    }
    assert!(count > 10, "only {count} documents were found");
}

#[test]
fn errors_keep_their_status_and_speak_the_clients_dialect() {
    let mut count = 0;
    for pair in PAIRS {
        for case in pair.cases() {
            for (file, middle) in case.sources("error.", "") {
                let pair = pair.reading(middle);
                let status = middle.split('.').nth(1).and_then(|status| status.parse().ok());
                let status = StatusCode::from_u16(status.expect("error.<provider>.<status>")).unwrap();
                let (pair, body) = (pair.reading(middle), case.read(file));
                let mut wanted = Vec::new();
                let mut reader = run(pair.endpoint, pair.schema, WHOLE.as_bytes()).unwrap().reader;
                reader.error(status, &HeaderMap::new(), &body, &mut wanted);
                for request in [WHOLE, STREAMED] {
                    let (_, mut reply) = pair.call(request);
                    let head = reply.head(status, headers("text/html"));
                    assert_eq!(head.status, status);
                    assert_eq!(head.headers.get(CONTENT_TYPE).unwrap(), "application/json");
                    assert!(!head.headers.contains_key(CONTENT_LENGTH) && !reply.is_stream());
                    assert_eq!(tell(&mut reply, &body, 7), (Ok(()), wanted.clone()), "{}", case.name);
                    assert_eq!(reply.usage(), Usage::default());
                }
                count += 1;
            }
        }
    }
    assert!(count > 5, "only {count} errors were found");
}

/// The beginning of each provider's stream: two events with content.
fn beginning(schema: ApiSchema) -> &'static str {
    match schema {
        ApiSchema::Anthropic => concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"c\",",
            "\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":7,\"output_tokens\":1}}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":",
            "{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":",
            "{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":",
            "{\"type\":\"text_delta\",\"text\":\"b\"}}\n\n",
        ),
        _ => concat!(
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n",
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\n\n",
        ),
    }
}

#[test]
fn a_translated_stream_that_breaks_ends_with_the_clients_error_event() {
    let table = [
        (
            "data: {\"type\":\"error\",\"error\":{\"type\":\"server_error\",\"code\":null,\"message\":\
             \"the provider \\\"left\\\"\",\"param\":null}}\n\n",
            "data: [DONE]",
        ),
        (
            "event: error\ndata: {\"type\":\"error\",\"sequence_number\":6,\"code\":\"server_error\",\"message\":\
             \"the provider \\\"left\\\"\",\"param\":null}\n\n",
            "response.completed",
        ),
        (
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\
             \"the provider \\\"left\\\"\"}}\n\n",
            "message_stop",
        ),
    ];
    for (pair, (wanted, end)) in PAIRS.into_iter().zip(table) {
        let (_, mut reply) = pair.call(STREAMED);
        reply.head(StatusCode::OK, headers("text/event-stream"));
        let mut out = Output::default();
        let text = [beginning(pair.schema), "data: {\"half"].concat();
        reply.push(Bytes::from(text), &mut out).unwrap();
        let begun = out.0.concat().len();
        reply.break_off("the provider \"left\"", &mut out);
        let out = String::from_utf8(out.0.concat()).unwrap();
        assert_eq!(&out[begun..], wanted);
        assert!(!out.contains(end), "{out}");
        // A second one says nothing, and the end of the body is no news.
        let mut more = Output::default();
        reply.break_off("again", &mut more);
        assert!(more.0.is_empty());
        assert!(reply.usage_is_estimated());
    }
}

#[test]
fn who_leaves_a_translated_stream_early_is_charged_for_what_came() {
    for (pair, (input, cached)) in
        PAIRS.into_iter().zip([(Tokens(17), Some(Tokens(7))), (Tokens(17), Some(Tokens(7))), (PROMPT, None)])
    {
        let (_, mut reply) = pair.call(STREAMED);
        reply.head(StatusCode::OK, headers("text/event-stream"));
        assert_eq!((reply.usage(), reply.usage_is_estimated()), (Usage::default(), false));
        let mut out = Output::default();
        reply.push(Bytes::from_static(beginning(pair.schema).as_bytes()), &mut out).unwrap();
        let wanted = Usage {
            input: Some(input),
            output: Some(Tokens(2)),
            total: Some(input + Tokens(2)),
            cached_input: cached,
            ..Usage::default()
        };
        assert_eq!((reply.usage(), reply.usage_is_estimated()), (wanted, true), "{}", pair.folder);
    }
}

#[test]
fn who_leaves_a_stream_that_passes_early_is_charged_for_what_came() {
    let native = |endpoint, schema| Pair { endpoint, schema, folder: "" };
    let chat = native(Endpoint::ChatCompletions, ApiSchema::OpenAi);
    let completions =
        "data: {\"choices\":[{\"text\":\"a\",\"index\":0}]}\n\ndata: {\"choices\":[{\"text\":\"b\"}]}\n\n";
    let responses = concat!(
        "data: {\"type\":\"response.created\",\"response\":{\"model\":\"m\",\"usage\":null}}\n\n",
        "data: {\"type\":\"response.reasoning_summary_text.delta\",\"delta\":\"a\"}\n\n",
        "data: {\"type\":\"response.output_text.delta\",\"delta\":\"b\"}\n\n",
    );
    let tools = concat!(
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"a\",\"content\":null}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}],\"usage\":null}\n\n",
    );
    let table = [
        (chat, beginning(ApiSchema::OpenAi), PROMPT),
        (chat, tools, PROMPT),
        (native(Endpoint::Completions, ApiSchema::OpenAi), completions, PROMPT),
        (native(Endpoint::Responses, ApiSchema::OpenAi), responses, PROMPT),
        (native(Endpoint::Messages, ApiSchema::Anthropic), beginning(ApiSchema::Anthropic), Tokens(17)),
    ];
    for (pair, text, input) in table {
        let (_, mut reply) = pair.call(STREAMED);
        reply.head(StatusCode::OK, headers("text/event-stream"));
        assert_eq!((reply.usage(), reply.usage_is_estimated()), (Usage::default(), false));
        reply.push(Bytes::from_static(text.as_bytes()), &mut Output::default()).unwrap();
        let usage = reply.usage();
        assert_eq!((usage.input, usage.output), (Some(input), Some(Tokens(2))), "{text}");
        assert!(reply.usage_is_estimated());
    }
}

#[test]
fn the_providers_numbers_replace_the_estimate() {
    let tables = [
        (
            Endpoint::ChatCompletions,
            ApiSchema::OpenAi,
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":40,\"total_tokens\":49}}\n\n",
        ),
        (
            Endpoint::Messages,
            ApiSchema::Anthropic,
            "data: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":40}}\n\n",
        ),
    ];
    for (own, schema, last) in tables {
        for endpoint in [Endpoint::ChatCompletions, Endpoint::Messages] {
            let (_, mut reply) = Pair { endpoint, schema, folder: "" }.call(STREAMED);
            reply.head(StatusCode::OK, headers("text/event-stream"));
            let text = Bytes::from([beginning(schema), last].concat());
            reply.push(text, &mut Output::default()).unwrap();
            assert_eq!(reply.usage().output, Some(Tokens(40)), "{own} by {endpoint}");
            assert!(!reply.usage_is_estimated(), "{own} by {endpoint}");
        }
    }
}

#[test]
fn a_stream_that_ends_whole_without_numbers_has_none() {
    let pair = Pair { endpoint: Endpoint::ChatCompletions, schema: ApiSchema::OpenAi, folder: "" };
    let stop = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    for end in ["data: [DONE]\n\n", stop] {
        let (_, mut reply) = pair.call(STREAMED);
        reply.head(StatusCode::OK, headers("text/event-stream"));
        let body = [beginning(ApiSchema::OpenAi), end].concat();
        assert_eq!(tell(&mut reply, body.as_bytes(), 20).0, Ok(()));
        assert_eq!((reply.usage(), reply.usage_is_estimated()), (Usage::default(), false));
    }
}

#[test]
fn a_translated_stream_that_ends_whole_has_the_providers_numbers() {
    for pair in PAIRS {
        for case in pair.cases().iter().filter(|case| !case.has("want.fault.txt")) {
            for (file, provider) in case.sources("reply.", ".sse") {
                let (pair, body) = (pair.reading(provider), case.read(file));
                let (_, mut reply) = pair.call(STREAMED);
                reply.head(StatusCode::OK, headers("text/event-stream"));
                let (result, out) = tell(&mut reply, &body, 50);
                assert_eq!((result, reply.usage_is_estimated()), (Ok(()), false), "{}", case.name);
                let mut reader = run(pair.endpoint, pair.schema, STREAMED.as_bytes()).unwrap().reader;
                let streamed = stream(reader.as_mut(), [&*body]);
                assert_well_formed(pair.endpoint, &streamed);
                assert_eq!((out, reply.usage()), (streamed.out, reader.usage()), "{}", case.name);
            }
        }
    }
}
