use std::time::Instant;

use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    trace::v1::{Span, Status, span, status::StatusCode},
};
use tollgate_core::{AttemptRecord, End, Record, Settled};
use tollgate_types::{Dialect, Endpoint};

use super::{
    attribute::{int, text},
    content::{self, Hidden},
    vocabulary::Vocabulary,
};
use crate::{
    attributes::HeaderAttribute,
    end,
    metric::{nanos, token_counts},
};

/// How spans look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) vocabulary: Vocabulary,
    pub(crate) hidden: Hidden,
}

/// The span of a request and one below it for each attempt. They hold no credential, and prompt and reply only where
/// these were captured.
pub(crate) fn spans(settled: &Settled, shape: Shape, attributes: &[HeaderAttribute]) -> Vec<Span> {
    let record = &settled.record;
    let mut spans = Vec::with_capacity(1 + record.attempts.len());
    spans.push(request(settled, shape, attributes));
    for (number, attempt) in (1_u64..).zip(&record.attempts) {
        spans.push(self::attempt(record, number, attempt, settled.ended));
    }
    spans
}

fn request(settled: &Settled, shape: Shape, attributes: &[HeaderAttribute]) -> Span {
    let Shape { vocabulary, hidden } = shape;
    let record = &settled.record;
    let mut all = match (record.endpoint, vocabulary) {
        (None, _) => Vec::new(),
        (Some(endpoint), Vocabulary::OpenInference) => open_inference(record, endpoint),
        (Some(endpoint), Vocabulary::GenAi) => gen_ai(record, endpoint),
    };
    for attribute in attributes {
        if let Some(value) = record.head.headers.get(&attribute.header).and_then(|value| value.to_str().ok())
        {
            all.push(text(&attribute.name, value));
        }
    }
    if let Some(rule) = &record.rule {
        all.push(text("tollgate.route", rule.route.as_str()));
        all.push(text("tollgate.rule", rule.id.as_str()));
    }
    all.extend(content::attributes(record, vocabulary, hidden));
    let code = record.status.map(|status| status.as_u16());
    all.extend(code.map(|code| int("http.response.status_code", u64::from(code))));
    let failed = code.is_none_or(|code| code >= 400) || !matches!(settled.end, End::Complete | End::Local);
    let status = match failed {
        false => Status { message: String::new(), code: StatusCode::Ok.into() },
        true => {
            all.push(text("error.type", &code.map_or("_OTHER".to_owned(), |code| code.to_string())));
            Status { message: end::detail(settled).unwrap_or_default(), code: StatusCode::Error.into() }
        }
    };
    let kind = match (record.endpoint, vocabulary) {
        (Some(_), Vocabulary::OpenInference) => span::SpanKind::Internal,
        (Some(_), Vocabulary::GenAi) => span::SpanKind::Client,
        (None, _) => span::SpanKind::Server,
    };
    Span {
        trace_id: record.trace.trace_id.to_vec(),
        span_id: record.trace.span_id.to_vec(),
        parent_span_id: record.trace.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        name: name(record, vocabulary),
        kind: kind.into(),
        start_time_unix_nano: unix_nanos(record, record.began.instant),
        end_time_unix_nano: unix_nanos(record, settled.ended),
        attributes: all,
        events: events(settled, vocabulary, failed),
        status: Some(status),
        ..Span::default()
    }
}

fn attempt(record: &Record, number: u64, attempt: &AttemptRecord, ended: Instant) -> Span {
    let mut attributes = vec![
        text("tollgate.backend", attempt.backend.id.as_str()),
        int("http.request.resend_count", number - 1),
    ];
    if let Some(target) = &attempt.backend.target {
        attributes.push(text("gen_ai.provider.name", target.schema.provider_name()));
    }
    let status = attempt.status.map(|status| status.as_u16());
    attributes.extend(status.map(|status| int("http.response.status_code", u64::from(status))));
    let mut outcome = Status { message: String::new(), code: StatusCode::Unset.into() };
    if let Some(failure) = &attempt.failure {
        attributes.push(text("error.type", failure.word()));
        outcome = Status { message: end::reason(failure), code: StatusCode::Error.into() };
    } else if status.is_some_and(|status| status >= 400) {
        outcome.code = StatusCode::Error.into();
    }
    // Unique within the trace is all that an id has to be.
    let own =
        u64::from_be_bytes(record.trace.span_id).wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Span {
        trace_id: record.trace.trace_id.to_vec(),
        span_id: own.max(1).to_be_bytes().to_vec(),
        parent_span_id: record.trace.span_id.to_vec(),
        name: format!("attempt {number}"),
        kind: span::SpanKind::Client.into(),
        start_time_unix_nano: unix_nanos(record, attempt.began),
        end_time_unix_nano: unix_nanos(record, attempt.ended.unwrap_or(ended)),
        attributes,
        status: Some(outcome),
        ..Span::default()
    }
}

/// The request began at a known wall time; everything else is measured from there.
fn unix_nanos(record: &Record, moment: Instant) -> u64 {
    (record.began.unix_ms.saturating_mul(1_000_000)).saturating_add(nanos(record.began.instant, moment))
}

fn name(record: &Record, vocabulary: Vocabulary) -> String {
    let Some(endpoint) = record.endpoint else {
        // Names have to be few, so the path stays out of them.
        return record.rule.as_ref().map_or_else(
            || record.head.method.to_string(),
            |rule| format!("{} {}", record.head.method, rule.route),
        );
    };
    match vocabulary {
        Vocabulary::OpenInference => match endpoint {
            Endpoint::ChatCompletions => "ChatCompletion",
            Endpoint::Completions => "Completion",
            Endpoint::Embeddings => "CreateEmbeddings",
            Endpoint::Responses => "Responses",
            Endpoint::InputTokens => "ResponsesInputTokens",
            Endpoint::Moderations => "Moderation",
            Endpoint::ImageGenerations => "ImagesResponse",
            Endpoint::ImageEdits => "ImageEdit",
            Endpoint::ImageVariations => "ImageVariation",
            Endpoint::Speech => "AudioSpeech",
            Endpoint::Transcriptions => "Transcription",
            Endpoint::Translations => "Translation",
            Endpoint::Tokenize => "Tokenize",
            Endpoint::Realtime => "Realtime",
            Endpoint::Files | Endpoint::File | Endpoint::FileContent => "Files",
            Endpoint::Batches | Endpoint::Batch | Endpoint::BatchCancel => "Batches",
            Endpoint::Messages => "Message",
            Endpoint::CountTokens | Endpoint::GeminiCountTokens => "CountTokens",
            Endpoint::CohereChat => "Chat",
            Endpoint::CohereEmbed => "Embed",
            Endpoint::Rerank => "Rerank",
            Endpoint::GenerateContent | Endpoint::StreamGenerateContent => "GenerateContent",
            Endpoint::EmbedContent | Endpoint::BatchEmbedContents => "EmbedContent",
            Endpoint::Models
            | Endpoint::Model
            | Endpoint::AnthropicModels
            | Endpoint::AnthropicModel
            | Endpoint::CohereModels
            | Endpoint::GeminiModels
            | Endpoint::GeminiModel => "Models",
        }
        .to_owned(),
        Vocabulary::GenAi => match &record.model_asked {
            Some(model) => format!("{} {model}", operation(endpoint)),
            None => operation(endpoint).to_owned(),
        },
    }
}

/// `gen_ai.operation.name` of spans, which differs from that of metrics.
const fn operation(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Responses | Endpoint::Messages => "chat",
        Endpoint::Completions => "text_completion",
        Endpoint::CountTokens | Endpoint::GeminiCountTokens | Endpoint::InputTokens => "tokenize",
        other => other.operation(),
    }
}

fn open_inference(record: &Record, endpoint: Endpoint) -> Vec<KeyValue> {
    let (kind, model_key) = match endpoint {
        Endpoint::Embeddings
        | Endpoint::CohereEmbed
        | Endpoint::EmbedContent
        | Endpoint::BatchEmbedContents => ("EMBEDDING", "embedding.model_name"),
        Endpoint::Rerank => ("RERANKER", "reranker.model_name"),
        Endpoint::CountTokens | Endpoint::GeminiCountTokens | Endpoint::InputTokens | Endpoint::Tokenize => {
            ("TOKEN_COUNTER", "llm.model_name")
        }
        _ => ("LLM", "llm.model_name"),
    };
    let mut all = vec![text("openinference.span.kind", kind)];
    if endpoint != Endpoint::Embeddings {
        let system = match endpoint.dialect() {
            Dialect::OpenAi => "openai",
            Dialect::Anthropic => "anthropic",
            Dialect::Cohere => "cohere",
            Dialect::Gemini => "google",
        };
        all.push(text("llm.system", system));
    }
    let served = record.model_served.as_deref().filter(|served| !served.is_empty());
    let model = served.or(record.model_asked.as_ref().map(|model| model.as_str()));
    all.extend(model.map(|model| text(model_key, model)));
    let [input, output, cached, written, reasoning] = token_counts(&record.usage);
    let total = (!record.usage.is_empty()).then(|| record.usage.total_or_sum().0);
    let counts = [
        ("llm.token_count.prompt", input.filter(|n| *n > 0)),
        ("llm.token_count.completion", output.filter(|n| *n > 0)),
        ("llm.token_count.total", total.filter(|n| *n > 0)),
        ("llm.token_count.prompt_details.cache_read", cached),
        ("llm.token_count.prompt_details.cache_creation", written),
        ("llm.token_count.completion_details.reasoning", reasoning),
    ];
    all.extend(counts.into_iter().filter_map(|(name, count)| Some(int(name, count?))));
    all
}

fn gen_ai(record: &Record, endpoint: Endpoint) -> Vec<KeyValue> {
    let mut all = vec![text("gen_ai.operation.name", operation(endpoint))];
    let asked = record.model_sent.as_ref().or(record.model_asked.as_ref());
    all.extend(asked.map(|model| text("gen_ai.request.model", model.as_str())));
    all.extend(record.model_served.as_deref().map(|model| text("gen_ai.response.model", model)));
    let target = record.backend().and_then(|backend| backend.target.as_ref());
    all.extend(target.map(|target| text("gen_ai.provider.name", target.schema.provider_name())));
    let names = [
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.reasoning.output_tokens",
    ];
    let counts = names.into_iter().zip(token_counts(&record.usage));
    all.extend(counts.filter_map(|(name, count)| Some(int(name, count?))));
    all
}

/// OpenInference's events, at the time they stand for.
fn events(settled: &Settled, vocabulary: Vocabulary, failed: bool) -> Vec<span::Event> {
    let record = &settled.record;
    if record.endpoint.is_none() || vocabulary == Vocabulary::GenAi {
        return Vec::new();
    }
    let event = |name: &str, moment, attributes| span::Event {
        time_unix_nano: unix_nanos(record, moment),
        name: name.to_owned(),
        attributes,
        ..span::Event::default()
    };
    let streamed = record.delivery == Some(tollgate_llm::Delivery::Streamed);
    let first = record.first_byte.filter(|_| streamed && record.status.is_some_and(|s| s.is_success()));
    let mut all: Vec<_> =
        first.into_iter().map(|first| event("First Token Stream Event", first, Vec::new())).collect();
    if failed {
        let code = record.status.map_or(0, |status| status.as_u16());
        // A provider's own words may quote the prompt, so they stay out.
        let message = match end::detail(settled) {
            Some(detail) => format!("Error code: {code} - {detail}"),
            None => format!("Error code: {code}"),
        };
        let attributes = vec![text("exception.type", exception(code)), text("exception.message", &message)];
        all.push(event("exception", settled.ended, attributes));
    }
    all
}

/// What the providers' Python clients would raise.
const fn exception(code: u16) -> &'static str {
    match code {
        400 => "BadRequestError",
        401 => "AuthenticationError",
        403 => "PermissionDeniedError",
        404 => "NotFoundError",
        429 => "RateLimitError",
        500 | 502 | 503 => "InternalServerError",
        _ => "Error",
    }
}
