use http::header::CONTENT_TYPE;
use tollgate_types::Dialect;

use super::*;
use crate::{BodyEdit, inspect};

const NOW: u64 = 1_700_000_000;

struct Case {
    endpoint: Endpoint,
    body: Bytes,
    target: Target,
    model_override: Option<ModelId>,
    mutation: BodyMutation,
    query: Option<&'static str>,
    beta: Option<&'static str>,
}

impl Case {
    fn new(endpoint: Endpoint, schema: ApiSchema, body: &str) -> Self {
        let target = Target { schema, prefix: "v1".to_owned(), version: Some("2024-10-21".to_owned()) };
        Self {
            endpoint,
            body: Bytes::from(body.to_owned()),
            target,
            model_override: None,
            mutation: BodyMutation::default(),
            query: None,
            beta: None,
        }
    }

    fn prepare(&self) -> Result<(Prepared, Box<Reply>), Untranslatable> {
        let inspected = inspect(self.endpoint, &self.body).unwrap();
        let call = Call {
            endpoint: self.endpoint,
            body: &self.body,
            inspected: &inspected,
            target: &self.target,
            model_override: self.model_override.as_ref(),
            mutations: &[&self.mutation],
            query: self.query,
            beta: self.beta,
            now: NOW,
        };
        let (prepared, reply) = prepare(&call)?;
        // Known places save a scan and nothing else.
        let unaware = Inspected { spots: Default::default(), ..inspected.clone() };
        let (again, _) = prepare_with(&call, &unaware)?;
        let parse = |body: &Bytes| serde_json::from_slice::<serde_json::Value>(body).unwrap();
        assert_eq!(parse(&again.body), parse(&prepared.body));
        without_body(&call, &prepared);
        Ok((prepared, reply))
    }

    fn body(&self) -> String {
        String::from_utf8(self.prepare().unwrap().0.body.to_vec()).unwrap()
    }
}

/// What is said of the body holds, and without it the same head is made.
fn without_body(call: &Call<'_>, prepared: &Prepared) {
    let wished = wishing(call.endpoint, call.inspected, call.body);
    let none = Bytes::new();
    let inspected = Inspected { spots: Default::default(), ..call.inspected.clone() };
    let unread = Call { body: &none, inspected: &inspected, ..*call };
    for (wished, kept) in [(true, wished.as_ref().unwrap_or(call.body)), (false, call.body)] {
        if keeps_body(&unread, wished) {
            assert_eq!(kept, &prepared.body);
            let (head, _) = prepare_unread(&unread).unwrap();
            assert_eq!((&head.path, &head.model), (&prepared.path, &prepared.model));
            assert_eq!((&head.set, &head.default), (&prepared.set, &prepared.default));
            assert_eq!(head.remove, prepared.remove);
        }
    }
}

fn prepare_with(call: &Call<'_>, inspected: &Inspected) -> Result<(Prepared, Box<Reply>), Untranslatable> {
    prepare(&Call { inspected, ..*call })
}

#[test]
fn paths_are_those_of_the_schema() {
    use ApiSchema::{Anthropic, AzureOpenAi, OpenAi};
    use Endpoint::{ChatCompletions, Completions, CountTokens, Embeddings, Messages, Responses};
    let table = [
        (ChatCompletions, OpenAi, "/v1/chat/completions"),
        (Completions, OpenAi, "/v1/completions"),
        (Embeddings, OpenAi, "/v1/embeddings"),
        (Responses, OpenAi, "/v1/responses"),
        (
            ChatCompletions,
            AzureOpenAi,
            "/openai/deployments/a%2Fb%20c/chat/completions?api-version=2024-10-21",
        ),
        (Completions, AzureOpenAi, "/openai/deployments/a%2Fb%20c/completions?api-version=2024-10-21"),
        (Embeddings, AzureOpenAi, "/openai/deployments/a%2Fb%20c/embeddings?api-version=2024-10-21"),
        (Responses, AzureOpenAi, "/openai/responses?api-version=2024-10-21"),
        (Messages, Anthropic, "/v1/messages"),
        (CountTokens, Anthropic, "/v1/messages/count_tokens"),
    ];
    for (endpoint, schema, path) in table {
        let case = Case::new(endpoint, schema, r#"{"model":"a/b c"}"#);
        let (prepared, _) = case.prepare().unwrap();
        assert_eq!(prepared.path, path);
        assert_eq!(prepared.model.as_str(), "a/b c");
    }
}

#[test]
fn prefix_and_query_are_merged_into_the_path() {
    let table = [
        (ApiSchema::OpenAi, "", Some("x=1&y"), "/chat/completions?x=1&y"),
        (ApiSchema::OpenAi, "openai/v1", Some(""), "/openai/v1/chat/completions"),
        (
            ApiSchema::AzureOpenAi,
            "",
            Some("api-version=1&x=2&API-Version=3"),
            "/openai/deployments/m/chat/completions?api-version=2024-10-21&x=2",
        ),
    ];
    for (schema, prefix, query, path) in table {
        let mut case = Case::new(Endpoint::ChatCompletions, schema, r#"{"model":"m"}"#);
        case.target.prefix = prefix.to_owned();
        case.query = query;
        assert_eq!(case.prepare().unwrap().0.path, path);
    }
}

#[test]
fn without_a_configured_version_the_clients_is_kept() {
    let mut case = Case::new(Endpoint::Responses, ApiSchema::AzureOpenAi, r#"{"model":"m"}"#);
    case.target.version = None;
    case.query = Some("api-version=2025-01-01");
    assert_eq!(case.prepare().unwrap().0.path, "/openai/responses?api-version=2025-01-01");
}

#[test]
fn a_deployment_cannot_climb_out_of_its_path() {
    let case = Case::new(Endpoint::Embeddings, ApiSchema::AzureOpenAi, r#"{"model":".."}"#);
    assert!(matches!(case.prepare(), Err(Untranslatable::Field { field, .. }) if field == "model"));
}

#[test]
fn an_unchanged_body_is_the_clients_own_buffer() {
    let case = Case::new(Endpoint::ChatCompletions, ApiSchema::OpenAi, r#"{"model":"m"}"#);
    let (prepared, _) = case.prepare().unwrap();
    assert_eq!(prepared.body.as_ptr(), case.body.as_ptr());
    assert!(prepared.set.is_empty() && prepared.remove.is_empty());
}

#[test]
fn an_override_changes_the_model_and_nothing_else() {
    let body = "{ \"seed\": 123456789012345678901,\n\"model\" : \"m\", \"é\":1.0 }";
    let mut case = Case::new(Endpoint::ChatCompletions, ApiSchema::OpenAi, body);
    case.model_override = Some(ModelId::from("say \"x\""));
    assert_eq!(case.body(), body.replace("\"m\"", r#""say \"x\"""#));
    assert_eq!(case.prepare().unwrap().0.model.as_str(), "say \"x\"");
}

#[test]
fn a_stream_is_asked_for_usage_where_the_client_did_not() {
    let table = [
        (
            r#"{"model":"m","stream":true}"#,
            r#"{"model":"m","stream_options":{"include_usage":true},"stream":true}"#,
        ),
        (
            r#"{"stream":true,"stream_options":null,"model":"m"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m"}"#,
        ),
        (
            r#"{"stream":true,"stream_options":{"x":1, "include_usage":false},"model":"m"}"#,
            r#"{"stream":true,"stream_options":{"x":1, "include_usage":true},"model":"m"}"#,
        ),
    ];
    for endpoint in [Endpoint::ChatCompletions, Endpoint::Completions] {
        for (body, wanted) in table {
            let case = Case::new(endpoint, ApiSchema::OpenAi, body);
            assert_eq!(case.body(), wanted);
            let (prepared, _) = case.prepare().unwrap();
            assert_eq!(prepared.set, [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        }
    }
}

#[test]
fn a_body_is_kept_by_those_who_take_it_as_it_is_and_by_nobody_else() {
    use Endpoint::{ChatCompletions as Chat, GenerateContent, Messages};
    let kept = |case: &Case, streamed, wished| {
        let inspected = Inspected {
            model: ModelId::from("m"),
            delivery: if streamed { Delivery::Streamed } else { Delivery::Whole },
            wants_usage: false,
            completion_bound: None,
            spots: Default::default(),
        };
        let none = Bytes::new();
        let call = Call {
            endpoint: case.endpoint,
            body: &none,
            inspected: &inspected,
            target: &case.target,
            model_override: case.model_override.as_ref(),
            mutations: &[&case.mutation],
            query: None,
            beta: None,
            now: NOW,
        };
        assert_eq!(prepare_unread(&call).is_ok(), keeps_body(&call, true));
        keeps_body(&call, wished)
    };
    for (endpoint, schema, want) in [
        (Chat, ApiSchema::OpenAi, true),
        (Chat, ApiSchema::AzureOpenAi, true),
        (Messages, ApiSchema::Anthropic, true),
        (GenerateContent, ApiSchema::GcpVertexAi, true),
        (Chat, ApiSchema::Anthropic, false),
        (Chat, ApiSchema::AwsBedrock, false),
        (Messages, ApiSchema::AwsAnthropic, false),
        (Messages, ApiSchema::GcpAnthropic, false),
        (Endpoint::Transcriptions, ApiSchema::OpenAi, false),
    ] {
        assert_eq!(kept(&Case::new(endpoint, schema, ""), false, false), want, "{endpoint:?} {schema:?}");
    }
    let mut case = Case::new(Chat, ApiSchema::OpenAi, "");
    assert!(!kept(&case, true, false) && kept(&case, true, true), "the wish for usage has to be there");
    case.model_override = Some(ModelId::from("m"));
    assert!(kept(&case, false, false), "an override by the same name changes nothing");
    case.model_override = Some(ModelId::from("other"));
    assert!(!kept(&case, false, false));
    let mut case = Case::new(GenerateContent, ApiSchema::GcpVertexAi, "");
    case.model_override = Some(ModelId::from("other"));
    assert!(kept(&case, false, false), "its model stands in the path");
    case.mutation.remove.push("a".to_owned());
    assert!(!kept(&case, false, false));
}

#[test]
fn nobody_else_is_asked_for_usage() {
    let wanted = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    let streamed = r#"{"model":"m","stream":true}"#;
    let table = [
        (Endpoint::ChatCompletions, ApiSchema::OpenAi, wanted),
        (Endpoint::Responses, ApiSchema::OpenAi, streamed),
        (Endpoint::Messages, ApiSchema::Anthropic, streamed),
        (Endpoint::ChatCompletions, ApiSchema::OpenAi, r#"{"model":"m","stream":false}"#),
    ];
    for (endpoint, schema, body) in table {
        assert_eq!(Case::new(endpoint, schema, body).body(), body);
    }
}

#[test]
fn mutations_come_last_and_removals_before_sets() {
    let mut case = Case::new(
        Endpoint::ChatCompletions,
        ApiSchema::OpenAi,
        r#"{"model":"m","user":"me","temperature":1}"#,
    );
    let edit = |path: &str, value: &str| BodyEdit { path: path.to_owned(), value: value.to_owned() };
    case.mutation = BodyMutation {
        set: vec![edit("user", "\"you\""), edit("metadata.team", "\"x\"")],
        remove: vec!["temperature".to_owned(), "user".to_owned()],
    };
    case.model_override = Some(ModelId::from("n"));
    assert_eq!(case.body(), r#"{"model":"n","user":"you","metadata":{"team":"x"}}"#);
}

#[test]
fn a_version_of_anthropics_api_is_named_where_the_client_names_none() {
    let request = r#"{"model":"m","max_tokens":1,"messages":[]}"#;
    for endpoint in [Endpoint::Messages, Endpoint::CountTokens] {
        let (prepared, _) = Case::new(endpoint, ApiSchema::Anthropic, request).prepare().unwrap();
        assert_eq!(prepared.default, [ANTHROPIC_VERSION]);
    }
    let (prepared, _) = Case::new(Endpoint::ChatCompletions, ApiSchema::OpenAi, request).prepare().unwrap();
    assert!(prepared.default.is_empty());
    // Where a client cannot know of it, it is set.
    let (prepared, _) =
        Case::new(Endpoint::ChatCompletions, ApiSchema::Anthropic, request).prepare().unwrap();
    assert!(prepared.set.contains(&ANTHROPIC_VERSION) && prepared.default.is_empty());
}

#[test]
fn a_mutation_that_cannot_be_made_is_refused_by_name() {
    let mut case = Case::new(Endpoint::ChatCompletions, ApiSchema::OpenAi, r#"{"model":"m","stop":["x"]}"#);
    case.mutation.remove = vec!["stop.x".to_owned()];
    let error = case.prepare().unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid request body: stop.x: stop.x leads through a value that is no object"
    );
}

#[test]
fn a_pair_without_sense_is_refused_with_both_names() {
    let case = Case::new(Endpoint::Embeddings, ApiSchema::Anthropic, r#"{"model":"m"}"#);
    assert_eq!(
        case.prepare().unwrap_err().to_string(),
        "/v1/embeddings is not supported by backends of schema Anthropic"
    );
}

#[test]
fn every_dialect_knows_its_own_headers() {
    assert!(dialect_headers(Dialect::Anthropic).contains(&HeaderName::from_static("x-api-key")));
    assert!(dialect_headers(Dialect::OpenAi).contains(&HeaderName::from_static("openai-organization")));
}

/// What the client of a translated stream gets, the provider's bytes cut into pieces.
fn translated(body: &str, size: usize) -> (Result<(), crate::Fault>, String) {
    use http::{HeaderMap, StatusCode};
    let request = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let case = Case::new(Endpoint::ChatCompletions, ApiSchema::Anthropic, request);
    let (prepared, mut reply) = case.prepare().unwrap();
    assert!(prepared.set.contains(&(ACCEPT_ENCODING, HeaderValue::from_static("identity"))));
    assert!(prepared.remove.contains(&HeaderName::from_static("openai-organization")));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    let head = reply.head(StatusCode::OK, headers);
    assert_eq!(head.headers.get(CONTENT_TYPE).unwrap(), "text/event-stream");
    let mut out = crate::Output::default();
    let pushed = body
        .as_bytes()
        .chunks(size)
        .try_for_each(|chunk| reply.push(Bytes::copy_from_slice(chunk), &mut out));
    let result = pushed.and_then(|()| reply.finish(&mut out));
    (result, String::from_utf8(out.0.concat()).unwrap())
}

#[test]
fn a_translated_stream_is_the_same_whatever_the_cuts() {
    let body = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",",
        "\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,",
        "\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":",
        "{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":",
        "{\"type\":\"text_delta\",\"text\":\"h\u{e9}\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",",
        "\"stop_sequence\":null},\"usage\":{\"output_tokens\":4}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    let (result, whole) = translated(body, usize::MAX);
    assert_eq!(result, Ok(()));
    assert!(whole.contains("h\u{e9}") && whole.ends_with("data: [DONE]\n\n"), "{whole}");
    for size in [1, 5, 64] {
        assert_eq!(translated(body, size), (Ok(()), whole.clone()));
    }
    let (result, _) = translated(&body[..body.len() - 60], 9);
    assert_eq!(result, Err(crate::Fault::Truncated));
}

#[test]
fn a_translated_stream_that_is_none_lets_nothing_out() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
    assert_eq!(translated(error, 7), (Err(crate::Fault::ErrorInReply("busy".to_owned())), String::new()));
    let (result, text) = translated("<html>no</html>", 4);
    assert!(matches!(result, Err(crate::Fault::Malformed(_))));
    assert_eq!(text, "");
}

#[test]
fn anthropic_on_vertex_has_the_model_in_the_path_and_the_version_in_the_body() {
    let request = r#"{"model":"claude-x@latest", "max_tokens":1,"big":12345678901234567890,"messages":[]}"#;
    let mut case = Case::new(Endpoint::Messages, ApiSchema::GcpAnthropic, request);
    case.target.version = None;
    let (prepared, _) = case.prepare().unwrap();
    assert_eq!(prepared.path, "publishers/anthropic/models/claude-x@latest:rawPredict");
    assert!(prepared.default.is_empty());
    let body = case.body();
    assert!(!body.contains("claude-x") && body.contains("12345678901234567890"), "{body}");
    assert!(body.contains(r#""anthropic_version":"vertex-2023-10-16""#), "{body}");
    case.body = Bytes::from(request.replace(r#""big""#, r#""stream":true,"big""#));
    case.target.version = Some("vertex-next".to_owned());
    assert!(case.prepare().unwrap().0.path.ends_with(":streamRawPredict"));
    assert!(case.body().contains(r#""stream":true"#) && case.body().contains("vertex-next"));
}

#[test]
fn tokens_on_vertex_are_counted_at_a_path_of_their_own_for_an_exact_model() {
    let request = r#"{"model":"claude-x@default","messages":[]}"#;
    let case = Case::new(Endpoint::CountTokens, ApiSchema::GcpAnthropic, request);
    let (prepared, _) = case.prepare().unwrap();
    assert_eq!(prepared.path, "publishers/anthropic/models/count-tokens:rawPredict");
    assert!(case.body().contains(r#""model":"claude-x","#), "{}", case.body());
}

#[test]
fn every_endpoint_of_openai_has_its_path_at_azure() {
    for (endpoint, openai, azure) in [
        (Endpoint::InputTokens, "/v1/responses/input_tokens", Some("/openai/responses/input_tokens?")),
        (
            Endpoint::ImageGenerations,
            "/v1/images/generations",
            Some("/openai/deployments/m/images/generations?"),
        ),
        (Endpoint::ImageEdits, "/v1/images/edits", Some("/openai/deployments/m/images/edits?")),
        (Endpoint::Speech, "/v1/audio/speech", Some("/openai/deployments/m/audio/speech?")),
        (
            Endpoint::Transcriptions,
            "/v1/audio/transcriptions",
            Some("/openai/deployments/m/audio/transcriptions?"),
        ),
        (Endpoint::Files, "/v1/files", Some("/openai/files?")),
        (Endpoint::Batches, "/v1/batches", Some("/openai/batches?")),
        (Endpoint::Realtime, "/v1/realtime?model=m", Some("/openai/realtime?")),
        (Endpoint::Moderations, "/v1/moderations", None),
        (Endpoint::ImageVariations, "/v1/images/variations", None),
        (Endpoint::Tokenize, "/tokenize", Some("/openai/responses/input_tokens?")),
    ] {
        let path = |schema| {
            Case::new(endpoint, schema, r#"{"model":"m","prompt":"a"}"#).prepare().map(|(it, _)| it.path)
        };
        assert_eq!(path(ApiSchema::OpenAi).as_deref(), Ok(openai));
        match (path(ApiSchema::AzureOpenAi), azure) {
            (Ok(path), Some(wanted)) => assert!(path.starts_with(wanted), "{path}"),
            (Err(Untranslatable::UnsupportedPair { .. }), None) => {}
            (path, wanted) => panic!("{endpoint}: {path:?}, not {wanted:?}"),
        }
    }
}

#[test]
fn ids_stay_in_their_segment() {
    let mut case = Case::new(Endpoint::FileContent, ApiSchema::OpenAi, "{}");
    case.query = Some("limit=2");
    let inspected = inspect(Endpoint::Speech, &Bytes::from_static(b"{\"model\":\"m\"}")).unwrap();
    let call = Call {
        endpoint: case.endpoint,
        body: &case.body,
        inspected: &inspected,
        target: &case.target,
        model_override: None,
        mutations: &[],
        query: case.query,
        beta: None,
        now: NOW,
    };
    let path = |id: &str| prepare_item(&call, id).map(|(prepared, _)| prepared.path);
    assert_eq!(path("file-1").as_deref(), Ok("/v1/files/file-1/content?limit=2"));
    assert_eq!(path("a/../b?").as_deref(), Ok("/v1/files/a%2F..%2Fb%3F/content?limit=2"));
    assert!(path("..").is_err());
}

#[test]
fn a_session_asks_for_its_model_once() {
    let mut case = Case::new(Endpoint::Realtime, ApiSchema::OpenAi, r#"{"model":"m"}"#);
    case.query = Some("model=other&deployment=x&safety=1");
    let (prepared, _) = case.prepare().unwrap();
    assert_eq!(prepared.path, "/v1/realtime?model=m&safety=1");
}
