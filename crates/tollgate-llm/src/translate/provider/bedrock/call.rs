use tollgate_wire::Literal;

use super::content;
use crate::{
    Delivery, Untranslatable, aws,
    translate::{
        Job, json,
        provider::{
            Call,
            anthropic::{JSON_INSTRUCTION, effort, input_schema, thinking},
        },
        turn::{Format, PartKind, Tool, ToolChoice, Turn},
    },
};

/// Encodes a request to `Converse` or `ConverseStream`.
pub(crate) fn call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let verb = match job.delivery {
        Delivery::Whole => "converse",
        Delivery::Streamed => "converse-stream",
    };
    Ok(Call { path: aws::path(job.model.as_str(), verb)?, headers: Vec::new(), body: body(job, turn)? })
}

fn body(job: &Job<'_>, turn: &Turn<'_>) -> Result<Vec<u8>, Untranslatable> {
    refuse(turn)?;
    let model = job.model.as_str();
    let effort = effort(model, turn.effort)?;
    let mut out = Vec::with_capacity(1024);
    out.push(b'{');
    let buffer = &mut out;
    prompt(model, turn, buffer)?;
    inference(turn, buffer);
    more_fields(model, turn, effort, buffer);
    output(model, turn.format, effort, buffer);
    if let Some(tier) = turn.service_tier.and_then(tier) {
        json::key(buffer, "serviceTier");
        buffer.push(b'{');
        json::text_field(buffer, "type", tier);
        buffer.push(b'}');
    }
    if !turn.stop.is_empty() && aws::is_claude(model) {
        json::raw_field(buffer, "additionalModelResponseFieldPaths", r#"["/stop_sequence"]"#);
    }
    buffer.push(b'}');
    Ok(out)
}

/// `messages`, `system` and `toolConfig`: all of the request that counts as its prompt.
pub(super) fn prompt(model: &str, turn: &Turn<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let marks = content::Marks::of(model);
    content::messages(turn, marks, out)?;
    let instruction = matches!(turn.format, Some(Format::JsonObject)).then_some(JSON_INSTRUCTION);
    content::system(turn, instruction, marks, out)?;
    tool_config(turn, marks, out);
    Ok(())
}

/// What the API cannot do and the client would notice.
fn refuse(turn: &Turn<'_>) -> Result<(), Untranslatable> {
    let refused =
        |field: &str, reason: String| Err(Untranslatable::Field { field: field.to_owned(), reason });
    turn.refuse_hosted("Amazon Bedrock's Converse API")?;
    if let Some(answers) = turn.answers.filter(|answers| answers.as_f64() != Some(1.0)) {
        return refused("n", format!("{answers} is not supported by Amazon Bedrock, which gives one answer"));
    }
    if turn.logprobs.is_some() {
        return refused("logprobs", "is not supported by Amazon Bedrock".to_owned());
    }
    if let Some(temperature) = turn.temperature
        && !temperature.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value))
    {
        let reason =
            format!("{temperature} is not supported by Amazon Bedrock (must be between 0.0 and 1.0)");
        return refused("temperature", reason);
    }
    if turn.stop.iter().any(|stop| stop.is_blank()) {
        return refused(
            "stop",
            "a sequence of white space alone is not supported by Amazon Bedrock".to_owned(),
        );
    }
    Ok(())
}

/// `inferenceConfig`, where there is anything to say.
fn inference(turn: &Turn<'_>, out: &mut Vec<u8>) {
    let fields = [("maxTokens", turn.max_tokens), ("temperature", turn.temperature), ("topP", turn.top_p)];
    if turn.stop.is_empty() && fields.iter().all(|(_, value)| value.is_none()) {
        return;
    }
    json::key(out, "inferenceConfig");
    out.push(b'{');
    json::number_fields(out, &fields);
    json::literals_field(out, "stopSequences", &turn.stop);
    out.push(b'}');
}

/// `additionalModelRequestFields`: what models know and Converse does not.
fn more_fields(model: &str, turn: &Turn<'_>, effort: Option<&str>, out: &mut Vec<u8>) {
    let mut fields = vec![b'{'];
    if let Some(top_k) = turn.top_k {
        json::raw_field(&mut fields, "top_k", top_k.as_str());
    }
    thinking(turn.thinking, effort.filter(|_| aws::is_claude(model)), &mut fields);
    if let Some(effort) = effort.filter(|_| !aws::is_claude(model)) {
        json::text_field(&mut fields, "reasoning_config", effort);
    }
    if fields.len() > 1 {
        fields.push(b'}');
        json::key(out, "additionalModelRequestFields");
        out.extend_from_slice(&fields);
    }
}

/// `outputConfig`: the schema is text there.
fn output(model: &str, format: Option<Format<'_>>, effort: Option<&str>, out: &mut Vec<u8>) {
    let schema = match format {
        Some(Format::JsonSchema(schema)) => Some(schema.get()),
        Some(Format::JsonObject) | None => None,
    };
    let effort = effort.filter(|level| aws::is_claude(model) && *level != "none");
    if schema.is_none() && effort.is_none() {
        return;
    }
    json::key(out, "outputConfig");
    out.push(b'{');
    if let Some(schema) = schema {
        json::key(out, "textFormat");
        out.extend_from_slice(br#"{"type":"json_schema","structure":{"jsonSchema":{"#);
        json::text_field(out, "schema", schema);
        json::text_field(out, "name", "response");
        out.extend_from_slice(b"}}}");
    }
    if let Some(effort) = effort {
        json::text_field(out, "effort", effort);
    }
    out.push(b'}');
}

/// Bedrock's word for a tier; `None` leaves the choice to Bedrock.
fn tier(tier: Literal<'_>) -> Option<&'static str> {
    match tier.escaped() {
        "default" | "standard_only" => Some("default"),
        "flex" => Some("flex"),
        "priority" => Some("priority"),
        "reserved" => Some("reserved"),
        _ => None,
    }
}

/// `toolConfig`. Bedrock has no word for calling none: then no tools are named, unless the conversation has calls
/// already, which Bedrock refuses without.
fn tool_config(turn: &Turn<'_>, marks: content::Marks, out: &mut Vec<u8>) {
    let called = called(turn);
    if called.is_empty() && (turn.tools.is_empty() || turn.choice == Some(ToolChoice::None)) {
        return;
    }
    json::key(out, "toolConfig");
    out.extend_from_slice(br#"{"tools":["#);
    if turn.tools.is_empty() {
        called.iter().for_each(|name| tool(&Tool { name: *name, ..Tool::default() }, marks, out));
    } else {
        turn.tools.iter().for_each(|one| tool(one, marks, out));
    }
    out.push(b']');
    match turn.choice.filter(|_| !turn.tools.is_empty()) {
        Some(ToolChoice::Auto) => json::raw_field(out, "toolChoice", r#"{"auto":{}}"#),
        Some(ToolChoice::Any) => json::raw_field(out, "toolChoice", r#"{"any":{}}"#),
        Some(ToolChoice::Named(name)) => {
            json::key(out, "toolChoice");
            out.extend_from_slice(br#"{"tool":{"#);
            json::literal_field(out, "name", name);
            out.extend_from_slice(b"}}");
        }
        Some(ToolChoice::None) | None => {}
    }
    out.push(b'}');
}

/// The tools that the conversation has called, each once.
fn called<'a>(turn: &Turn<'a>) -> Vec<Literal<'a>> {
    let mut names = Vec::new();
    for part in turn.messages.iter().flat_map(|message| &message.parts) {
        if let PartKind::ToolCall { name, .. } = part.kind
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

fn tool(tool: &Tool<'_>, marks: content::Marks, out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"toolSpec":{"#);
    json::literal_field(out, "name", tool.name);
    if let Some(description) = tool.description.filter(|text| !text.is_empty()) {
        json::literal_field(out, "description", description);
    }
    json::key(out, "inputSchema");
    json::raw(out, r#"{"json":"#);
    input_schema(tool.schema, out);
    out.push(b'}');
    if tool.strict == Some(true) {
        json::raw_field(out, "strict", "true");
    }
    out.extend_from_slice(b"}}");
    content::mark(tool.cache, marks, out);
}
