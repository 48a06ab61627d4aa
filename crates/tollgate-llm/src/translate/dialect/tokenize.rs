//! `POST /tokenize`, as vLLM has it: how many tokens a prompt or a conversation has. Source: vLLM's OpenAI-compatible
//! server, tokenizer API.

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_wire::Literal;

use super::openai_chat;
use crate::{
    Untranslatable,
    translate::{
        json::{self, parsed},
        turn::{Message, Part, PartKind, Role, Turn},
    },
};

/// The fields that decide which of the two forms a body has.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    prompt: Option<Literal<'a>>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    add_generation_prompt: Option<bool>,
    continue_final_message: Option<bool>,
}

/// Reads a request: a prompt is what a user says.
pub(crate) fn request(body: &[u8]) -> Result<Turn<'_>, Untranslatable> {
    let request: Request<'_> = parsed(body).map_err(Untranslatable::Shape)?;
    if request.continue_final_message == Some(true) && request.add_generation_prompt != Some(false) {
        return field("continue_final_message", "is no use with add_generation_prompt");
    }
    match (request.prompt, request.messages) {
        (Some(_), Some(_)) => field("messages", "is not taken beside prompt"),
        (None, None) => field("prompt", "or messages is required"),
        (None, Some(_)) => openai_chat::request(body),
        (Some(prompt), None) => {
            let parts = vec![Part::plain(0, PartKind::Text(prompt))];
            let messages = vec![Message { role: Role::User, at: Some(0), parts }];
            Ok(Turn { messages, ..Turn::default() })
        }
    }
}

/// The body of a reply: the tokens themselves are not known.
pub(crate) fn reply(count: u64, out: &mut Vec<u8>) {
    out.push(b'{');
    json::number_field(out, "count", count);
    json::raw_field(out, "max_model_len", "0");
    json::raw_field(out, "tokens", "null");
    json::raw_field(out, "token_strs", "null");
    out.push(b'}');
}

fn field<T>(field: &str, reason: &str) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.to_owned(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_a_prompt_or_messages() {
        assert_eq!(request(br#"{"model":"m","prompt":"a"}"#).unwrap().messages.len(), 1);
        let chat =
            br#"{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
        assert_eq!(request(chat).unwrap().messages.len(), 2);
        let refused = |body: &str| request(body.as_bytes()).unwrap_err().to_string();
        assert!(refused(r#"{"prompt":"a","messages":[]}"#).contains("messages: is not taken"));
        assert!(refused("{}").contains("prompt: or messages"));
        assert!(
            refused(r#"{"prompt":"a","continue_final_message":true}"#).contains("continue_final_message")
        );
    }
}
