use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use tollgate_llm::{Delivery, Inspected, Spots, serves};
use tollgate_snapshot::{Action, Choice, LlmAction, Retry, RetryScope, Rule, Traffic};
use tollgate_types::{Endpoint, ModelId};
use tollgate_wire::scan;

use crate::{Record, Refusal, Refused, Routed, entries, routed::Payload};

/// Says that there is no such thing here, but perhaps elsewhere.
const UNKNOWN: u16 = 404;

/// OpenAI also answers so to a batch of a file that it does not have.
const REFUSED: u16 = 400;

/// What a call about files or batches goes by.
enum By {
    /// What is spoken of: whoever gave this id, else whoever knows it.
    Id(String),
    /// The rule of this model.
    Model(ModelId),
    /// The first rule that has such things.
    Nothing,
}

/// Routes a call about files or batches that has no form.
pub(crate) fn route(record: Box<Record>, endpoint: Endpoint, body: Bytes) -> Result<Routed, Refused> {
    let id = path_id(&record);
    let by = match &id {
        Some(id) => By::Id(id.clone()),
        None if endpoint == Endpoint::Batches && !body.is_empty() => {
            input_file(&body).map_or(By::Nothing, By::Id)
        }
        None => match queried(&record, "model") {
            Some(model) => By::Model(ModelId::from(&*model)),
            None => queried(&record, "after").map_or(By::Nothing, By::Id),
        },
    };
    let payload = Payload::Item { endpoint, inspected: unnamed(), id, body };
    routed(record, endpoint, by, payload)
}

/// Routes an upload: by the model in its query, or by the one that a batch asks for.
pub(crate) fn route_upload(
    record: Box<Record>,
    batched: Option<ModelId>,
    payload: impl FnOnce(Inspected) -> Payload,
) -> Result<Routed, Refused> {
    let named = queried(&record, "model").map(|model| ModelId::from(&*model));
    // A batch may ask for a model that is served here under another name, so this is no more than a hint.
    let known = |model: &ModelId| entries::find(&record, Some(model)).is_some();
    let by = match named.or_else(|| batched.filter(known)) {
        Some(model) => By::Model(model),
        None => By::Nothing,
    };
    let payload = payload(unnamed());
    routed(record, Endpoint::Files, by, payload)
}

fn routed(mut record: Box<Record>, endpoint: Endpoint, by: By, payload: Payload) -> Result<Routed, Refused> {
    match rule(&record, endpoint, &by) {
        Ok(rule) => {
            let rule = Arc::new(rule);
            record.delivery = Some(Delivery::Whole);
            record.rule = Some(Arc::clone(&rule));
            Ok(Routed { record, rule, payload })
        }
        Err(refusal) => Err(Refused { record, refusal }),
    }
}

/// The rule whose backends are asked, in the order in which they are.
fn rule(record: &Record, endpoint: Endpoint, by: &By) -> Result<Rule, Refusal> {
    let candidates = match by {
        By::Model(model) => {
            let entry = entries::find(record, Some(model)).ok_or_else(|| Refusal::NoModel(model.clone()))?;
            fit(&entry.rule, endpoint).map(|choice| (&entry.rule, choice)).collect()
        }
        By::Id(_) | By::Nothing => candidates(record, endpoint)?,
    };
    let (base, _) = *candidates.first().ok_or_else(|| {
        let (method, path) = (&record.head.method, record.head.uri.path());
        Refusal::NoRoute(format!("{method} {path}: no backend here has files or batches"))
    })?;
    Ok(match by {
        By::Id(id) => anywhere(base, &candidates, (id, &record.live.places, endpoint)),
        By::Model(_) | By::Nothing => {
            let own = candidates.iter().filter(|(rule, _)| Arc::ptr_eq(rule, base));
            with(base, own.map(|(_, choice)| Choice::clone(choice)).collect())
        }
    })
}

/// Every backend that has such things and that the caller may ask, each once, in the order of the routes.
fn candidates(record: &Record, endpoint: Endpoint) -> Result<Vec<(&Arc<Rule>, &Choice)>, Refusal> {
    let (mut all, mut refused) = (Vec::<(&Arc<Rule>, &Choice)>::new(), None);
    for rule in entries::llm_rules(record) {
        if let Err(refusal) = record.admits(&rule.guard) {
            refused = Some(refusal);
            continue;
        }
        for choice in fit(rule, endpoint) {
            let is_same = |(_, known): &(_, &Choice)| match (&known.backend, &choice.backend) {
                (Ok(known), Ok(backend)) => known.id == backend.id,
                _ => false,
            };
            if !all.iter().any(is_same) {
                all.push((rule, choice));
            }
        }
    }
    match refused {
        Some(refusal) if all.is_empty() => Err(refusal),
        _ => Ok(all),
    }
}

fn fit(rule: &Rule, endpoint: Endpoint) -> impl Iterator<Item = &Choice> {
    let is_fit = move |choice: &&Choice| {
        let target = choice.backend.as_ref().ok().and_then(|backend| backend.target.as_ref());
        target.is_some_and(|target| serves(endpoint, target.schema))
    };
    rule.choices().iter().filter(is_fit)
}

/// The first who gave the id is asked, then all others, until one knows it.
fn anywhere(
    base: &Rule,
    candidates: &[(&Arc<Rule>, &Choice)],
    (id, places, endpoint): (&str, &crate::Places, Endpoint),
) -> Rule {
    let gave = |choice: &Choice| choice.backend.as_ref().is_ok_and(|backend| places.is_from(id, &backend.id));
    let (first, rest): (Vec<_>, Vec<_>) = candidates.iter().partition(|(_, choice)| gave(choice));
    // A proxy in front that chooses by rules has to find the one whose backend it is.
    let base = first.first().map_or(base, |(rule, _)| rule);
    let ordered = (0..).zip(first.into_iter().chain(rest));
    let choices: Vec<_> = ordered
        .map(|(priority, (_, choice))| Choice { priority, weight: 1, ..Choice::clone(choice) })
        .collect();
    let mut statuses = base.retry.statuses.clone();
    statuses.push(UNKNOWN);
    if endpoint == Endpoint::Batches {
        statuses.push(REFUSED);
    }
    statuses.sort_unstable();
    let attempts = u32::try_from(choices.len()).unwrap_or(u32::MAX);
    let retry = Retry { attempts, statuses, scope: RetryScope::OtherBackends, ..base.retry.clone() };
    // A configured policy of retries knows nothing of ids.
    let traffic = Arc::new(Traffic { retry: None, ..Traffic::clone(&base.traffic) });
    Rule { retry, traffic, ..with(base, choices) }
}

fn with(base: &Rule, choices: Vec<Choice>) -> Rule {
    let costs = match &base.action {
        Action::Llm(action) => Arc::clone(&action.costs),
        _ => Arc::new([]),
    };
    Rule { action: Action::Llm(LlmAction { choices, costs }), ..Rule::clone(base) }
}

/// A call for no model.
fn unnamed() -> Inspected {
    Inspected {
        model: ModelId::from(""),
        delivery: Delivery::Whole,
        wants_usage: false,
        completion_bound: None,
        spots: Spots::default(),
    }
}

/// The id in the path.
fn path_id(record: &Record) -> Option<String> {
    let located = record.live.snapshot.settings.prefixes.locate(record.head.uri.path())?;
    Some(percent_decode_str(located.parameter?).decode_utf8_lossy().into_owned())
}

fn queried(record: &Record, name: &str) -> Option<String> {
    let mut pairs = record.head.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, value)| *key == name && !value.is_empty())?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

/// The file that a batch is made of.
fn input_file(body: &[u8]) -> Option<String> {
    let mut members = scan::members(body).map_while(Result::ok);
    Some(members.find(|member| member.is("input_file_id"))?.value.text()?.into_owned())
}

/// The query without what only the gateway reads.
pub(crate) fn without_model(query: &str) -> Option<String> {
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("model=")).collect();
    (!rest.is_empty()).then(|| rest.join("&"))
}
