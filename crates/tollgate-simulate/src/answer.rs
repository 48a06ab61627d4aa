use std::borrow::Cow;

use serde_json::Value;

use crate::{
    Behaviour,
    ask::Ask,
    schema,
    state::State,
    text::{self, Text},
};

/// What a model says, before a dialect puts it into words.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) model: String,
    /// Number that makes the ids of this answer unlike those of others.
    pub(crate) serial: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) reasoning: Option<Text>,
    pub(crate) text: Text,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
    /// The answers besides the first; OpenAI's `n` less one.
    pub(crate) more: u32,
}

/// A tool that the model wants called.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// Why the model stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Done,
    Length,
    /// At this stop sequence.
    Stop(String),
    Calls,
}

/// In tokens; `input` includes `cached`, `output` includes `reasoning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

// === impl Answer ===

impl Answer {
    pub(crate) fn new(ask: &Ask<'_>, behaviour: &Behaviour, state: &State) -> Self {
        let wanted = behaviour.tokens.unwrap_or(16);
        let calls = calls(ask);
        let text = if behaviour.stamp == Some(true) {
            Text::Stamps(wanted)
        } else if let Some(echo) = &ask.echo {
            Text::split(echo)
        } else if let Some(document) = structured(ask) {
            Text::split(&document)
        } else {
            Text::Words(wanted)
        };
        let (text, stop) = if ask.rich.is_some() { text.stopped(&stops(ask)) } else { (text, None) };
        let most = ask.max_tokens.unwrap_or(u32::MAX);
        let (text, finish) = if !calls.is_empty() {
            (Text::Words(0), Finish::Calls)
        } else if text.len() > most {
            (text.truncate(most), Finish::Length)
        } else {
            (text, stop.map_or(Finish::Done, Finish::Stop))
        };
        let reasoning = behaviour.reasoning.or_else(|| reasons(ask).then_some(24)).filter(|count| *count > 0);
        let reasoning = reasoning.map(Text::Words);
        let cached = match behaviour.cached {
            Some(tokens) => u64::from(tokens),
            None => state.cached(&ask.prefixes),
        };
        let more = ask.rich("n").as_u64().map_or(0, |n| u32::try_from(n.clamp(1, 16) - 1).unwrap_or(0));
        let mut usage = Usage {
            input: ask.prompt_tokens,
            cached: cached.min(ask.prompt_tokens),
            output: u64::from(text.len()) * u64::from(more + 1),
            reasoning: reasoning.as_ref().map_or(0, |text| u64::from(text.len())),
        };
        usage.output += usage.reasoning + calls.iter().map(Call::tokens).sum::<u64>();
        let (serial, created) = (state.serial(), state.now());
        Self {
            model: ask.model.clone().into_owned(),
            serial,
            created,
            reasoning,
            text,
            calls,
            finish,
            usage,
            more,
        }
    }

    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:012x}{:012x}", self.created, self.serial)
    }
}

// === impl Call ===

impl Call {
    fn tokens(&self) -> u64 {
        text::count(self.name.len() + self.arguments.to_string().len())
    }

    /// An id as unlike its siblings' as `index` is.
    pub(crate) fn id(answer: &Answer, prefix: &str, index: usize) -> String {
        format!("{}{index:x}", answer.id(prefix))
    }
}

/// The tools as (name, schema of the arguments), from any of the dialects.
fn offered<'a>(ask: &'a Ask<'_>) -> Vec<(&'a str, &'a Value)> {
    let tools = ask.rich("tools").as_array().map(Vec::as_slice).unwrap_or_default();
    tools
        .iter()
        .filter_map(|tool| {
            let function = if tool["function"].is_object() { &tool["function"] } else { tool };
            let schema = ["parameters", "input_schema"].iter().find_map(|name| function.get(name));
            Some((function["name"].as_str()?, schema.unwrap_or(&Value::Null)))
        })
        .collect()
}

/// Calls the tool that `tool_choice` forces, and else every tool that the last user message tells
/// it to call ("call weather and clock"), in the order in which they are offered.
fn calls(ask: &Ask<'_>) -> Vec<Call> {
    let offered = offered(ask);
    if offered.is_empty() {
        return Vec::new();
    }
    let make =
        |(name, schema): &(&str, &Value)| Call { name: (*name).into(), arguments: schema::example(schema) };
    let choice = ask.rich("tool_choice");
    let named = [&choice["function"]["name"], &choice["name"]].into_iter().find_map(Value::as_str);
    if let Some(named) = named {
        return offered.iter().filter(|(name, _)| *name == named).map(make).collect();
    }
    let word = choice.as_str().or_else(|| choice["type"].as_str()).unwrap_or("auto").to_ascii_lowercase();
    if word == "none" {
        return Vec::new();
    }
    let prompt = last_user_text(ask).to_lowercase();
    let asked = prompt.find("call ").map_or("", |at| &prompt[at..]);
    let mut wanted: Vec<_> =
        offered.iter().filter(|(name, _)| asked.contains(&name.to_lowercase())).collect();
    let single = ask.rich("parallel_tool_calls") == &Value::Bool(false)
        || choice["disable_parallel_tool_use"] == Value::Bool(true);
    if wanted.is_empty() && matches!(word.as_str(), "required" | "any") {
        wanted.push(&offered[0]);
    }
    wanted.truncate(if single { 1 } else { usize::MAX });
    wanted.into_iter().map(make).collect()
}

/// What the user said last, unless a tool's result came after it: then there is nothing left to call.
fn last_user_text<'a>(ask: &'a Ask<'_>) -> Cow<'a, str> {
    let input = if ask.rich("messages").is_array() { ask.rich("messages") } else { ask.rich("input") };
    if let Some(text) = input.as_str() {
        return text.into();
    }
    let Some(last) = input.as_array().and_then(|turns| turns.last()) else { return "".into() };
    if last["role"] != "user" {
        return "".into();
    }
    match &last["content"] {
        Value::String(text) => text.into(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<String>().into()
        }
        _ => "".into(),
    }
}

/// The document that structured output asks for, in whichever dialect it was asked.
fn structured(ask: &Ask<'_>) -> Option<String> {
    let fields = ["response_format", "text", "output_config", "output_format"];
    let format = fields.into_iter().map(|name| ask.rich(name));
    let format = format.filter(|value| value.is_object()).find_map(|value| {
        let format = value.get("format").unwrap_or(value);
        format.get("type")?.as_str().map(|kind| (kind, format))
    });
    match format? {
        ("json_schema", format) => {
            let schema = format["json_schema"].get("schema").unwrap_or(&format["schema"]);
            Some(schema::example(schema).to_string())
        }
        // Cohere names no other type where there is a schema.
        ("json_object", format) if format["json_schema"].is_object() => {
            Some(schema::example(&format["json_schema"]).to_string())
        }
        ("json_object", _) => Some(r#"{"answer": "The quick brown fox", "ok": true}"#.into()),
        _ => None,
    }
}

fn stops<'a>(ask: &'a Ask<'_>) -> Vec<Cow<'a, str>> {
    let stop = [ask.rich("stop"), ask.rich("stop_sequences")].into_iter().find(|value| !value.is_null());
    match stop {
        Some(Value::String(text)) => vec![text.into()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(Cow::from).collect(),
        _ => Vec::new(),
    }
}

fn reasons(ask: &Ask<'_>) -> bool {
    let effort =
        [ask.rich("reasoning_effort"), &ask.rich("reasoning")["effort"]].into_iter().find_map(Value::as_str);
    let thinking = ask.rich("thinking")["type"].as_str();
    effort.is_some_and(|effort| effort != "none") || matches!(thinking, Some("enabled" | "adaptive"))
}
