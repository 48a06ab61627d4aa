use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use http::header::HeaderName;
use proptest::prelude::*;
use tollgate_types::Tokens;

use super::*;

const CHAT_HEAD: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\
                         \"delta\":{\"role\":\"assistant\",\"content\":\"h\u{e9}\"},\"finish_reason\":null}],\"usage\":null}\n\n";
const CHAT_LAST: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
const CHAT_USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13,\
                          \"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const EMBEDDINGS: &str = "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.1,-0.2]}],\
                          \"model\":\"emb\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}";
const CHAT: &str = "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"gpt-x\",\"choices\":[{\"message\":{\"content\":\
                    \"{\\\"usage\\\":7}\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}}";
const MESSAGES: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\",\"usage\":",
    "{\"input_tokens\":10,\"cache_read_input_tokens\":5,\"cache_creation_input_tokens\":2,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"hi\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":",
    "{\"output_tokens\":40}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);
const RESPONSES: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"gpt-r\",\"error\":null}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-r\",\"usage\":",
    "{\"input_tokens\":6,\"output_tokens\":7,\"total_tokens\":13,\"output_tokens_details\":{\"reasoning_tokens\":5}}}}\n\n",
);

/// What the request is taken to hold.
const PROMPT: Tokens = Tokens(21);

/// What became of one reply.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    result: Result<(), Fault>,
    text: String,
    usage: Usage,
    model: Option<String>,
}

struct Provider {
    endpoint: Endpoint,
    delivery: Delivery,
    usage_chunk: UsageChunk,
    status: u16,
    headers: Vec<(HeaderName, &'static str)>,
}

impl Provider {
    fn streams(endpoint: Endpoint) -> Self {
        let headers = vec![(CONTENT_TYPE, "text/event-stream"), (CONTENT_LENGTH, "99")];
        Self { endpoint, delivery: Delivery::Streamed, usage_chunk: UsageChunk::Keep, status: 200, headers }
    }

    fn answers(endpoint: Endpoint) -> Self {
        let headers = vec![(CONTENT_TYPE, "application/json"), (CONTENT_LENGTH, "99")];
        Self { endpoint, delivery: Delivery::Whole, usage_chunk: UsageChunk::Keep, status: 200, headers }
    }

    fn strips(mut self) -> Self {
        self.usage_chunk = UsageChunk::Strip;
        self
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        self
    }

    fn fails(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    fn begin(&self) -> (Box<Reply>, Head) {
        let begun = Begun {
            endpoint: self.endpoint,
            delivery: self.delivery,
            prompt: PROMPT,
            framing: Framing::Sse,
            rewrite: None,
        };
        let mut reply = Reply::passing(&begun, self.usage_chunk);
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let head = reply.head(StatusCode::from_u16(self.status).unwrap(), headers);
        (reply, head)
    }

    fn tell_bytes(&self, body: &[u8], size: usize) -> Told {
        let (mut reply, _) = self.begin();
        let mut out = Output::default();
        let mut result = Ok(());
        for chunk in body.chunks(size.max(1)) {
            result = reply.push(Bytes::copy_from_slice(chunk), &mut out);
            if result.is_err() {
                break;
            }
        }
        let result = result.and_then(|()| reply.finish(&mut out));
        let text = String::from_utf8_lossy(&out.0.concat()).into_owned();
        Told { result, text, usage: reply.usage(), model: reply.model().map(str::to_owned) }
    }

    /// Tells the body whole and in cuts of every small size, which must not matter.
    fn tell(&self, body: &str) -> Told {
        let told = self.tell_bytes(body.as_bytes(), usize::MAX);
        for size in [1, 2, 3, 7, 50, 100] {
            assert_eq!(self.tell_bytes(body.as_bytes(), size), told, "in pieces of {size}");
        }
        told
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn counts(usage: Usage) -> [Option<u64>; 6] {
    let Usage { input, output, total, cached_input, cache_creation_input, reasoning, .. } = usage;
    [input, output, total, cached_input, cache_creation_input, reasoning]
        .map(|tokens| tokens.map(|Tokens(n)| n))
}

#[test]
fn whole_replies_pass_as_they_are_and_are_counted() {
    let count_tokens = "{\"input_tokens\":21}";
    let message = "{\"id\":\"m\",\"type\":\"message\",\"model\":\"claude-x\",\"content\":[],\"usage\":{\"input_tokens\":3,\
                   \"cache_read_input_tokens\":4,\"output_tokens\":5}}";
    let table = [
        (Endpoint::ChatCompletions, CHAT, Some("gpt-x"), [Some(9), Some(4), Some(13), None, None, None]),
        (Endpoint::Embeddings, EMBEDDINGS, Some("emb"), [Some(8), None, Some(8), None, None, None]),
        (Endpoint::CountTokens, count_tokens, None, [Some(21), None, Some(21), None, None, None]),
        (Endpoint::Messages, message, Some("claude-x"), [Some(7), Some(5), Some(12), Some(4), None, None]),
        (Endpoint::ChatCompletions, " null ", None, [None; 6]),
    ];
    for (endpoint, body, model, wanted) in table {
        let told = Provider::answers(endpoint).tell(body);
        assert_eq!((told.result, told.text.as_str(), told.model.as_deref()), (Ok(()), body, model));
        assert_eq!(counts(told.usage), wanted, "{body}");
    }
}

#[test]
fn streams_pass_as_they_are_and_are_counted() {
    let chat = [CHAT_HEAD, ": keep-alive\r\n\r\n", CHAT_LAST, CHAT_USAGE, DONE].concat();
    let table = [
        (Endpoint::ChatCompletions, &*chat, "gpt-x", [Some(9), Some(4), Some(13), Some(3), None, None]),
        (Endpoint::Messages, MESSAGES, "claude-x", [Some(17), Some(40), Some(57), Some(5), Some(2), None]),
        (Endpoint::Responses, RESPONSES, "gpt-r", [Some(6), Some(7), Some(13), None, None, Some(5)]),
    ];
    for (endpoint, body, model, wanted) in table {
        let provider = Provider::streams(endpoint);
        let told = provider.tell(body);
        assert_eq!((told.result, told.text.as_str(), told.model.as_deref()), (Ok(()), body, Some(model)));
        assert_eq!(counts(told.usage), wanted);
        assert!(
            provider.begin().1.headers.contains_key(CONTENT_LENGTH),
            "nothing changes, nothing is dropped"
        );

        let crlf = body.replace('\n', "\r\n");
        assert_eq!(provider.tell(&crlf).text, crlf);
        let unnamed: String = body
            .lines()
            .filter(|line| !line.starts_with("event:"))
            .fold(String::new(), |text, line| text + line + "\n");
        assert_eq!(counts(provider.tell(&unnamed).usage), wanted, "without event lines");
    }
}

#[test]
fn a_stream_without_cuts_leaves_in_the_buffers_it_came_in() {
    let (mut reply, _) = Provider::streams(Endpoint::ChatCompletions).begin();
    let chunk = Bytes::from([CHAT_HEAD, CHAT_LAST].concat());
    let mut out = Output::default();
    reply.push(chunk.clone(), &mut out).unwrap();
    assert_eq!(out.0.len(), 1);
    assert_eq!(out.0[0].as_ptr(), chunk.as_ptr());
    assert_eq!(out.0[0].len(), chunk.len());
}

#[test]
fn the_usage_chunk_that_only_the_gateway_wanted_is_stripped_and_nothing_else() {
    let provider = Provider::streams(Endpoint::ChatCompletions).strips();
    let filters = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n";
    let told = provider.tell(&[filters, CHAT_HEAD, CHAT_LAST, CHAT_USAGE, DONE].concat());
    assert_eq!(told.text, [filters, CHAT_HEAD, CHAT_LAST, DONE].concat());
    assert_eq!(counts(told.usage)[..3], [Some(9), Some(4), Some(13)]);
    assert!(!provider.begin().1.headers.contains_key(CONTENT_LENGTH));

    let no_usage = [CHAT_HEAD, CHAT_LAST, DONE].concat();
    assert_eq!(provider.tell(&no_usage).text, no_usage);
    let last = [CHAT_HEAD, CHAT_LAST, CHAT_USAGE.trim_end()].concat();
    assert_eq!(provider.tell(&last).text, [CHAT_HEAD, CHAT_LAST].concat());
}

#[test]
fn what_surrounds_a_stripped_chunk_keeps_its_line_ends() {
    let provider = Provider::streams(Endpoint::ChatCompletions).strips();
    for end in ["\r\n", "\r"] {
        let lines = |events: &[&str]| events.concat().replace('\n', end);
        let body = lines(&[CHAT_HEAD, CHAT_USAGE, CHAT_USAGE, ": hi\n\n", CHAT_LAST, CHAT_USAGE, DONE]);
        // Cut everywhere, so also between the CR and the LF of each blank line.
        assert_eq!(provider.tell(&body).text, lines(&[CHAT_HEAD, ": hi\n\n", CHAT_LAST, DONE]));
    }
}

#[test]
fn an_error_inside_a_success_lets_nothing_out() {
    let documents = [
        ("{\"error\":{\"message\":\"no \\\"gpu\\\"\",\"code\":503}}", "no \"gpu\""),
        ("{\"error\":\"busy\",\"id\":1}", "busy"),
        (" {\"id\":\"x\",\"error\":{\"code\":7}}", "{\"code\":7}"),
        (
            "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
            "Overloaded",
        ),
        ("{\"object\":\"error\",\"message\":\"too long\",\"code\":400}", "too long"),
    ];
    for (body, words) in documents {
        let told = Provider::answers(Endpoint::ChatCompletions).tell(body);
        assert_eq!((told.result, &*told.text), (Err(Fault::ErrorInReply(words.to_owned())), ""));
        let event = format!(": wait\n\ndata: {body}\n\n{DONE}");
        let told = Provider::streams(Endpoint::ChatCompletions).tell(&event);
        assert_eq!((told.result, &*told.text), (Err(Fault::ErrorInReply(words.to_owned())), ""));
    }
    let event = "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"Overloaded\"}}\n\n";
    let told = Provider::streams(Endpoint::Messages).tell(event);
    assert_eq!((told.result, &*told.text), (Err(Fault::ErrorInReply("Overloaded".to_owned())), ""));
}

#[test]
fn members_named_error_inside_of_a_success_are_no_error() {
    for body in ["{\"error\":null,\"choices\":[]}", "{\"id\":\"r\",\"choices\":[],\"error\":{\"code\":1}}"] {
        let told = Provider::answers(Endpoint::Responses).tell(body);
        assert_eq!((told.result, &*told.text), (Ok(()), body));
    }
}

#[test]
fn an_error_later_in_a_stream_passes_and_ends_it() {
    let error = "data: {\"error\":{\"message\":\"gone\"}}\n\n";
    let told = Provider::streams(Endpoint::ChatCompletions).tell(&[CHAT_HEAD, error].concat());
    assert_eq!((told.result, told.text), (Ok(()), [CHAT_HEAD, error].concat()));
}

#[test]
fn html_and_text_under_a_success_are_malformed() {
    for provider in [
        Provider::answers(Endpoint::ChatCompletions).with(CONTENT_TYPE, "text/html"),
        Provider::answers(Endpoint::ChatCompletions),
        Provider::streams(Endpoint::ChatCompletions),
        Provider::streams(Endpoint::ChatCompletions).with(CONTENT_TYPE, "text/html"),
    ] {
        for body in ["<!DOCTYPE html><p>hi", " Bad gateway"] {
            let told = provider.tell(body);
            assert!(matches!(told.result, Err(Fault::Malformed(_))), "{told:?}");
            assert_eq!(told.text, "");
        }
    }
}

#[test]
fn a_document_where_a_stream_was_asked_for_is_a_document() {
    for content_type in ["application/json; charset=utf-8", "text/event-stream", "text/plain"] {
        let provider = Provider::streams(Endpoint::ChatCompletions).strips().with(CONTENT_TYPE, content_type);
        let told = provider.tell(CHAT);
        assert_eq!((told.result, &*told.text), (Ok(()), CHAT));
        assert_eq!(told.usage.total, Some(Tokens(13)));
    }
    let provider = Provider::streams(Endpoint::ChatCompletions).with(CONTENT_TYPE, "application/json");
    assert!(!provider.begin().0.is_stream());
}

#[test]
fn a_stream_that_names_no_content_type_is_a_stream() {
    let body = [CHAT_HEAD, DONE].concat();
    let told = Provider::streams(Endpoint::ChatCompletions).with(CONTENT_TYPE, "text/plain").tell(&body);
    assert_eq!((told.result, told.text), (Ok(()), body));
}

#[test]
fn cut_replies_are_truncated() {
    let table = [
        (Provider::streams(Endpoint::ChatCompletions), String::new(), ""),
        (Provider::streams(Endpoint::ChatCompletions), ": hi\n\n".to_owned(), ""),
        (Provider::streams(Endpoint::ChatCompletions), CHAT_HEAD.to_owned(), CHAT_HEAD),
        (Provider::streams(Endpoint::ChatCompletions), [CHAT_HEAD, "data: {\"cho"].concat(), CHAT_HEAD),
        (Provider::streams(Endpoint::Responses), RESPONSES[..RESPONSES.len() - 3].to_owned(), "…"),
        (Provider::streams(Endpoint::Messages), MESSAGES[..MESSAGES.len() - 60].to_owned(), "…"),
        (Provider::answers(Endpoint::ChatCompletions), String::new(), ""),
        (Provider::answers(Endpoint::ChatCompletions), CHAT[..CHAT.len() - 1].to_owned(), "…"),
        (Provider::answers(Endpoint::ChatCompletions), "{\"id\":".to_owned(), ""),
    ];
    for (provider, body, wanted) in table {
        let told = provider.tell_bytes(body.as_bytes(), 10);
        assert_eq!(told.result, Err(Fault::Truncated), "{body}");
        if wanted != "…" {
            assert_eq!(told.text, wanted);
        }
    }
}

#[test]
fn a_chat_stream_whose_choices_are_finished_needs_no_end_mark() {
    let body = [CHAT_HEAD, CHAT_LAST, CHAT_USAGE].concat();
    let told = Provider::streams(Endpoint::ChatCompletions).tell(&body);
    assert_eq!((told.result, told.text), (Ok(()), body));
}

#[test]
fn a_comment_before_a_stripped_chunk_stays() {
    let told =
        Provider::streams(Endpoint::ChatCompletions).strips().tell(&[": hi\n\n", CHAT_USAGE, DONE].concat());
    assert_eq!((told.result, told.text), (Ok(()), [": hi\n\n", DONE].concat()));
}

#[test]
fn a_chat_stream_of_which_a_choice_is_open_is_truncated() {
    let last = |index| {
        format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n")
    };
    let other = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\",\"tool_calls\":[{\"index\":0}]}}]}\n\n";
    let chat = Provider::streams(Endpoint::ChatCompletions);
    let begun = [CHAT_HEAD, other].concat();
    assert_eq!(chat.tell(&[&begun, &*last(1), CHAT_USAGE].concat()).result, Err(Fault::Truncated));
    assert_eq!(chat.tell(&[&begun, &*last(1), DONE].concat()).result, Ok(()));
    assert_eq!(chat.tell(&[&begun, &*last(1), &*last(0), CHAT_USAGE].concat()).result, Ok(()));
    // More choices than are kept count of.
    assert_eq!(chat.tell(&[CHAT_HEAD, &*last(0), &*last(900)].concat()).result, Err(Fault::Truncated));
}

#[test]
fn a_broken_stream_is_closed_with_the_dialects_error_event() {
    let message = "upstream \"broke\"";
    let table = [
        (
            Endpoint::ChatCompletions,
            CHAT_HEAD,
            "data: {\"error\":{\"message\":\"upstream \\\"broke\\\"\",\"type\":\"server_error\",\"param\":null,\
             \"code\":\"upstream_error\"}}\n\n",
        ),
        (
            Endpoint::Responses,
            RESPONSES.split_inclusive("\n\n").next().unwrap(),
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"upstream \\\"broke\\\"\",\
             \"param\":null,\"sequence_number\":1,\"error\":{\"message\":\"upstream \\\"broke\\\"\",\
             \"type\":\"server_error\",\"param\":null,\"code\":\"upstream_error\"}}\n\n",
        ),
        (
            Endpoint::Messages,
            MESSAGES.split_inclusive("\n\n").next().unwrap(),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\
             \"upstream \\\"broke\\\"\"}}\n\n",
        ),
    ];
    for (endpoint, first, wanted) in table {
        let (mut reply, _) = Provider::streams(endpoint).begin();
        let mut out = Output::default();
        let cut = [first, "event: x\ndata: {\"half\":"].concat();
        reply.push(Bytes::from(cut), &mut out).unwrap();
        reply.break_off(message, &mut out);
        let text = String::from_utf8(out.0.concat()).unwrap();
        assert_eq!(text, [first, wanted].concat());
    }
}

#[test]
fn a_broken_document_cannot_be_closed() {
    let (mut reply, _) = Provider::answers(Endpoint::ChatCompletions).begin();
    let mut out = Output::default();
    reply.push(Bytes::from_static(b"{\"choices\":["), &mut out).unwrap();
    reply.break_off("broke", &mut out);
    assert_eq!(out.0.concat(), b"{\"choices\":[");
}

#[test]
fn errors_that_are_json_pass_and_others_are_wrapped() {
    let json = "{\"error\":{\"message\":\"bad key\",\"code\":\"x\"}}";
    for provider in [
        Provider::answers(Endpoint::ChatCompletions).fails(401),
        Provider::streams(Endpoint::ChatCompletions)
            .strips()
            .fails(401)
            .with(CONTENT_TYPE, "application/json"),
        Provider::answers(Endpoint::ChatCompletions).fails(401).with(CONTENT_TYPE, "text/plain"),
    ] {
        let (reply, head) = provider.begin();
        assert_eq!(head.status, StatusCode::UNAUTHORIZED);
        assert_eq!(head.headers.get(CONTENT_TYPE).unwrap(), "application/json");
        assert!(!reply.is_stream());
        let told = provider.tell(json);
        assert_eq!((told.result, &*told.text), (Ok(()), json));
    }
    let openai = Provider::answers(Endpoint::ChatCompletions).fails(502).with(CONTENT_TYPE, "text/html");
    assert_eq!(
        openai.tell("<p>\"no\"").text,
        "{\"type\":\"error\",\"error\":{\"type\":\"OpenAIBackendError\",\"code\":\"502\",\"message\":\"<p>\\\"no\\\"\"}}"
    );
    assert!(!openai.begin().1.headers.contains_key(CONTENT_LENGTH));
    let anthropic = Provider::streams(Endpoint::Messages).fails(529).with(CONTENT_TYPE, "text/html");
    assert_eq!(
        anthropic.tell("busy").text,
        "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}"
    );
}

#[test]
fn compressed_replies_pass_compressed_and_are_counted() {
    let provider = Provider::answers(Endpoint::Embeddings).with(CONTENT_ENCODING, "gzip");
    let wire = gzip(EMBEDDINGS);
    for size in [1, 10, 1000] {
        let (mut reply, head) = provider.begin();
        assert_eq!(head.headers.get(CONTENT_ENCODING).unwrap(), "gzip");
        let mut out = Output::default();
        for chunk in wire.chunks(size) {
            reply.push(Bytes::copy_from_slice(chunk), &mut out).unwrap();
        }
        reply.finish(&mut out).unwrap();
        assert_eq!(out.0.concat(), wire);
        assert_eq!(reply.usage().input, Some(Tokens(8)));
    }
    let stream = Provider::streams(Endpoint::Messages).with(CONTENT_ENCODING, "gzip");
    let told = stream.tell_bytes(&gzip(MESSAGES), 9);
    assert_eq!((told.result, told.usage.input), (Ok(()), Some(Tokens(17))));
}

#[test]
fn a_compressed_error_inside_a_success_lets_nothing_out() {
    let provider = Provider::answers(Endpoint::Embeddings).with(CONTENT_ENCODING, "gzip");
    let told = provider.tell_bytes(&gzip("{\"error\":{\"message\":\"no\"}}"), 5);
    assert_eq!((told.result, &*told.text), (Err(Fault::ErrorInReply("no".to_owned())), ""));
}

#[test]
fn a_compressed_stream_that_changes_is_decoded() {
    let provider = Provider::streams(Endpoint::ChatCompletions).strips().with(CONTENT_ENCODING, "gzip");
    assert!(!provider.begin().1.headers.contains_key(CONTENT_ENCODING));
    let told = provider.tell_bytes(&gzip(&[CHAT_HEAD, CHAT_USAGE, DONE].concat()), 11);
    assert_eq!((told.result, told.text), (Ok(()), [CHAT_HEAD, DONE].concat()));
}

#[test]
fn an_unknown_encoding_passes_unread_or_is_malformed_where_it_has_to_be_read() {
    let told = Provider::answers(Endpoint::Embeddings).with(CONTENT_ENCODING, "compress").tell("\u{1f}");
    assert_eq!((told.result, &*told.text), (Ok(()), "\u{1f}"));
    let told =
        Provider::streams(Endpoint::ChatCompletions).strips().with(CONTENT_ENCODING, "gzip, br").tell("x");
    assert!(matches!(told.result, Err(Fault::Malformed(_))));
}

proptest! {
    #[test]
    fn any_bytes_and_any_cuts_give_the_same(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'{'), Just(b'"'), any::<u8>()], 0..120),
        start in prop_oneof![Just(""), Just("data: "), Just("{\"id\":"), Just(CHAT_HEAD)],
        size in 1_usize..30,
    ) {
        let body = [start.as_bytes(), &bytes].concat();
        for provider in [
            Provider::answers(Endpoint::ChatCompletions),
            Provider::streams(Endpoint::ChatCompletions).strips(),
            Provider::streams(Endpoint::Messages),
            Provider::streams(Endpoint::Responses),
        ] {
            let (whole, cut) = (provider.tell_bytes(&body, usize::MAX), provider.tell_bytes(&body, size));
            // What was complete before a fault may have left earlier when the chunks are smaller.
            prop_assert!(cut.text.starts_with(&whole.text), "{} / {}", whole.text, cut.text);
            prop_assert_eq!(cut.result, whole.result);
        }
    }

    // Events that lie in one chunk are told by the one before, events that are cut are not.
    #[test]
    fn events_told_by_the_last_one_are_those_that_are_split(
        events in prop::collection::vec((0_usize..9, r#"([a-c]|\\[n"]){0,5}"#, any::<bool>()), 1..20),
        size in 1_usize..200,
    ) {
        let mut body = String::new();
        for (kind, text, crlf) in events {
            let piece = |field: &str, text: &str, end: &str| {
                format!("{field}{{\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}{end}")
            };
            let event = match kind {
                0 => piece("data:", &text, "\n\n"),
                1 => piece("data: ", &text, "\n"),
                2 => format!("event: {text}\n"),
                3 => "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n".to_owned(),
                4 => ": waiting\n\n\n".to_owned(),
                _ => piece("data: ", &text, "\n\n"),
            };
            body += &if crlf { event.replace('\n', "\r\n") } else { event };
        }
        body += "data: [DONE]\n\n";
        for provider in
            [Provider::streams(Endpoint::ChatCompletions), Provider::streams(Endpoint::ChatCompletions).strips()]
        {
            let whole = provider.tell_bytes(body.as_bytes(), usize::MAX);
            prop_assert_eq!(provider.tell_bytes(body.as_bytes(), size), whole.clone());
            prop_assert_eq!(provider.tell_bytes(body.as_bytes(), 7), whole);
        }
    }
}

/// The endpoint, its reply, and what it counts: input and output.
type Counted = (Endpoint, &'static str, [Option<u64>; 2]);

#[test]
fn images_sound_and_rankings_tell_what_they_cost() {
    let documents: [Counted; 5] = [
        (
            Endpoint::ImageGenerations,
            r#"{"created":1,"data":[{"b64_json":"x"}],"usage":{"input_tokens":7,"output_tokens":90,"total_tokens":97,
            "input_tokens_details":{"text_tokens":7,"image_tokens":0}}}"#,
            [Some(7), Some(90)],
        ),
        (
            Endpoint::Transcriptions,
            r#"{"text":"hi","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":14},
            "output_tokens":4,"total_tokens":18}}"#,
            [Some(14), Some(4)],
        ),
        (Endpoint::Transcriptions, r#"{"text":"hi","usage":{"type":"duration","seconds":3}}"#, [None, None]),
        (Endpoint::InputTokens, r#"{"object":"response.input_tokens","input_tokens":11}"#, [Some(11), None]),
        (
            Endpoint::Rerank,
            r#"{"id":"r","results":[],"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":40,"output_tokens":0}}}"#,
            [Some(40), Some(0)],
        ),
    ];
    for (endpoint, body, counts) in documents {
        let told = Provider::answers(endpoint).tell(body);
        assert_eq!((told.result, &*told.text), (Ok(()), body));
        assert_eq!([told.usage.input, told.usage.output], counts.map(|it| it.map(Tokens)), "{body}");
    }
}

#[test]
fn typed_streams_end_with_their_last_event() {
    let streams: [Counted; 4] = [
        (
            Endpoint::ImageGenerations,
            concat!(
                "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"x\"}\n\n",
                "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"usage\":",
                "{\"input_tokens\":7,\"output_tokens\":90}}\n\n",
            ),
            [Some(7), Some(90)],
        ),
        (
            Endpoint::Transcriptions,
            concat!(
                "data: {\"type\":\"transcript.text.delta\",\"delta\":\"hi\"}\n\n",
                "data: {\"type\":\"transcript.text.done\",\"text\":\"hi\",\"usage\":{\"input_tokens\":14,\"output_tokens\":4}}\n\n",
            ),
            [Some(14), Some(4)],
        ),
        (
            Endpoint::Transcriptions,
            concat!(
                "data: {\"object\":\"transcription.chunk\",\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n",
                "data: {\"object\":\"transcription.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n",
                "data: [DONE]\n\n",
            ),
            [Some(5), Some(1)],
        ),
        (
            Endpoint::CohereChat,
            concat!(
                "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"c\"}\n\n",
                "event: content-delta\ndata: {\"type\":\"content-delta\",\"delta\":{\"message\":{}}}\n\n",
                "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":",
                "{\"tokens\":{\"input_tokens\":9,\"output_tokens\":2}}}}\n\n",
            ),
            [Some(9), Some(2)],
        ),
    ];
    for (endpoint, body, counts) in streams {
        let told = Provider::streams(endpoint).tell(body);
        assert_eq!((told.result, &*told.text), (Ok(()), body));
        assert_eq!([told.usage.input, told.usage.output], counts.map(|it| it.map(Tokens)), "{body}");
        let (first, _) = body.split_once("\n\n").unwrap();
        let cut = Provider::streams(endpoint).tell(&[first, "\n\n"].concat());
        assert_eq!(cut.result, Err(Fault::Truncated), "{body}");
    }
}

#[test]
fn sound_and_files_pass_unread() {
    for (endpoint, kind, body) in [
        (Endpoint::Speech, "audio/mpeg", "ID3 {\"error\":1}"),
        (Endpoint::Transcriptions, "text/plain", "hello"),
        (Endpoint::FileContent, "application/json", "{\"error\":{\"message\":\"in a log\"}}\n{}"),
    ] {
        let provider = Provider::answers(endpoint).with(CONTENT_TYPE, kind);
        let told = provider.tell(body);
        assert_eq!((told.result, &*told.text), (Ok(()), body));
        assert!(told.usage.is_empty());
    }
    let told =
        Provider::answers(Endpoint::Speech).fails(400).with(CONTENT_TYPE, "text/plain").tell("no voice");
    assert!(told.text.contains("OpenAIBackendError"), "{}", told.text);
}
