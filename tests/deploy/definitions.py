"""Objects held against the real definitions of their kinds: unknown fields, wrong types and broken rules are errors.

The definitions come out of the Go modules of their projects (tools.json), so no copy of them is kept here. There are two
ways, and an object has to pass both: JSON schemas made from the definitions with every unknown field an error, and
`kubectl-validate`, which is the API server's own code and knows the rules in CEL.
"""

import copy
import functools
import hashlib
import json
import pathlib
import re
import tempfile

import jsonschema
import pytest
import yaml

import tools

ENVOY_GATEWAY = "github.com/envoyproxy/gateway"
AI_GATEWAY = "github.com/envoyproxy/ai-gateway"
INFERENCE = ("sigs.k8s.io/gateway-api-inference-extension", "v1.0.2")
KUBERNETES = ("sigs.k8s.io/kubectl-validate", tools.PINS["modules"]["sigs.k8s.io/kubectl-validate"][0])

# Envoy Gateway's release brings the Gateway API that it was built for. Of Envoy AI Gateway only one release is to be had as a
# Go module: what came later is taken out for older releases, by a table, and for the newer one taken from this repository's
# own definitions.
RELEASES = {
    "eg-1.5": {"envoy_gateway": "v1.5.0", "ai_gateway": "v0.4"},
    "eg-1.6": {"envoy_gateway": "v1.6.0", "ai_gateway": "v0.5"},
    "eg-1.7": {"envoy_gateway": "v1.7.0", "ai_gateway": "v0.6"},
    "eg-1.8": {"envoy_gateway": "v1.8.1", "ai_gateway": "v1.0"},
    "eg-1.9": {"envoy_gateway": "v1.9.1", "ai_gateway": "v1.1"},
}
AI_GATEWAY_MODULE = "v1.0.0"
MODULE_IS = "v1.0"
AI_GATEWAY_ORDER = ["v0.4", "v0.5", "v0.6", "v0.7", "v1.0", "v1.1"]
# The release that brought a kind, a version of the group, or a field (`[]` steps into the items of a list).
AI_GATEWAY_SINCE = json.loads((pathlib.Path(__file__).parent / "ai_gateway_since.json").read_text())
OURS = pathlib.Path(__file__).parents[2] / "deploy" / "crds"
KUBERNETES_VERSION = "1.32"


def documents(source):
    """Objects out of YAML text, a file, a folder, or objects."""
    if isinstance(source, pathlib.Path):
        paths = sorted(source.rglob("*.y*ml")) if source.is_dir() else [source]
        return [one for path in paths for one in documents(path.read_text())]
    if isinstance(source, str):
        source = yaml.safe_load_all(source)
    elif isinstance(source, dict):
        source = [source]
    found = []
    for one in source:
        found += one.get("items", []) if one and one.get("kind") == "List" else [one] if one else []
    return found


def describe(one):
    metadata = one.get("metadata") or {}
    place = f"{metadata.get('namespace')}/" if metadata.get("namespace") else ""
    return f"{one.get('kind')} {place}{metadata.get('name')}"


class Validator:
    """The kinds of one release of Envoy Gateway, with what was released beside it."""

    def __init__(self, release, definitions):
        self.release = release
        self.definitions = definitions
        self.schemas = {}
        for one in definitions:
            spec = one["spec"]
            for version in spec["versions"]:
                if version.get("served") and "schema" in version:
                    key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                    self.schemas[key] = strict_object(schema_of(version))

    def errors(self, source):
        """What is wrong with these objects, a line each; nothing is right."""
        objects = documents(source)
        found = [line for one in objects for line in self._unknown_or_wrong(one)]
        return found + self._by_the_api_server(objects)

    def _unknown_or_wrong(self, one):
        schema = self.schemas.get((one.get("apiVersion"), one.get("kind"))) or native(
            one.get("apiVersion", ""), one.get("kind")
        )
        if schema is None:
            return [f"{describe(one)}: {self.release} has no {one.get('kind')} in {one.get('apiVersion')}"]
        return [
            f"{describe(one)}: {'.'.join(map(str, error.absolute_path)) or 'object'}: {error.message[:300]}"
            for error in jsonschema.Draft202012Validator(schema).iter_errors(one)
        ]

    def _by_the_api_server(self, objects):
        program = tools.find("kubectl-validate")
        if program is None or not objects:
            return []
        with tempfile.TemporaryDirectory() as folder:
            # A file each, since the report names files and not objects.
            paths = {f"{folder}/{number}.yaml": one for number, one in enumerate(objects)}
            for path, one in paths.items():
                pathlib.Path(path).write_text(json.dumps(one))
            _, said, complained = program.run(
                "--local-crds", self._folder(), "--version", KUBERNETES_VERSION, "--output", "json", folder,
                # No cluster is asked, also where this machine has one.
                env={"KUBECONFIG": f"{folder}/none"},
            )
        assert said, complained
        report = json.loads(said)
        assert report.keys() == paths.keys(), report
        return [
            f"{describe(paths[path])}: {status['message'][:1000]}"
            for path, statuses in report.items()
            for status in statuses
            if status["status"] != "Success"
        ]

    @functools.cache
    def _folder(self):
        """The definitions as files, a definition each; JSON is YAML, and quicker."""
        texts = [json.dumps(one) for one in self.definitions]
        name = hashlib.sha256("".join(texts).encode()).hexdigest()[:16]
        folder = tools.CACHE / "definitions" / name
        if not folder.is_dir():
            making = folder.with_suffix(".making")
            making.mkdir(parents=True, exist_ok=True)
            for one, text in zip(self.definitions, texts):
                (making / f"{one['metadata']['name']}.yaml").write_text(text)
            if not folder.is_dir():
                making.rename(folder)
        return folder


@functools.cache
def validator(release):
    """The validator of a release out of RELEASES; where its modules cannot be had the test is skipped."""
    wanted = RELEASES[release]
    gateway = tools.go_module(ENVOY_GATEWAY, wanted["envoy_gateway"])
    ai_gateway = tools.go_module(AI_GATEWAY, AI_GATEWAY_MODULE)
    inference = tools.go_module(*INFERENCE)
    if gateway is None or ai_gateway is None or inference is None:
        pytest.skip(f"the definitions of {release} are Go modules, which cannot be had here")
    found = definitions_in(gateway / "charts" / "gateway-helm")
    assert found, f"no definitions in {gateway}"
    found += definitions_in(inference / "config" / "crd" / "bases")
    beside = definitions_in(ai_gateway / "manifests" / "charts" / "ai-gateway-crds-helm")
    assert beside, f"no definitions in {ai_gateway}"
    ours = {one["spec"]["names"]["kind"]: one for one in definitions_in(OURS)}
    for one in beside:
        newest = with_later(one, ours.get(one["spec"]["names"]["kind"]))
        found += [older for older in [as_of(newest, wanted["ai_gateway"])] if older]
    return Validator(release, found)


def definitions_in(folder):
    """Every CustomResourceDefinition below a folder; where a name is there twice, the first."""
    found = {}
    for path in sorted(folder.rglob("*.yaml")):
        text = path.read_text()
        if "kind: CustomResourceDefinition" not in text:
            continue
        # Charts wrap some of them into conditions, which are lines of their own.
        text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("{{"))
        for one in yaml.load_all(text, Loader=yaml.CSafeLoader):
            if one and one.get("kind") == "CustomResourceDefinition":
                found.setdefault(one["metadata"]["name"], one)
    return list(found.values())


def fields(kind):
    """The fields of a kind that a release brought: path and release."""
    return [(name.split(".")[1:], came) for name, came in AI_GATEWAY_SINCE.items() if name.startswith(f"{kind}.")]


def with_later(definition, ours):
    """A definition with the fields that came after its module, out of ours; one that is not ours stays as it is."""
    definition = copy.deepcopy(definition)
    kind = definition["spec"]["names"]["kind"]
    later = [path for path, came in fields(kind) if AI_GATEWAY_ORDER.index(came) > AI_GATEWAY_ORDER.index(MODULE_IS)]
    for one in definition["spec"]["versions"] if ours and later else []:
        source = next(schema_of(version) for version in ours["spec"]["versions"] if version["name"] == one["name"])
        spec = schema_of(one)["properties"]["spec"]
        if "maxProperties" in spec:
            spec["maxProperties"] = source["properties"]["spec"].get("maxProperties", spec["maxProperties"])
        for path in later:
            within = parent(source, path)
            if path[-1] in within:
                parent(schema_of(one), path)[path[-1]] = copy.deepcopy(within[path[-1]])
    return definition


def as_of(definition, release):
    """A definition without what came after that release; None where all of it did."""
    definition = copy.deepcopy(definition)
    kind = definition["spec"]["names"]["kind"]
    later = AI_GATEWAY_ORDER[AI_GATEWAY_ORDER.index(release) + 1 :]
    kept = [one for one in definition["spec"]["versions"] if AI_GATEWAY_SINCE.get(one["name"]) not in later]
    if AI_GATEWAY_SINCE.get(kind) in later or not kept:
        return None
    definition["spec"]["versions"] = kept
    for one in kept:
        one["storage"] = one is kept[0]
        for path, came in fields(kind):
            if came in later:
                remove(schema_of(one), path)
    return definition


def remove(schema, path):
    """Takes one field out of a schema, with the rules about it: one that names what is not there cannot be read."""
    for place in along(schema, path):
        if rules := place.get("x-kubernetes-validations"):
            kept = [one for one in rules if not re.search(rf"\b{path[-1]}\b", one["rule"])]
            place["x-kubernetes-validations"] = kept
    place.get("properties", {}).pop(path[-1], None)


def schema_of(version):
    return version["schema"]["openAPIV3Schema"]


def along(schema, path):
    """The schemas on the way to a field, the last being the one that has it; `[]` steps into the items of a list."""
    yield schema
    for name in path[:-1]:
        name, _, items = name.partition("[")
        schema = schema.get("properties", {}).get(name, {})
        yield schema
        if items:
            schema = schema.get("items", {})
            yield schema


def parent(schema, path):
    """The fields among which the last name of a path is."""
    return list(along(schema, path))[-1].get("properties", {})


def strict_object(schema):
    """The schema of a whole object, in which a field that it does not name is an error."""
    schema = strict(schema)
    schema["properties"] |= {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 253},
                "namespace": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
                "labels": {
                    "type": "object",
                    "additionalProperties": {"type": "string", "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$", "maxLength": 63},
                },
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
    }
    schema["required"] = sorted({*schema.get("required", []), "metadata"})
    return schema


def strict(schema):
    """JSON Schema of what Kubernetes writes, closed wherever Kubernetes would prune."""
    made = {}
    for key, value in schema.items():
        if key == "properties":
            made[key] = {name: strict(one) for name, one in value.items()}
        elif key in ("items", "additionalProperties", "not") and isinstance(value, dict):
            made[key] = strict(value)
        elif key in ("anyOf", "oneOf", "allOf"):
            # Conditions on fields that are named elsewhere: closing them would refuse everything.
            made[key] = value
        elif not key.startswith("x-") and key not in ("description", "default", "format", "nullable", "example"):
            made[key] = value
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
        made.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    if "properties" in made and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if schema.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    return bounded(made)


def bounded(schema):
    """Bounds that are not part of their range: a flag there, a number here."""
    for name, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(name), bool) and schema.pop(name):
            schema[name] = schema.pop(bound)
    return schema


@functools.cache
def native(api_version, kind):
    """The schema of one of Kubernetes' own kinds, or None."""
    folder = tools.go_module(*KUBERNETES)
    if folder is None:
        pytest.skip("Kubernetes' own definitions are in a Go module, which cannot be had here")
    place = f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"
    path = folder / "pkg/openapiclient/builtins" / KUBERNETES_VERSION / f"{place}.json"
    if not path.is_file():
        return None
    schemas = json.loads(path.read_text())["components"]["schemas"]
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "version": version, "kind": kind}
    for name, schema in schemas.items():
        if wanted in schema.get("x-kubernetes-group-version-kind", []):
            return {"$ref": f"#/$defs/{name}", "$defs": {name: closed(one) for name, one in schemas.items()}}
    return None


def closed(schema):
    """Like `strict`, for schemas that refer to each other."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/components/schemas/", "#/$defs/")}
    if len(schema.get("allOf", [])) == 1 and "$ref" in schema["allOf"][0]:
        return closed(schema["allOf"][0])
    made = {}
    for key, value in schema.items():
        if key == "properties":
            made[key] = {name: closed(one) for name, one in value.items()}
        elif key not in ("default", "description", "format") and not key.startswith("x-"):
            made[key] = closed(value)
    if "properties" in made:
        made.setdefault("additionalProperties", False)
    return bounded(made)
