"""Does the validator know what is wrong, and are this repository's definitions and examples what they should be?"""

import pathlib
import re

import pytest

import definitions
import tools as programs

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").iterdir())


def route(version="v1beta1", **spec):
    rule = {"backendRefs": [{"name": "openai"}], **spec}
    return {
        "apiVersion": f"aigateway.envoyproxy.io/{version}",
        "kind": "AIGatewayRoute",
        "metadata": {"name": "chat"},
        "spec": {"rules": [rule]},
    }


def about(validator, one):
    return " ".join(validator.errors(one))


def test_a_right_object_is_right(crd_validator):
    for release in definitions.RELEASES:
        assert crd_validator(release).errors(route("v1alpha1")) == [], release


def test_an_unknown_field_is_an_error(crd_validator):
    assert "'weights' was unexpected" in about(crd_validator("eg-1.8"), route(weights=[1]))


def test_a_wrong_type_is_an_error(crd_validator):
    assert "spec.rules.0.modelsOwnedBy: 3 is not of type 'string'" in about(
        crd_validator("eg-1.8"), route(modelsOwnedBy=3)
    )


def test_a_field_is_unknown_before_it_came(crd_validator):
    limited = route(streamIdleTimeout="1m")
    assert "'streamIdleTimeout' was unexpected" in about(crd_validator("eg-1.8"), limited)
    assert crd_validator("eg-1.9").errors(limited) == []


def test_a_version_is_unknown_before_it_came(crd_validator):
    assert "eg-1.6 has no AIGatewayRoute in aigateway.envoyproxy.io/v1beta1" in about(crd_validator("eg-1.6"), route())


def test_a_kind_is_unknown_before_it_came(crd_validator):
    made = {
        "apiVersion": "aigateway.envoyproxy.io/v1alpha1",
        "kind": "GatewayConfig",
        "metadata": {"name": "a"},
        "spec": {},
    }
    assert "eg-1.5 has no GatewayConfig" in about(crd_validator("eg-1.5"), made)
    assert crd_validator("eg-1.6").errors(made) == []


def test_kinds_of_kubernetes_are_known(crd_validator):
    made = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a"},
        "spec": {"ports": [{"port": 80, "targetPort": "http"}]},
    }
    assert crd_validator("eg-1.8").errors(made) == []
    made["spec"]["ports"][0]["portt"] = 1
    assert "'portt' was unexpected" in about(crd_validator("eg-1.8"), made)


def test_rules_in_cel_hold(crd_validator, tools):
    """X1: a schema alone does not see it."""
    assert tools.kubectl_validate
    foreign = route(backendRefs=[{"name": "a", "group": "example.com", "kind": "Pool"}])
    assert "only InferencePool from inference.networking.k8s.io group is supported" in about(
        crd_validator("eg-1.8"), foreign
    )


def test_an_api_server_takes_our_definitions(tools):
    said = tools.kubectl_validate(
        "--version", definitions.KUBERNETES_VERSION, definitions.OURS, env={"KUBECONFIG": "/none"}
    )
    assert said.count("OK") == len(list(definitions.OURS.glob("*.yaml")))


def properties(schema, before=""):
    """Every field below a schema, and where anything goes."""
    found, free = set(), set()
    if (
        schema.get("x-kubernetes-preserve-unknown-fields")
        or isinstance(schema.get("items"), dict)
        and schema["items"].get("x-kubernetes-preserve-unknown-fields")
    ):
        free.add(before)
    for name, one in (schema.get("properties") or {}).items():
        below, free_below = properties(one, f"{before}.{name}")
        found |= {f"{before}.{name}"} | below
        free |= free_below
    if isinstance(schema.get("items"), dict):
        below, free_below = properties(schema["items"], f"{before}[]")
        found, free = found | below, free | free_below
    return found, free


def test_our_definitions_know_every_field_of_the_release():
    module = programs.go_module(definitions.AI_GATEWAY, definitions.AI_GATEWAY_MODULE)
    if module is None:
        pytest.skip("the definitions of Envoy AI Gateway are a Go module, which cannot be had here")
    ours = {one["metadata"]["name"]: one for one in definitions.definitions_in(definitions.OURS)}
    missing = []
    for theirs in definitions.definitions_in(module / "manifests" / "charts" / "ai-gateway-crds-helm"):
        name = theirs["metadata"]["name"]
        for version in theirs["spec"]["versions"] if name in ours else []:
            own = next(one for one in ours[name]["spec"]["versions"] if one["name"] == version["name"])
            wanted, _ = properties(definitions.schema_of(version)["properties"]["spec"])
            have, free = properties(definitions.schema_of(own)["properties"]["spec"])
            missing += [
                f"{name} {version['name']}{field}"
                for field in sorted(wanted - have)
                if not any(field.startswith(place) for place in free)
            ]
    assert missing == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_what_a_cluster_takes(name, crd_validator):
    """With what their variables say by default."""
    text = "\n---\n".join(path.read_text() for path in sorted((ROOT / "examples" / name).glob("*.yaml")))
    text = re.sub(r'"?\$\{\w+:=([^}]*)\}"?', lambda match: match[1], text)
    assert crd_validator("eg-1.9").errors(re.sub(r"\$\{\w+\}", "example", text)) == []
