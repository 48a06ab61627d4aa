use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use crate::{
    Behaviour, Rule,
    answer::Answer,
    anthropic,
    ask::{Ask, BadAsk},
    bedrock, cohere, form, google, issuer, kserve, metrics,
    openai::{self, audio, files, images::Task},
    reply::{Provider, Reply},
    request::Request,
    state::{State, suffix},
};

/// A reply and how it is to be sent.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) reply: Reply,
    pub(crate) behaviour: Behaviour,
    pub(crate) provider: Provider,
    /// As the request named it; empty when it named none.
    pub(crate) model: String,
    /// The last characters of the key; empty without one.
    pub(crate) key: String,
    /// An API call, which counts as load; not a look at the simulator itself.
    pub(crate) is_call: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Chat,
    Completions,
    Embeddings,
    Responses,
    InputTokens,
    Moderations,
    Images(Task),
    Speech,
    Transcriptions,
    Translations,
    Tokenize,
    Realtime,
    Messages,
    CountTokens,
    CohereChat,
    CohereEmbed,
    Rerank,
    Models,
}

/// Answers any request; there is no path without a reply.
pub(crate) fn answer(request: &Request<'_>, state: &State) -> Exchange {
    match control(request, state) {
        Some(reply) => Exchange::plain(reply),
        None => call(request, state),
    }
}

fn control(request: &Request<'_>, state: &State) -> Option<Reply> {
    if let Some(issuer) = &state.options.issuer
        && let Some(reply) = issuer::route::answer(request, issuer, state.now())
    {
        return Some(reply);
    }
    let json = |value: Value| Some(Reply::json(200, value.to_string()));
    match (request.method, request.path) {
        ("GET", "/health" | "/ping" | "/healthz/ready") => Some(Reply::text("ok\n")),
        ("GET", "/metrics") => Some(Reply::text(metrics::text(state))),
        ("GET", "/_sim/stats") => json(json!(state.stats())),
        ("GET", "/_sim/last") => json(json!(state.last())),
        ("GET", "/_sim/faults") => json(json!(state.rules())),
        ("DELETE", "/_sim/faults") => {
            state.clear_rules();
            json(json!([]))
        }
        ("POST", "/_sim/faults") => Some(add_rules(request.body, state)),
        _ => None,
    }
}

fn add_rules(body: &[u8], state: &State) -> Reply {
    let rules = match body.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice::<Vec<Rule>>(body),
        _ => serde_json::from_slice::<Rule>(body).map(|rule| vec![rule]),
    };
    match rules {
        Ok(rules) => {
            state.add_rules(rules);
            Reply::json(200, json!(state.rules()).to_string())
        }
        Err(error) => Reply::json(400, openai::error(400, &error.to_string()).to_string()),
    }
}

fn call(request: &Request<'_>, state: &State) -> Exchange {
    let (api, deployment) = find(request.path);
    let kserve = kserve::find(request.path, &state.options.kserve);
    let bedrock = bedrock::find(request.path).filter(|_| kserve.is_none());
    let google = google::find(request.path).filter(|_| kserve.is_none());
    let provider = match (&kserve, &bedrock, google) {
        (Some(_), ..) => Provider::KServe,
        (None, Some(_), _) => Provider::Bedrock,
        (None, None, Some(asked)) => asked.provider(),
        (None, None, None) => provider(request, api, deployment),
    };
    let mut exchange = Exchange {
        reply: Reply::json(200, Vec::new()),
        behaviour: state.options.behaviour.clone(),
        provider,
        model: String::new(),
        key: suffix(request.key().unwrap_or_default()).to_owned(),
        is_call: true,
    };
    state.record(request);
    let replied = match (kserve, bedrock, google) {
        (Some(asked), ..) => predict(request, state, &mut exchange, asked),
        (None, Some(asked), _) => invoke(request, state, &mut exchange, &asked),
        (None, None, Some(asked)) => ask_google(request, state, &mut exchange, asked),
        (None, None, None) => respond(request, state, &mut exchange, (api, deployment)),
    };
    exchange.reply = match replied {
        Ok(reply) => reply,
        Err((status, message)) => refusal(provider, status, &message),
    };
    state.count(&exchange.model, &exchange.key);
    state.spent(exchange.reply.usage);
    exchange
}

fn respond(
    request: &Request<'_>,
    state: &State,
    exchange: &mut Exchange,
    (api, deployment): (Option<Api>, Option<&str>),
) -> Result<Reply, (u16, String)> {
    if state.options.require_key.as_deref().is_some_and(|wanted| request.key() != Some(wanted)) {
        return Err((401, "incorrect API key provided".into()));
    }
    if let Some(replied) = files::answer(request, state) {
        exchange.behaviour = behaviour(request, state, exchange)?;
        return match exchange.behaviour.status {
            Some(status) => Err((status, format!("simulated error {status}"))),
            None => replied,
        };
    }
    let Some(api) = api else { return Err((404, format!("unknown path {}", request.path))) };
    if deployment.is_some() && !request.query.contains("api-version=") {
        return Err((404, "resource not found: api-version is missing".into()));
    }
    let ask = match (api, request.method) {
        (Api::Models, "GET") => None,
        (Api::Realtime, "GET") => return realtime(request, state, exchange),
        (Api::Models, _) | (_, "GET" | "PUT" | "DELETE" | "HEAD") => {
            return Err((405, format!("method {} is not allowed here", request.method)));
        }
        _ => Some(read(request, (api, deployment)).map_err(|error| match error {
            BadAsk::NotJson => (400, "we could not parse the JSON body of your request".to_owned()),
            BadAsk::NoModel => (400, "you must provide a model parameter".to_owned()),
            BadAsk::NoForm => (400, "multipart/form-data is expected here".to_owned()),
        })?),
    };
    if let Some(ask) = &ask {
        exchange.model = ask.model.clone().into_owned();
    }
    exchange.behaviour = behaviour(request, state, exchange)?;
    if let Some(status) = exchange.behaviour.status {
        if status == 429 {
            exchange.behaviour.retry_after = exchange.behaviour.retry_after.or(Some(1));
        }
        return Err((status, format!("simulated error {status}")));
    }
    Ok(match &ask {
        Some(ask) => speak(api, ask, exchange, (request, state)),
        None => models(request, exchange.provider, state),
    })
}

/// Reads the body, a form where the API takes one.
fn read<'a>(request: &Request<'a>, (api, deployment): (Api, Option<&'a str>)) -> Result<Ask<'a>, BadAsk> {
    let form = form::parts(request.header("content-type").unwrap_or_default(), request.body);
    match (api, form) {
        (Api::Images(Task::Edit | Task::Vary) | Api::Transcriptions | Api::Translations, Some(parts)) => {
            let default = (api == Api::Images(Task::Vary)).then_some("dall-e-2");
            Ask::of_form(&parts, default)
        }
        (Api::Moderations, _) => match Ask::read(request.body, deployment) {
            Err(BadAsk::NoModel) => Ask::read(request.body, Some("omni-moderation-latest")),
            read => read,
        },
        (Api::Images(Task::Vary) | Api::Transcriptions | Api::Translations, None) => Err(BadAsk::NoForm),
        _ => Ask::read(request.body, deployment),
    }
}

/// Agrees to a session.
fn realtime(request: &Request<'_>, state: &State, exchange: &mut Exchange) -> Result<Reply, (u16, String)> {
    let mut pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
    let model = pairs.find(|(name, _)| matches!(*name, "model" | "deployment")).map(|(_, model)| model);
    let model = model.ok_or((400, "you must provide a model parameter".to_owned()))?;
    exchange.model = percent_encoding::percent_decode_str(model).decode_utf8_lossy().into_owned();
    exchange.behaviour = behaviour(request, state, exchange)?;
    if let Some(status) = exchange.behaviour.status {
        return Err((status, format!("simulated error {status}")));
    }
    let key = request.header("sec-websocket-key").ok_or((426, "a WebSocket is expected here".to_owned()))?;
    Ok(Reply::socket(openai::realtime::accept(key)))
}

/// The pictures that came with a request, and how many are wanted.
fn pictures(request: &Request<'_>) -> (u64, u64) {
    match form::parts(request.header("content-type").unwrap_or_default(), request.body) {
        Some(parts) => {
            let shown = parts.iter().filter(|part| part.filename.is_some()).count();
            let wanted = form::field(&parts, "n").and_then(|n| n.parse().ok()).unwrap_or(1);
            (shown as u64, wanted)
        }
        None => {
            let body: Value = serde_json::from_slice(request.body).unwrap_or_default();
            (0, body["n"].as_u64().unwrap_or(1))
        }
    }
}

/// A model that is no language model.
fn predict(
    request: &Request<'_>,
    state: &State,
    exchange: &mut Exchange,
    (model, verb): (&str, kserve::Verb),
) -> Result<Reply, (u16, String)> {
    let method = if verb == kserve::Verb::Ready { "GET" } else { "POST" };
    if request.method != method {
        return Err((405, format!("method {} is not allowed here", request.method)));
    }
    model.clone_into(&mut exchange.model);
    exchange.behaviour = behaviour(request, state, exchange)?;
    match exchange.behaviour.status {
        Some(status) => Err((status, format!("simulated error {status}"))),
        None => kserve::reply(model, verb, request.body),
    }
}

/// A model of Bedrock's: the path names it.
fn invoke(
    request: &Request<'_>,
    state: &State,
    exchange: &mut Exchange,
    asked: &bedrock::Asked<'_>,
) -> Result<Reply, (u16, String)> {
    if state.options.require_key.as_deref().is_some_and(|wanted| request.key() != Some(wanted)) {
        return Err((403, "the security token included in the request is invalid".into()));
    }
    if request.method != "POST" {
        return Err((405, format!("method {} is not allowed here", request.method)));
    }
    exchange.model = asked.model.clone().into_owned();
    exchange.behaviour = behaviour(request, state, exchange)?;
    match exchange.behaviour.status {
        Some(status) => Err((status, format!("simulated error {status}"))),
        None => bedrock::reply(asked, &exchange.behaviour, (request, state)),
    }
}

/// A model behind one of Google's paths.
fn ask_google(
    request: &Request<'_>,
    state: &State,
    exchange: &mut Exchange,
    asked: google::Call<'_>,
) -> Result<Reply, (u16, String)> {
    if state.options.require_key.as_deref().is_some_and(|wanted| request.key() != Some(wanted)) {
        return Err((401, "Request had invalid authentication credentials.".into()));
    }
    if request.method != "POST" {
        return Err((404, "The requested URL was not found on this server.".into()));
    }
    asked.model.clone_into(&mut exchange.model);
    exchange.behaviour = behaviour(request, state, exchange)?;
    match exchange.behaviour.status {
        Some(status) => Err((status, format!("simulated error {status}"))),
        None => asked.reply(request, &exchange.behaviour, state),
    }
}

fn speak(api: Api, ask: &Ask<'_>, exchange: &Exchange, (request, state): (&Request<'_>, &State)) -> Reply {
    let answer = || Answer::new(ask, &exchange.behaviour, state);
    let parts =
        || form::parts(request.header("content-type").unwrap_or_default(), request.body).unwrap_or_default();
    match api {
        Api::Chat => openai::chat::reply(ask, &answer()),
        Api::Completions => openai::completions::reply(ask, &answer()),
        Api::Responses => openai::responses::reply(ask, &answer()),
        Api::InputTokens => openai::responses::input_tokens(ask),
        Api::Embeddings => openai::embeddings::reply(ask, &exchange.behaviour, (request.body, state)),
        Api::Moderations => Reply::json(200, openai::moderation(&ask.model).to_string()),
        Api::Images(task) => openai::images::reply(task, ask, pictures(request), state),
        Api::Speech => openai::audio::speech(ask, request.body),
        Api::Transcriptions => openai::audio::transcription(ask, &answer(), (&parts(), audio::Into::Same)),
        Api::Translations => openai::audio::transcription(ask, &answer(), (&parts(), audio::Into::English)),
        Api::Tokenize => Reply::json(200, openai::tokens(ask.prompt_tokens).to_string()),
        Api::Messages => anthropic::messages::reply(ask, &answer()),
        Api::CountTokens => anthropic::count_tokens(ask),
        Api::CohereChat => cohere::chat(ask, &answer()),
        Api::CohereEmbed => cohere::embed(ask, &exchange.behaviour, request.body),
        Api::Rerank => cohere::rerank(request.body),
        Api::Models | Api::Realtime => models(request, exchange.provider, state),
    }
}

fn behaviour(request: &Request<'_>, state: &State, exchange: &Exchange) -> Result<Behaviour, (u16, String)> {
    let mut behaviour = exchange.behaviour.clone();
    // Most requests ask for nothing special, and a load test is made of most requests.
    if let Some(rule) = state.rule(request.path, &exchange.model, &exchange.key) {
        behaviour = rule.over(&behaviour);
    }
    if request.knobs().next().is_some() {
        behaviour = Behaviour::from_headers(request).map_err(|message| (400, message))?.over(&behaviour);
    }
    if let Some(magic) = Behaviour::from_model(&exchange.model) {
        behaviour = magic.over(&behaviour);
    }
    Ok(behaviour)
}

/// The API at a path, whatever prefix it has, and the deployment that an Azure path names.
fn find(path: &str) -> (Option<Api>, Option<&str>) {
    const ENDS: [(&str, Api); 19] = [
        ("/images/generations", Api::Images(Task::Generate)),
        ("/images/edits", Api::Images(Task::Edit)),
        ("/images/variations", Api::Images(Task::Vary)),
        ("/audio/speech", Api::Speech),
        ("/audio/transcriptions", Api::Transcriptions),
        ("/audio/translations", Api::Translations),
        ("/tokenize", Api::Tokenize),
        ("/realtime", Api::Realtime),
        ("/chat/completions", Api::Chat),
        ("/completions", Api::Completions),
        ("/embeddings", Api::Embeddings),
        ("/responses", Api::Responses),
        ("/responses/input_tokens", Api::InputTokens),
        ("/moderations", Api::Moderations),
        ("/messages", Api::Messages),
        ("/messages/count_tokens", Api::CountTokens),
        ("/v2/chat", Api::CohereChat),
        ("/v2/embed", Api::CohereEmbed),
        ("/rerank", Api::Rerank),
    ];
    let deployment = path
        .split_once("/openai/deployments/")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map(|(name, _)| name);
    let api = ENDS.iter().find(|(end, _)| path.ends_with(end)).map(|(_, api)| *api);
    let models = || (path.ends_with("/models") || path.contains("/models/")).then_some(Api::Models);
    (api.or_else(models), deployment)
}

fn provider(request: &Request<'_>, api: Option<Api>, deployment: Option<&str>) -> Provider {
    let anthropic = || request.header("anthropic-version").is_some() || request.header("x-api-key").is_some();
    match api {
        Some(Api::Messages | Api::CountTokens) => Provider::Anthropic,
        Some(Api::Models) | None if google::is_list(request.path) => Provider::Google,
        Some(Api::CohereChat | Api::CohereEmbed | Api::Rerank) => Provider::Cohere,
        Some(Api::Models) | None if anthropic() => Provider::Anthropic,
        _ if deployment.is_some() || request.query.contains("api-version=") => Provider::Azure,
        _ => Provider::OpenAi,
    }
}

fn models(request: &Request<'_>, provider: Provider, state: &State) -> Reply {
    let list = &state.options.models;
    let id = request.path.rsplit_once("/models/").map(|(_, id)| id);
    if let Some(id) = id.filter(|id| !list.iter().any(|known| known == id)) {
        return refusal(provider, 404, &format!("the model {id} does not exist"));
    }
    let body = match (provider, id) {
        (Provider::Anthropic, Some(id)) => anthropic::model(id),
        (Provider::Anthropic, None) => anthropic::models(list),
        (Provider::Google, Some(id)) => google::model(id),
        (Provider::Google, None) => google::models(list),
        (_, Some(id)) => openai::models::one(id),
        (_, None) => openai::models::list(list),
    };
    Reply::json(200, body.to_string())
}

/// An error in the provider's own words.
pub(crate) fn refusal(provider: Provider, status: u16, message: &str) -> Reply {
    let body = match provider {
        Provider::OpenAi => openai::error(status, message),
        Provider::Azure => openai::azure_error(status, message),
        Provider::Anthropic => anthropic::error(status, message),
        Provider::Bedrock => return bedrock::error(status, message),
        Provider::Google => google::error(status, message),
        Provider::Cohere => cohere::error(message),
        Provider::KServe => kserve::error(message),
    };
    Reply::json(status, body.to_string())
}

/// Load as the metrics show it: (running, waiting).
pub(crate) fn load(state: &State) -> (u64, u64) {
    let in_flight = state.in_flight.load(Relaxed);
    let running = in_flight.min(u64::from(state.options.capacity));
    (running, in_flight - running)
}

// === impl Exchange ===

impl Exchange {
    /// A reply that is no provider's.
    pub(crate) fn plain(reply: Reply) -> Self {
        Self {
            reply,
            behaviour: Behaviour::default(),
            provider: Provider::OpenAi,
            model: String::new(),
            key: String::new(),
            is_call: false,
        }
    }
}
