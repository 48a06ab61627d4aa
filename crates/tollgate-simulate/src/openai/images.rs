//! `POST /v1/images/generations`, `/edits` and `/variations`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{answer::Usage, ask::Ask, events::Events, reply::Reply, state::State};

/// One transparent pixel, as PNG.
const PIXEL: [u8; 70] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00,
    0x00, 0x00, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x60, 0x60, 0x60, 0x60, 0x00, 0x00, 0x00,
    0x05, 0x00, 0x01, 0xa5, 0xf6, 0x45, 0x40, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42,
    0x60, 0x82,
];

/// Tokens of a picture of low quality.
const PICTURE: u64 = 272;

/// What is done with pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Generate,
    Edit,
    Vary,
}

/// `pictures` came with the request, `wanted` is `n`.
pub(crate) fn reply(task: Task, ask: &Ask<'_>, (pictures, wanted): (u64, u64), state: &State) -> Reply {
    let shown = pictures * PICTURE;
    let usage = Usage { input: ask.prompt_tokens + shown, output: PICTURE * wanted, ..Usage::default() };
    let counts = json!({
        "input_tokens": usage.input, "output_tokens": usage.output, "total_tokens": usage.input + usage.output,
        "input_tokens_details": {"text_tokens": ask.prompt_tokens, "image_tokens": shown},
    });
    // Only the models named gpt-image count tokens; the older ones are paid for by the picture.
    let counts = ask.model.starts_with("gpt-image").then_some(counts);
    if ask.stream {
        return Reply::events(stream(task, counts.as_ref(), state), usage);
    }
    let picture = match counts {
        Some(_) => json!({"b64_json": STANDARD.encode(PIXEL)}),
        None => json!({"url": "https://images.example/simulated.png"}),
    };
    let data: Vec<_> = (0..wanted).map(|_| picture.clone()).collect();
    let mut body = json!({"created": state.now(), "data": data});
    if let Some(counts) = counts {
        body["usage"] = counts;
        body["size"] = json!("1024x1024");
        body["output_format"] = json!("png");
        return Reply::json(200, body.to_string()).with_usage(usage);
    }
    Reply::json(200, body.to_string())
}

fn stream(task: Task, counts: Option<&Value>, state: &State) -> Events {
    let prefix = if task == Task::Edit { "image_edit" } else { "image_generation" };
    let event = |kind: &str, more: Value| {
        let kind = format!("{prefix}.{kind}");
        let mut event = json!({
            "type": kind, "b64_json": STANDARD.encode(PIXEL), "created_at": state.now(), "size": "1024x1024",
            "quality": "low", "background": "opaque", "output_format": "png",
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            event[name] = value.clone();
        }
        format!("event: {kind}\ndata: {event}\n\n").into_bytes()
    };
    let last = counts.map_or(Value::Null, |counts| json!({"usage": counts}));
    Events {
        lead: vec![event("partial_image", json!({"partial_image_index": 0}))],
        tail: vec![event("completed", last)],
        ..Events::default()
    }
}
