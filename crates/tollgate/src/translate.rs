//! `tollgate translate`: what the AI resources become for Envoy Gateway.
use std::{io, path::PathBuf, process::ExitCode};

use serde_json::json;
use tollgate_compile::{Options, compile};
use tollgate_generate::{
    Complete, Generated, Processor, Reader, Written, bundle, complete, documents, generate, proxies, sort,
};
use tollgate_resources::{Loaded, Manifest, load, manifests, prune};
use tollgate_types::{Diagnostic, Diagnostics};

use crate::{
    build::zone,
    check::Terminal,
    diagnostics::{self, Text},
    files::Files,
};

/// Codes for what Tollgate's own data plane does not do: behind Envoy Gateway it is Envoy's to do.
const OF_THE_DATA_PLANE: [&str; 3] = ["not-served", "not-served-yet", "no-effect"];
/// The kinds that go nowhere: neither into Envoy Gateway nor into the external processor.
const NOWHERE: [&str; 1] = ["MCPRoute"];

/// Print what the AI resources become for Envoy Gateway
///
/// AIGatewayRoutes become HTTPRoutes with the filters and grants that they need; objects that Envoy Gateway
/// reads itself are printed beside them as they are written. Problems go to standard error. Exit status 1 if any
/// is an error.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  tollgate translate gateway/                                   everything that Envoy Gateway reads
  tollgate translate gateway/ --generated                       only what is not in the files already
  tollgate translate gateway/ --kinds HTTPRoute,HTTPRouteFilter
  tollgate translate gateway/ --for-files > all.yaml            for its file provider, Secrets included
  tollgate translate gateway/ --bundle default/edge > bundle.yaml  for tollgate extproc
  tollgate translate gateway/ --kinds EnvoyProxy --processor registry.example/tollgate:0.1
  tollgate translate gateway/ --generated --output json | kubectl diff -f -")]
pub(crate) struct TranslateArgs {
    /// Files or folders of YAML or JSON; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How objects are written: YAML documents, or a List in JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
    /// Only objects of these kinds, for example HTTPRoute,Backend
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) kinds: Vec<String>,
    /// Only objects that are made, not those that are in the files already
    #[arg(long)]
    pub(crate) generated: bool,
    /// For Envoy Gateway's file provider: Secrets too, but for the credentials of providers, which Envoy never sees;
    /// names in place of label selectors, which it does not understand; and no fields at which it would end
    #[arg(long)]
    pub(crate) for_files: bool,
    /// Put the external processor into the EnvoyProxies, as a sidecar with this image
    #[arg(long, value_name = "IMAGE")]
    pub(crate) processor: Option<String>,
    /// Print what the external processor of this Gateway serves from, and nothing else: its routes and what they come
    /// to, credentials included
    #[arg(long, value_name = "NAMESPACE/GATEWAY", conflicts_with_all = ["generated", "for_files", "processor"])]
    pub(crate) bundle: Option<String>,
    /// The Secret with the resources that the processor serves, in the namespace of Envoy's pods
    #[arg(long, value_name = "SECRET", default_value = "tollgate-resources", requires = "processor")]
    pub(crate) processor_resources: String,
}

/// How objects are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One document each
    #[default]
    Yaml,
    /// A List
    Json,
}

/// Runs the command.
///
/// # Errors
/// Where standard output cannot be written.
pub(crate) fn run(args: &TranslateArgs, terminal: &mut Terminal<'_>) -> io::Result<ExitCode> {
    let Files { texts, mut notes } = Files::read(&args.paths, terminal.stdin);
    let sources = crate::files::sources(&texts);
    let mut loaded = load(&sources, terminal.env);
    notes.0.append(&mut loaded.notes.0);
    let options = Options { refused: loaded.refused.clone(), zone: zone(terminal.env), ..Options::default() };
    notes.0.extend(compile(&loaded.set, &options).notes.0);
    notes.0.retain(concerns_envoy);
    let mut generated = generate(&loaded.set);
    notes.0.append(&mut generated.diagnostics.0);
    let mut manifests = manifests(&sources, terminal.env);
    if args.for_files {
        prune(&mut manifests, &notes);
    }
    let written = Written { set: &loaded.set, manifests: &manifests, refused: &loaded.refused };
    let mut objects = match &args.bundle {
        Some(gateway) => {
            let (namespace, name) = gateway.split_once('/').unwrap_or(("default", gateway));
            if !has_gateway(&loaded, namespace, name) {
                return no_gateway(&loaded, namespace, name, terminal);
            }
            bundle(written, namespace, name)
        }
        None => objects(args, written, &generated, &mut notes),
    };
    if let Some(image) = &args.processor {
        let proxies = proxies(written, &Processor { image, resources: &args.processor_resources });
        notes.0.extend(proxies.diagnostics.0);
        objects.retain(|object| !proxies.objects.iter().any(|proxy| proxy.reference() == object.reference()));
        objects.extend(proxies.objects);
        sort(&mut objects);
    }
    objects.retain(|object| {
        args.kinds.is_empty() || args.kinds.iter().any(|kind| kind.eq_ignore_ascii_case(&object.kind))
    });
    diagnostics::sort(&mut notes, &texts);
    Text::new(&texts, terminal.colour).write(&notes, terminal.stderr)?;
    write(args.output, &objects, terminal)?;
    say_what_is_missing(args, &loaded, &notes, terminal)?;
    Ok(if notes.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn objects(
    args: &TranslateArgs,
    written: Written<'_>,
    generated: &Generated,
    notes: &mut Diagnostics,
) -> Vec<Manifest> {
    let reader = if args.for_files { Reader::Files } else { Reader::Cluster };
    let Complete { mut objects, diagnostics } = complete(written, generated, reader);
    notes.0.extend(diagnostics.0);
    if args.generated {
        objects.retain(|object| generated.objects.iter().any(|made| made.reference() == object.reference()));
    }
    objects
}

fn has_gateway(loaded: &Loaded, namespace: &str, name: &str) -> bool {
    loaded.set.gateways.iter().any(|it| *it.meta.namespace == *namespace && *it.meta.name == *name)
}

fn no_gateway(
    loaded: &Loaded,
    namespace: &str,
    name: &str,
    terminal: &mut Terminal<'_>,
) -> io::Result<ExitCode> {
    let known = loaded.set.gateways.iter().map(|it| format!("{}/{}", it.meta.namespace, it.meta.name));
    let known: Vec<_> = known.collect();
    let known = if known.is_empty() { "none at all".to_owned() } else { known.join(", ") };
    writeln!(terminal.stderr, "error: there is no Gateway {namespace}/{name}; there is {known}")?;
    Ok(ExitCode::FAILURE)
}

fn write(format: Format, objects: &[Manifest], terminal: &mut Terminal<'_>) -> io::Result<()> {
    match format {
        Format::Yaml => write!(terminal.stdout, "{}", documents(objects)),
        Format::Json => {
            let items: Vec<_> = objects.iter().map(|object| &object.body).collect();
            let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
            serde_json::to_writer_pretty(&mut *terminal.stdout, &list)?;
            writeln!(terminal.stdout)
        }
    }
}

/// Why there is less than somebody may look for.
fn say_what_is_missing(
    args: &TranslateArgs,
    loaded: &Loaded,
    notes: &Diagnostics,
    terminal: &mut Terminal<'_>,
) -> io::Result<()> {
    if loaded.set.ai_gateway_routes.is_empty() && !notes.has_errors() {
        writeln!(terminal.stderr, "there is no AIGatewayRoute: nothing is generated")?;
    }
    let secrets = loaded.set.secrets.len();
    let all = !args.for_files && !args.generated && args.kinds.is_empty() && args.bundle.is_none();
    if all && secrets > 0 {
        writeln!(terminal.stderr, "Secrets are left out; --for-files prints those that Envoy Gateway needs")?;
    }
    Ok(())
}

/// True for notes that matter behind Envoy Gateway.
pub(crate) fn concerns_envoy(note: &Diagnostic) -> bool {
    let nowhere = note.object.as_ref().is_some_and(|object| NOWHERE.contains(&&*object.kind));
    !OF_THE_DATA_PLANE.contains(&note.code) || nowhere
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Colour;

    struct Ran {
        out: String,
        err: String,
        passed: bool,
    }

    fn translate(text: &str, change: impl FnOnce(&mut TranslateArgs)) -> Ran {
        let mut args = TranslateArgs {
            paths: vec!["-".into()],
            output: Format::Yaml,
            kinds: Vec::new(),
            generated: false,
            for_files: false,
            processor: None,
            bundle: None,
            processor_resources: "tollgate-resources".to_owned(),
        };
        change(&mut args);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            stdin: &mut text.as_bytes(),
            stdout: &mut out,
            stderr: &mut err,
            env: &|_| None,
            colour: Colour::Never,
        };
        let passed = run(&args, &mut terminal).unwrap() == ExitCode::SUCCESS;
        Ran { out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap(), passed }
    }

    const RESOURCES: &str = include_str!("../../../examples/openai/gateway.yaml");

    fn kinds(out: &str) -> Vec<&str> {
        out.lines().filter_map(|line| line.strip_prefix("kind: ")).collect()
    }

    #[test]
    fn everything_that_envoy_gateway_reads_is_printed_and_no_secret() {
        let Ran { out, err, passed } = translate(RESOURCES, |_| {});
        assert!(passed, "{err}");
        let want = [
            "GatewayClass",
            "Gateway",
            "Backend",
            "BackendTLSPolicy",
            "HTTPRouteFilter",
            "HTTPRouteFilter",
            "HTTPRoute",
        ];
        assert_eq!(kinds(&out), want);
        assert_eq!(err, "Secrets are left out; --for-files prints those that Envoy Gateway needs\n");
    }

    #[test]
    fn credentials_of_providers_are_never_printed() {
        let Ran { out, .. } = translate(RESOURCES, |args| args.for_files = true);
        assert!(!kinds(&out).contains(&"Secret"));
    }

    #[test]
    fn kinds_can_be_chosen_and_what_is_in_the_files_left_out() {
        let only = translate(RESOURCES, |args| args.kinds = vec!["httproute".to_owned()]);
        assert_eq!(kinds(&only.out), ["HTTPRoute"]);
        let made = translate(RESOURCES, |args| args.generated = true);
        assert_eq!(kinds(&made.out), ["HTTPRouteFilter", "HTTPRouteFilter", "HTTPRoute"]);
    }

    #[test]
    fn the_processor_goes_into_an_envoy_proxy() {
        let ran =
            translate(RESOURCES, |args| args.processor = Some("registry.example/tollgate:1".to_owned()));
        assert!(kinds(&ran.out).contains(&"EnvoyProxy"), "{}", ran.out);
        assert!(ran.err.contains("gateway-without-processor") && ran.passed, "{}", ran.err);
    }

    #[test]
    fn the_bundle_of_a_gateway_has_its_credentials_and_nothing_that_is_generated() {
        let ran = translate(RESOURCES, |args| args.bundle = Some("default/tollgate".to_owned()));
        let want = [
            "GatewayClass",
            "Gateway",
            "Secret",
            "Backend",
            "BackendTLSPolicy",
            "AIGatewayRoute",
            "AIServiceBackend",
            "BackendSecurityPolicy",
        ];
        assert_eq!(kinds(&ran.out), want);
        assert_eq!(ran.err, "");
        let other = translate(RESOURCES, |args| args.bundle = Some("other".to_owned()));
        assert!(!other.passed && other.out.is_empty());
        assert_eq!(other.err, "error: there is no Gateway default/other; there is default/tollgate\n");
    }

    #[test]
    fn programs_get_a_list() {
        let Ran { out, .. } = translate(RESOURCES, |args| args.output = Format::Json);
        let list: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(list["kind"], "List");
        assert_eq!(list["items"][0]["kind"], "GatewayClass");
    }

    #[test]
    fn problems_are_shown_beside_and_fail() {
        let text =
            RESOURCES.replace("backendRefs:\n        - name: openai", "backendRefs:\n        - name: opnai");
        let Ran { out, err, passed } = translate(&text, |_| {});
        assert!(!passed && err.contains("backend-not-found"), "{err}");
        assert!(out.contains("name: ai-eg-unresolved-opnai"), "{out}");
        let broken = translate("apiVersion: v1\nkind: Gatewy\nmetadata: {name: a}\n", |_| {});
        assert!(!broken.passed && broken.err.contains("unknown-kind"), "{}", broken.err);
    }
}
