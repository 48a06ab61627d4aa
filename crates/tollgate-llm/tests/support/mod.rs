//! What the translation tests share: a job, a splitter of events, and what every stream has to hold to.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use tollgate_llm::{
    Delivery, Fault, Target, Untranslatable,
    translate::{Job, Reader, Translated, translate},
};
use tollgate_types::{ApiSchema, Endpoint, ModelId};
use tollgate_wire::sse::Splitter;

/// The clock of all tests.
pub(crate) const NOW: u64 = 1_767_225_600;

/// Translates a request as the gateway would, reading `model`, `stream` and `stream_options` from it.
pub(crate) fn run(endpoint: Endpoint, schema: ApiSchema, body: &[u8]) -> Result<Translated, Untranslatable> {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let model = ModelId::from(document["model"].as_str().unwrap_or("test-model"));
    let target = Target {
        schema,
        prefix: "v1".to_owned(),
        version: (schema == ApiSchema::AzureOpenAi).then(|| "2025-01-01-preview".to_owned()),
    };
    let streamed = endpoint == Endpoint::StreamGenerateContent || document["stream"] == true;
    let delivery = if streamed { Delivery::Streamed } else { Delivery::Whole };
    let wants_usage = document["stream_options"]["include_usage"] == true;
    translate(
        &Job { endpoint, target: &target, model: &model, delivery, wants_usage, beta: None, now: NOW },
        body,
    )
}

/// The events of a stream that comes in chunks.
pub(crate) struct Events(Splitter);

impl Default for Events {
    fn default() -> Self {
        Self(Splitter::new(1 << 20))
    }
}

impl Events {
    /// Takes a chunk, gives the names and data of the events that it completes.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Vec<(Option<String>, Vec<u8>)> {
        let (mut at, mut events) = (0, Vec::new());
        while let Some(event) = self.0.next(chunk, &mut at).expect("events of tests are small") {
            if let Some(data) = event.data {
                events.push((event.name.map(str::to_owned), data.to_vec()));
            }
        }
        events
    }
}

/// What the client got of a stream, and how it ended.
pub(crate) struct Streamed {
    pub(crate) out: Vec<u8>,
    pub(crate) fault: Option<Fault>,
}

/// Replays a provider's stream in chunks. A stream that breaks is broken off for the client if it has begun.
pub(crate) fn stream<'c>(reader: &mut dyn Reader, chunks: impl IntoIterator<Item = &'c [u8]>) -> Streamed {
    let (mut events, mut out) = (Events::default(), Vec::new());
    let mut result = Ok(());
    'all: for chunk in chunks {
        for (name, data) in events.push(chunk) {
            result = reader.event(name.as_deref(), &data, &mut out);
            if result.is_err() {
                break 'all;
            }
        }
    }
    let fault = result.and_then(|()| reader.end(&mut out)).err();
    if let Some(fault) = &fault
        && !out.is_empty()
    {
        reader.break_off(&fault.to_string(), &mut out);
    }
    Streamed { out, fault }
}

/// Asserts what clients rely on in any stream of their dialect.
pub(crate) fn assert_well_formed(endpoint: Endpoint, streamed: &Streamed) {
    let events = Events::default().push(&streamed.out);
    match endpoint {
        Endpoint::Messages => assert_anthropic(&events, streamed.fault.is_some()),
        Endpoint::Responses => assert_responses(&events, streamed.fault.is_some()),
        Endpoint::StreamGenerateContent => assert_gemini(&events, streamed.fault.is_some()),
        _ => assert_openai(&events, streamed.fault.is_some()),
    }
}

fn assert_gemini(events: &[(Option<String>, Vec<u8>)], is_broken: bool) {
    let (mut heads, mut finishes, mut is_error) = (Vec::new(), BTreeMap::new(), false);
    for (_, data) in events {
        let chunk: serde_json::Value = serde_json::from_slice(data).expect("events are JSON");
        assert!(!is_error, "nothing comes after an error");
        is_error = chunk["error"].is_object();
        if is_error {
            continue;
        }
        heads.push((chunk["responseId"].clone(), chunk["modelVersion"].clone()));
        let candidate = &chunk["candidates"][0];
        let finish = finishes.entry(candidate["index"].as_u64()).or_insert(0);
        assert_eq!(*finish, 0, "an answer ends once, with its last event");
        *finish += usize::from(candidate["finishReason"].is_string());
    }
    heads.dedup();
    assert!(heads.len() <= 1, "id and model are the same in all events");
    assert_eq!(is_error, is_broken && !events.is_empty());
    assert!(finishes.into_values().all(|finish| finish == usize::from(!is_broken)), "every answer ends");
}

fn assert_responses(events: &[(Option<String>, Vec<u8>)], is_broken: bool) {
    let mut open = Vec::new();
    let (mut items, mut kinds) = (0, Vec::new());
    for (at, (name, data)) in events.iter().enumerate() {
        let data: serde_json::Value = serde_json::from_slice(data).expect("events are JSON");
        let kind = data["type"].as_str().expect("events have a type").to_owned();
        assert_eq!(name.as_deref(), Some(kind.as_str()), "name and type agree");
        assert_eq!(data["sequence_number"], at, "events are numbered");
        let index = data["output_index"].as_u64();
        match kind.as_str() {
            "response.output_item.added" => {
                assert_eq!(index, Some(items), "items are numbered");
                items += 1;
                open.push(index);
            }
            "response.output_item.done" => {
                assert!(open.contains(&index), "an open item is closed");
                open.retain(|other| *other != index);
            }
            "response.completed" | "response.incomplete" => {
                assert!(open.is_empty(), "the response ends after its items");
                let output = data["response"]["output"].as_array().expect("the last event has all items");
                assert_eq!(output.len() as u64, items);
            }
            _ if index.is_some() => assert!(open.contains(&index), "deltas belong to an open item"),
            _ => {}
        }
        kinds.push(kind);
    }
    let Some(last) = kinds.last() else { return };
    assert_eq!(kinds.first().map(String::as_str), Some("response.created"));
    match is_broken {
        true => assert_eq!(last, "error"),
        false => assert!(["response.completed", "response.incomplete"].contains(&last.as_str()), "{last}"),
    }
}

fn assert_anthropic(events: &[(Option<String>, Vec<u8>)], is_broken: bool) {
    let mut open = None;
    let mut next = 0;
    let mut kinds = Vec::new();
    for (name, data) in events {
        let data: serde_json::Value = serde_json::from_slice(data).expect("events are JSON");
        let kind = data["type"].as_str().expect("events have a type").to_owned();
        assert_eq!(name.as_deref(), Some(kind.as_str()), "name and type agree");
        let index = data["index"].as_u64();
        match kind.as_str() {
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(next)), "blocks follow each other");
                open = index;
                next += 1;
            }
            "content_block_delta" => assert_eq!(open, index, "deltas belong to the open block"),
            "content_block_stop" => {
                assert_eq!(open, index, "the open block is closed");
                open = None;
            }
            "message_delta" => assert_eq!(open, None, "the message ends after its blocks"),
            _ => {}
        }
        kinds.push(kind);
    }
    let Some(first) = kinds.first() else { return };
    assert_eq!(first, "message_start");
    let last = if is_broken { "error" } else { "message_stop" };
    assert_eq!(kinds.last().map(String::as_str), Some(last));
    for once in ["message_start", last] {
        assert_eq!(kinds.iter().filter(|kind| *kind == once).count(), 1, "{once} comes once");
    }
}

fn assert_openai(events: &[(Option<String>, Vec<u8>)], is_broken: bool) {
    let Some(((_, last), chunks)) = events.split_last() else { return };
    if is_broken {
        assert!(last.windows(7).any(|seven| seven == b"\"error\""), "a broken stream ends with an error");
    } else {
        assert_eq!(last, b"[DONE]");
    }
    let mut heads = Vec::new();
    // By the index of the answer: roles and reasons.
    let mut answers: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for (_, data) in chunks {
        let chunk: serde_json::Value = serde_json::from_slice(data).expect("chunks are JSON");
        heads.push((chunk["id"].clone(), chunk["created"].clone(), chunk["model"].clone()));
        let choice = &chunk["choices"][0];
        if let Some(index) = choice["index"].as_u64() {
            let (roles, finishes) = answers.entry(index).or_default();
            *roles += usize::from(choice["delta"]["role"] == "assistant");
            *finishes += usize::from(choice["finish_reason"].is_string());
        }
    }
    heads.dedup();
    assert_eq!(heads.len(), 1, "id, created and model are the same in all chunks");
    for (roles, finishes) in answers.into_values() {
        assert_eq!(roles, 1, "the role comes once");
        assert_eq!(finishes, usize::from(!is_broken), "the reason comes once");
    }
}
