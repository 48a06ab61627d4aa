//! `GET /v1/realtime`: a WebSocket (RFC 6455) that speaks text.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{state::State, text::Text};

/// RFC 6455, 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The largest frame that is read, in bytes.
const MOST: u64 = 16 * 1024 * 1024;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    model: String,
    instance: String,
    items: u64,
    serial: u64,
    /// Bytes that the client said.
    said: u64,
}

/// What a client's frame asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Text(Vec<u8>),
    Ping(Vec<u8>),
    Close,
    /// Parts of messages, pongs.
    Nothing,
}

/// `sec-websocket-accept` to this key.
pub(crate) fn accept(key: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()))
}

/// The first frame of a client in these bytes and its length; `None` while it is not complete.
pub(crate) fn frame(bytes: &[u8]) -> Result<Option<(Said, usize)>, ()> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    let (size, length) = match second & 0x7f {
        126 => (2, None),
        127 => (8, None),
        short => (0, Some(u64::from(short))),
    };
    let Some(extended) = bytes.get(2..2 + size) else { return Ok(None) };
    let length = length.unwrap_or_else(|| extended.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)));
    if second & 0x80 == 0 || length > MOST {
        return Err(());
    }
    let length = usize::try_from(length).map_err(|_| ())?;
    let start = 2 + size + 4;
    let (Some(mask), Some(masked)) = (bytes.get(2 + size..start), bytes.get(start..start + length)) else {
        return Ok(None);
    };
    let data: Vec<u8> = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let said = match first {
        0x81 => Said::Text(data),
        0x88 => Said::Close,
        0x89 => Said::Ping(data),
        _ => Said::Nothing,
    };
    Ok(Some((said, start + length)))
}

/// A frame of a server.
pub(crate) fn send(kind: u8, data: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | kind);
    match data.len() {
        short @ 0..126 => out.push(short as u8),
        long @ 126..65536 => {
            out.push(126);
            out.extend((long as u16).to_be_bytes());
        }
        longer => {
            out.push(127);
            out.extend((longer as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(data);
}

// === impl Session ===

impl Session {
    pub(crate) fn new(model: &str, state: &State) -> Self {
        let instance = format!("{:012x}{:012x}", state.now(), state.serial());
        Self { model: model.to_owned(), instance, items: 0, serial: 0, said: 0 }
    }

    /// What the server says first.
    pub(crate) fn open(&mut self, out: &mut Vec<u8>) {
        let session = self.session();
        self.event("session.created", json!({"session": session}), out);
    }

    /// Answers an event of the client.
    pub(crate) fn take(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let event: Value = serde_json::from_slice(text).unwrap_or_default();
        match event["type"].as_str() {
            Some("session.update") => {
                let session = self.session();
                self.event("session.updated", json!({"session": session}), out);
            }
            Some("conversation.item.create") => {
                self.said += text.len() as u64;
                let mut item = event["item"].clone();
                item["id"] = json!(self.item());
                self.event("conversation.item.added", json!({"item": item, "previous_item_id": null}), out);
            }
            Some("response.create") => self.respond(out),
            Some("input_audio_buffer.append") => self.said += text.len() as u64,
            _ => {
                let message = "this event is not simulated";
                let error =
                    json!({"type": "invalid_request_error", "code": "unknown_event", "message": message});
                self.event("error", json!({"error": error}), out);
            }
        }
    }

    fn respond(&mut self, out: &mut Vec<u8>) {
        let (text, item) = (Text::Words(8), self.item());
        let id = format!("resp_{}{:x}", self.instance, self.items);
        let response =
            json!({"id": id, "object": "realtime.response", "status": "in_progress", "output": []});
        self.event("response.created", json!({"response": response}), out);
        let place = json!({"response_id": id, "item_id": item, "output_index": 0, "content_index": 0});
        let with = |name: &str, value: &str| {
            let mut event = place.clone();
            event[name] = json!(value);
            event
        };
        for index in 0..text.len() {
            self.event("response.output_text.delta", with("delta", text.piece(index)), out);
        }
        let said = text.joined();
        self.event("response.output_text.done", with("text", &said), out);
        let (input, output) = (self.said.div_ceil(4), u64::from(text.len()));
        let content = json!([{"type": "output_text", "text": said}]);
        let message = json!({"id": item, "type": "message", "role": "assistant", "status": "completed", "content": content});
        let response = json!({
            "id": id, "object": "realtime.response", "status": "completed", "output": [message], "usage": {
                "total_tokens": input + output, "input_tokens": input, "output_tokens": output,
                "input_token_details": {"text_tokens": input, "audio_tokens": 0, "cached_tokens": 0},
                "output_token_details": {"text_tokens": output, "audio_tokens": 0},
            },
        });
        self.event("response.done", json!({"response": response}), out);
    }

    fn session(&self) -> Value {
        json!({
            "type": "realtime", "object": "realtime.session", "id": format!("sess_{}", self.instance),
            "model": self.model, "output_modalities": ["text"],
        })
    }

    fn item(&mut self) -> String {
        self.items += 1;
        format!("item_{}{:x}", self.instance, self.items)
    }

    fn event(&mut self, kind: &str, mut event: Value, out: &mut Vec<u8>) {
        self.serial += 1;
        event["type"] = json!(kind);
        event["event_id"] = json!(format!("event_{}{:x}", self.instance, self.serial));
        send(1, event.to_string().as_bytes(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_is_that_of_the_rfc() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_clients_frames_are_unmasked() {
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(frame(&hello), Ok(Some((Said::Text(b"Hello".to_vec()), 11))));
        assert_eq!(frame(&hello[..10]), Ok(None));
        assert_eq!(frame(&[0x81, 0x05]), Err(()));
    }
}
