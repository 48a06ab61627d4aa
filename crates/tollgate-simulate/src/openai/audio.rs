//! `POST /v1/audio/speech`, `/transcriptions` and `/translations`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Usage},
    ask::Ask,
    events::{Events, Tokens},
    form::{self, Part},
    openai::data,
    reply::Reply,
};

/// The head of an MP3 without a sound in it.
const SOUND: &[u8] = b"ID3\x04\x00\x00\x00\x00\x00\x00simulated";

/// The language of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Into {
    /// Its own.
    Same,
    English,
}

/// Says the input. `body` is the request's.
pub(crate) fn speech(ask: &Ask<'_>, body: &[u8]) -> Reply {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let usage = Usage { input: ask.prompt_tokens, output: 40, ..Usage::default() };
    if request["stream_format"] == "sse" {
        let events = Events {
            lead: vec![data(&json!({"type": "speech.audio.delta", "audio": STANDARD.encode(SOUND)}))],
            tail: vec![data(&json!({"type": "speech.audio.done", "usage": {
                "input_tokens": usage.input, "output_tokens": usage.output, "total_tokens": usage.input + usage.output,
            }}))],
            ..Events::default()
        };
        return Reply::events(events, usage);
    }
    let content_type = match request["response_format"].as_str() {
        Some("wav") => "audio/wav",
        Some("opus") => "audio/opus",
        Some("flac") => "audio/flac",
        Some("aac") => "audio/aac",
        Some("pcm") => "audio/pcm",
        _ => "audio/mpeg",
    };
    Reply { content_type, ..Reply::json(200, SOUND.repeat(64)) }
}

/// Writes down what is said.
pub(crate) fn transcription(ask: &Ask<'_>, answer: &Answer, (parts, into): (&[Part<'_>], Into)) -> Reply {
    let bytes = parts.iter().filter(|part| part.name == "file").map(|part| part.value.len()).sum::<usize>();
    let seconds = bytes.div_ceil(32_000).max(1);
    let input = seconds as u64 * 10;
    let usage = Usage { input, output: answer.usage.output, ..Usage::default() };
    let counts = if ask.model.starts_with("whisper") {
        json!({"type": "duration", "seconds": seconds})
    } else {
        json!({
            "type": "tokens", "input_tokens": input, "output_tokens": usage.output,
            "total_tokens": input + usage.output, "input_token_details": {"text_tokens": 0, "audio_tokens": input},
        })
    };
    let text = answer.text.joined();
    if ask.stream && into == Into::Same {
        return Reply::events(stream(answer, &text, &counts), usage);
    }
    let plain = |text: String| Reply::text(text);
    let language = if into == Into::English { "english" } else { "german" };
    match form::field(parts, "response_format") {
        Some("text") => plain(text + "\n"),
        Some("srt") => plain(format!("1\n00:00:00,000 --> 00:00:{seconds:02},000\n{text}\n\n")),
        Some("vtt") => plain(format!("WEBVTT\n\n00:00.000 --> 00:{seconds:02}.000\n{text}\n\n")),
        Some("verbose_json") => {
            let segment = json!({
                "id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": text, "tokens": [], "temperature": 0.0,
                "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0,
            });
            let task = if into == Into::English { "translate" } else { "transcribe" };
            let body = json!({
                "task": task, "language": language, "duration": seconds, "text": text, "segments": [segment],
                "usage": counts,
            });
            Reply::json(200, body.to_string())
        }
        _ if into == Into::English => Reply::json(200, json!({"text": text}).to_string()),
        _ => Reply::json(200, json!({"text": text, "usage": counts}).to_string()).with_usage(usage),
    }
}

fn stream(answer: &Answer, text: &str, counts: &Value) -> Events {
    Events {
        tokens: Some(Tokens {
            text: answer.text.clone(),
            before: b"data: {\"type\":\"transcript.text.delta\",\"delta\":\"".to_vec(),
            after: b"\"}\n\n".to_vec(),
            number: None,
        }),
        tail: vec![data(&json!({"type": "transcript.text.done", "text": text, "usage": counts}))],
        ..Events::default()
    }
}
