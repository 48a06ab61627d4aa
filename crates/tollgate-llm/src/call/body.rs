use bytes::Bytes;
use tollgate_types::{ModelId, ModelPlace};
use tollgate_wire::{
    patch::{Patch, PatchError},
    text::quoted,
};

use crate::{BodyEdit, BodyMutation, Call, Inspected, Untranslatable, inspect::Known, reply::UsageChunk};

const ASK_FOR_USAGE: &str = r#"{"include_usage":true}"#;

/// The client's body with the model, the wish for usage and the mutations patched in; the very buffer where
/// nothing changes.
pub(super) fn passed(
    call: &Call<'_>,
    model: &ModelId,
    usage_chunk: UsageChunk,
) -> Result<Bytes, Untranslatable> {
    let Call { body, inspected, mutations, .. } = *call;
    // A session, or something that is only looked at.
    if body.is_empty() || (usage_chunk == UsageChunk::Keep && stays(call, model)) {
        return Ok(body.clone());
    }
    let renamed = is_named(call) && *model != inspected.model;
    let edits = Edits { model: renamed.then(|| quoted(model.as_str())), usage_chunk, mutations };
    edited(body, inspected, edits)
}

/// True where neither the model nor anything else is to be changed in the client's body, but perhaps its wish for
/// usage. Nothing of the body is looked at.
pub(super) fn stays(call: &Call<'_>, model: &ModelId) -> bool {
    let renamed = is_named(call) && *model != call.inspected.model;
    !renamed && call.mutations.iter().all(|mutation| mutation.is_empty())
}

/// The client's body with the wish for usage, and else as it is.
pub(super) fn wishing(body: &Bytes, inspected: &Inspected) -> Result<Bytes, Untranslatable> {
    edited(body, inspected, Edits { model: None, usage_chunk: UsageChunk::Strip, mutations: &[] })
}

/// True where the body names the model. A form has its model elsewhere, and does not stand in `body`.
fn is_named(call: &Call<'_>) -> bool {
    match call.endpoint.model() {
        ModelPlace::Body => true,
        ModelPlace::Form => !call.body.is_empty(),
        ModelPlace::Path | ModelPlace::Query | ModelPlace::Nowhere => false,
    }
}

/// What is to be changed in a body.
struct Edits<'a> {
    /// The model, quoted
    model: Option<String>,
    usage_chunk: UsageChunk,
    mutations: &'a [&'a BodyMutation],
}

fn edited(body: &Bytes, inspected: &Inspected, edits: Edits<'_>) -> Result<Bytes, Untranslatable> {
    let Edits { model, usage_chunk, mutations } = edits;
    if mutations.iter().all(|mutation| mutation.is_empty())
        && let Some(known) = inspected.spots.of(body, &inspected.model)
    {
        return spliced(body, known, model.as_deref(), usage_chunk);
    }
    let mut patch = Patch::new(body).map_err(shape)?;
    if let Some(model) = model {
        patch.set("model", &model).map_err(refusal)?;
    }
    if usage_chunk == UsageChunk::Strip {
        patch.set("stream_options.include_usage", "true").map_err(refusal)?;
    }
    mutate(&mut patch, mutations)?;
    Ok(patch.finish().map_or_else(|| body.clone(), Bytes::from))
}

/// A translated body with the mutations patched in.
pub(super) fn mutated(body: Vec<u8>, mutations: &[&BodyMutation]) -> Result<Vec<u8>, Untranslatable> {
    if mutations.iter().all(|mutation| mutation.is_empty()) {
        return Ok(body);
    }
    let mut patch = Patch::new(&body).map_err(shape)?;
    mutate(&mut patch, mutations)?;
    Ok(patch.finish().unwrap_or(body))
}

pub(super) fn mutate(patch: &mut Patch<'_>, mutations: &[&BodyMutation]) -> Result<(), Untranslatable> {
    for BodyMutation { set: _, remove } in mutations {
        for path in remove {
            patch.remove(path).map_err(refusal)?;
        }
    }
    for BodyMutation { set, remove: _ } in mutations {
        for BodyEdit { path, value } in set {
            patch.set(path, value).map_err(refusal)?;
        }
    }
    Ok(())
}

/// The same edits where their places are known: one copy, no scan.
fn spliced(
    body: &[u8],
    known: &Known,
    model: Option<&str>,
    usage_chunk: UsageChunk,
) -> Result<Bytes, Untranslatable> {
    let mut edits = Vec::with_capacity(2);
    if let Some(model) = model {
        edits.push((known.model.clone(), model.as_bytes().to_vec()));
    }
    if usage_chunk == UsageChunk::Strip {
        match known.stream_options.clone() {
            Some(range) => {
                let options = asking(&body[range.clone()])?;
                edits.push((range, options));
            }
            None => {
                let end = known.model.end;
                edits.push((end..end, [br#","stream_options":"#, ASK_FOR_USAGE.as_bytes()].concat()));
            }
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    let added: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut done = 0;
    for (range, text) in edits {
        out.extend_from_slice(&body[done..range.start]);
        out.extend_from_slice(&text);
        done = range.end;
    }
    out.extend_from_slice(&body[done..]);
    Ok(Bytes::from(out))
}

/// The client's `stream_options` with the wish for usage.
fn asking(options: &[u8]) -> Result<Vec<u8>, Untranslatable> {
    if options == b"null" {
        return Ok(ASK_FOR_USAGE.as_bytes().to_vec());
    }
    let mut patch = Patch::new(options).map_err(shape)?;
    patch.set("include_usage", "true").map_err(refusal)?;
    Ok(patch.finish().unwrap_or_else(|| options.to_vec()))
}

pub(super) fn shape(error: PatchError) -> Untranslatable {
    Untranslatable::Shape(error.to_string())
}

pub(super) fn refusal(error: PatchError) -> Untranslatable {
    let field = match &error {
        PatchError::Document(_) => return shape(error),
        PatchError::Value { path, .. } | PatchError::Through { path } | PatchError::Path { path } => {
            path.clone()
        }
    };
    Untranslatable::Field { field, reason: error.to_string() }
}
