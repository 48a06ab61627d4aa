use serde_json::value::RawValue;
use tollgate_wire::Members;

use super::{family::Family, schema};
use crate::{
    Untranslatable,
    translate::{
        json,
        turn::{HostedTool, Tool, ToolChoice, Turn},
    },
};

/// `tools` and `toolConfig`.
pub(super) fn tools(turn: &Turn<'_>, family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    declarations(turn, family, out)?;
    if !turn.tools.is_empty() {
        choice(turn.choice, out);
    }
    Ok(())
}

/// `tools` alone.
pub(super) fn declarations(turn: &Turn<'_>, family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    if turn.tools.is_empty() && turn.hosted.is_empty() {
        return Ok(());
    }
    json::key(out, "tools");
    out.push(b'[');
    if !turn.tools.is_empty() {
        out.extend_from_slice(br#"{"functionDeclarations":["#);
        for (at, tool) in turn.tools.iter().enumerate() {
            function(at, tool, family, out)?;
        }
        out.extend_from_slice(b"]}");
    }
    turn.hosted.iter().try_for_each(|tool| hosted(tool, out))?;
    out.push(b']');
    Ok(())
}

fn function(at: usize, tool: &Tool<'_>, family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    json::comma(out);
    out.push(b'{');
    json::literal_field(out, "name", tool.name);
    if let Some(description) = tool.description.filter(|text| !text.is_empty()) {
        json::literal_field(out, "description", description);
    }
    if let Some(schema) = tool.schema.filter(|schema| !schema::is_empty(schema)) {
        if family.is_recent() {
            json::raw_field(out, "parametersJsonSchema", schema.get());
        } else {
            json::key(out, "parameters");
            schema::write(schema, out).map_err(|reason| Untranslatable::Field {
                field: json::place("tools", at, ""),
                reason: format!("the schema {reason}"),
            })?;
        }
    }
    out.push(b'}');
    Ok(())
}

/// Searches of the web, by whichever name; Gemini runs nothing else that other providers run.
fn hosted(tool: &HostedTool<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let kind = tool.kind.escaped();
    json::comma(out);
    if kind == "enterprise_search" {
        out.extend_from_slice(br#"{"enterpriseWebSearch":{}}"#);
    } else if kind == "google_search" {
        out.extend_from_slice(br#"{"googleSearch":{"#);
        search(tool.options, out);
        out.extend_from_slice(b"}}");
    } else if kind.starts_with("web_search") {
        out.extend_from_slice(br#"{"googleSearch":{}}"#);
    } else {
        return Err(Untranslatable::Field {
            field: tool.field.clone(),
            reason: format!(
                "{:?} is a tool that its provider runs, and Gemini has none of this kind",
                tool.kind.decode()
            ),
        });
    }
    Ok(())
}

/// Options of Google Search, in the case that Google writes them in.
fn search(options: Option<&RawValue>, out: &mut Vec<u8>) {
    let read = |raw: &'_ RawValue| raw.get().to_owned();
    let members = options.and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok());
    let Some(members) = members else { return };
    for (name, written) in
        [("exclude_domains", "excludeDomains"), ("blocking_confidence", "blockingConfidence")]
    {
        if let Some(value) = members.get(name) {
            json::raw_field(out, written, &read(value));
        }
    }
    let range = members.get("time_range_filter");
    let Some(range) = range.and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok()) else {
        return;
    };
    json::key(out, "timeRangeFilter");
    out.push(b'{');
    for (name, written) in [("start_time", "startTime"), ("end_time", "endTime")] {
        if let Some(value) = range.get(name) {
            json::raw_field(out, written, value.get());
        }
    }
    out.push(b'}');
}

fn choice(choice: Option<ToolChoice<'_>>, out: &mut Vec<u8>) {
    let Some(choice) = choice else { return };
    let mode = match choice {
        ToolChoice::Auto => "AUTO",
        ToolChoice::None => "NONE",
        ToolChoice::Any | ToolChoice::Named(_) => "ANY",
    };
    json::key(out, "toolConfig");
    out.extend_from_slice(br#"{"functionCallingConfig":{"#);
    json::text_field(out, "mode", mode);
    if let ToolChoice::Named(name) = choice {
        json::key(out, "allowedFunctionNames");
        out.push(b'[');
        json::literal(out, name);
        out.push(b']');
    }
    out.extend_from_slice(b"}}");
}
