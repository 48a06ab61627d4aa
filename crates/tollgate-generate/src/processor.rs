//! The external processor beside Envoy: a sidecar that an EnvoyProxy asks for, with what a GatewayConfig says of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use tollgate_resources::{
    ExtProcContainer, Gateway, GatewayConfig, Manifest, Object, ParentRef, ResourceSet,
};
use tollgate_types::{Diagnostic, Diagnostics, Severity};

use crate::{
    complete::Written,
    grants,
    names::{ENVOY_GATEWAY, GATEWAY_CONFIG, group},
    order,
};

/// How the processor is run.
#[derive(Clone, Copy, Debug)]
pub struct Processor<'a> {
    /// Its image, with a tag.
    pub image: &'a str,
    /// The Secret with the resources that it serves, in the namespace of Envoy's pods.
    pub resources: &'a str,
}

/// The EnvoyProxies, and what there is to say.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Those of the users with the processor in them, and new ones for Gateways that have none.
    pub objects: Vec<Manifest>,
    /// What the reader has to do.
    pub diagnostics: Diagnostics,
}

/// The container: its name is what scripts and dashboards look for.
const CONTAINER: &str = "ai-gateway-extproc";
/// The volume with the socket between Envoy and the processor, and where both have it.
const SOCKET: (&str, &str) = ("ai-gateway-extproc-uds", "/etc/ai-gateway-extproc-uds");
/// The volume with the resources.
const RESOURCES: (&str, &str) = ("tollgate-resources", "/etc/tollgate/resources");
/// Health and metrics of the processor.
const ADMIN: u16 = 1064;

/// An EnvoyProxy on its way: whose it is, and the settings of the processor in it.
#[derive(Debug)]
struct Draft<'a> {
    gateway: &'a Object<Gateway>,
    config: Option<&'a Object<GatewayConfig>>,
    /// Whether the Gateway or its class refers to it already.
    is_referred_to: bool,
}

/// An EnvoyProxy with the processor for every Gateway that has AIGatewayRoutes.
#[must_use]
pub fn proxies(written: Written<'_>, processor: &Processor<'_>) -> Proxies {
    let set = written.set;
    let mut proxies = Proxies::default();
    let mut drafts: BTreeMap<(String, String), Draft<'_>> = BTreeMap::new();
    for gateway in set.gateways.iter().filter(|gateway| has_routes(set, gateway)) {
        let config = config(set, gateway);
        let own = own_proxy(gateway).or_else(|| proxy_of_class(set, gateway));
        let is_referred_to = own.is_some();
        let key = own
            .unwrap_or_else(|| (gateway.meta.namespace.to_string(), format!("ai-eg-{}", gateway.meta.name)));
        let draft = drafts.entry(key).or_insert(Draft { gateway, config, is_referred_to });
        if draft.config.map(|config| &config.meta) != config.map(|config| &config.meta) {
            let message = format!(
                "Gateways {} and {} share an EnvoyProxy: its processor runs as the GatewayConfig of the first one says",
                draft.gateway.meta.name, gateway.meta.name,
            );
            let help = "give one of them an EnvoyProxy of its own in spec.infrastructure.parametersRef";
            proxies.note("one-processor", gateway, message, help);
        }
    }
    for ((namespace, name), draft) in drafts {
        let known = written.manifests.iter().find(|manifest| {
            manifest.kind == "EnvoyProxy" && manifest.namespace == namespace && manifest.name == name
        });
        if !draft.is_referred_to {
            let message =
                format!("nothing refers to EnvoyProxy {namespace}/{name} yet, which runs the processor");
            let help = format!(
                "add to the Gateway: spec.infrastructure.parametersRef: {{group: {}, kind: EnvoyProxy, name: {name}}}",
                group::ENVOY
            );
            proxies.note("gateway-without-processor", draft.gateway, message, help);
        }
        let mut object = known
            .cloned()
            .unwrap_or_else(|| grants::managed(ENVOY_GATEWAY, "EnvoyProxy", (&namespace, &name), &json!({})));
        add(&mut object.body, processor, draft.config);
        proxies.objects.push(object);
    }
    order::sort(&mut proxies.objects);
    proxies
}

fn has_routes(set: &ResourceSet, gateway: &Object<Gateway>) -> bool {
    set.ai_gateway_routes.iter().any(|route| {
        route.spec.parent_refs.iter().any(|ParentRef { name, namespace, .. }| {
            let namespace = namespace.as_deref().unwrap_or(&route.meta.namespace);
            *name == *gateway.meta.name && *namespace == *gateway.meta.namespace
        })
    })
}

fn config<'a>(set: &'a ResourceSet, gateway: &Object<Gateway>) -> Option<&'a Object<GatewayConfig>> {
    let name = gateway.meta.annotations.get(GATEWAY_CONFIG)?;
    let named = |config: &&Object<GatewayConfig>| {
        *config.meta.name == **name && config.meta.namespace == gateway.meta.namespace
    };
    set.gateway_configs.iter().find(named)
}

fn own_proxy(gateway: &Object<Gateway>) -> Option<(String, String)> {
    let reference = gateway.spec.infrastructure.as_ref()?.parameters_ref.as_ref()?;
    (reference.kind == "EnvoyProxy").then(|| (gateway.meta.namespace.to_string(), reference.name.clone()))
}

fn proxy_of_class(set: &ResourceSet, gateway: &Object<Gateway>) -> Option<(String, String)> {
    let named = |class: &&Object<_>| *class.meta.name == *gateway.spec.gateway_class_name;
    let reference = set.gateway_classes.iter().find(named)?.spec.parameters_ref.as_ref()?;
    let namespace = reference.namespace.clone()?;
    (reference.kind == "EnvoyProxy").then(|| (namespace, reference.name.clone()))
}

/// Puts the processor into an EnvoyProxy. Doing it twice is doing it once.
fn add(object: &mut Json, processor: &Processor<'_>, config: Option<&Object<GatewayConfig>>) {
    let settings = config.and_then(|config| config.spec.ext_proc.as_ref()?.kubernetes.as_ref());
    let container = container(processor, settings);
    let provider = at(object, &["spec", "provider"]);
    fields(provider).insert("type".to_owned(), json!("Kubernetes"));
    let daemon = provider.get("kubernetes").is_some_and(|it| it.get("envoyDaemonSet").is_some());
    let workload = if daemon { "envoyDaemonSet" } else { "envoyDeployment" };
    let workload = at(provider, &["kubernetes", workload]);
    if daemon {
        // Envoy Gateway has a field for these containers only in Deployments.
        let patch = at(workload, &["patch"]);
        fields(patch).insert("type".to_owned(), json!("StrategicMerge"));
        upsert(at(patch, &["value", "spec", "template", "spec"]), "initContainers", container);
    } else {
        upsert(workload, "initContainers", container);
    }
    let pod = at(workload, &["pod"]);
    upsert(pod, "volumes", json!({"name": SOCKET.0, "emptyDir": {}}));
    upsert(pod, "volumes", json!({"name": RESOURCES.0, "secret": {"secretName": processor.resources}}));
    upsert(at(workload, &["container"]), "volumeMounts", json!({"name": SOCKET.0, "mountPath": SOCKET.1}));
}

/// A native sidecar (Kubernetes 1.29 and later): it is there before Envoy and goes after it.
fn container(processor: &Processor<'_>, settings: Option<&ExtProcContainer>) -> Json {
    let mut container = Map::new();
    let mut put = |key: &str, value: Json| drop(container.insert(key.to_owned(), value));
    put("name", json!(CONTAINER));
    put("image", json!(image(processor.image, settings)));
    put("restartPolicy", json!("Always"));
    put("args", json!(["extproc"]));
    put("ports", json!([{"name": "aigw-admin", "containerPort": ADMIN}]));
    if let Some(env) = settings.and_then(|settings| settings.env.as_ref()) {
        put("env", env.clone());
    }
    if let Some(resources) = settings.and_then(|settings| settings.resources.as_ref()) {
        put("resources", resources.clone());
    }
    let given = settings.and_then(|settings| settings.security_context.clone());
    put("securityContext", given.unwrap_or_else(restricted));
    let health = json!({"path": "/health", "port": ADMIN});
    put("readinessProbe", json!({"httpGet": health}));
    // Envoy is started once the processor answers.
    put("startupProbe", json!({"httpGet": health, "periodSeconds": 1, "failureThreshold": 60}));
    let mut mounts = vec![
        json!({"name": SOCKET.0, "mountPath": SOCKET.1}),
        json!({"name": RESOURCES.0, "mountPath": RESOURCES.1, "readOnly": true}),
    ];
    let more = settings.and_then(|settings| settings.volume_mounts.as_ref()).and_then(Json::as_array);
    mounts.extend(more.into_iter().flatten().cloned());
    put("volumeMounts", json!(mounts));
    Json::Object(container)
}

/// That of the GatewayConfig; a repository alone takes the tag of ours.
fn image(ours: &str, settings: Option<&ExtProcContainer>) -> String {
    let Some(settings) = settings else { return ours.to_owned() };
    if let Some(image) = &settings.image {
        return image.clone();
    }
    let Some(repository) = &settings.image_repository else { return ours.to_owned() };
    let name = ours.rsplit('/').next().unwrap_or(ours);
    let tag = name.find(['@', ':']).and_then(|start| name.get(start..)).unwrap_or_default();
    format!("{repository}{tag}")
}

/// What the "restricted" pod security standard asks for.
fn restricted() -> Json {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// The value at a path, mappings made where there are none.
fn at<'a>(value: &'a mut Json, path: &[&str]) -> &'a mut Json {
    let mut value = value;
    for key in path {
        value = fields(value).entry(*key).or_insert_with(|| Json::Object(Map::new()));
    }
    value
}

fn fields(value: &mut Json) -> &mut Map<String, Json> {
    if !value.is_object() {
        *value = Json::Object(Map::new());
    }
    value.as_object_mut().expect("it was just made one")
}

/// Puts an item into a list of named ones, over the one of its name.
fn upsert(value: &mut Json, list: &str, item: Json) {
    let list = fields(value).entry(list).or_insert_with(|| Json::Array(Vec::new()));
    let Json::Array(items) = list else { return };
    match items.iter_mut().find(|known| known.get("name") == item.get("name")) {
        Some(known) => *known = item,
        None => items.push(item),
    }
}

// === impl Proxies ===

impl Proxies {
    fn note(
        &mut self,
        code: &'static str,
        gateway: &Object<Gateway>,
        message: String,
        help: impl Into<String>,
    ) {
        let field = "spec.infrastructure".to_owned();
        self.diagnostics.push(Diagnostic {
            severity: Severity::Warning,
            code,
            message,
            help: Some(help.into()),
            span: gateway.span_of(&field),
            object: Some(gateway.reference("Gateway")),
            field,
        });
    }
}
