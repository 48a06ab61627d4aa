"""What `cluster.yaml` may say: the template's own check, `cue vet`, with a good and a bad value for each line."""

import pytest
import yaml

from cluster_checkout import RESOURCES, changed

LONG = "a" * 41


@pytest.fixture
def config(checkout):
    return checkout.fixture("public")


@pytest.mark.parametrize("name", ["public", "private"])
def test_the_fixtures_pass(checkout, tools, name):
    status, said = checkout.vet(tools, checkout.read(f".github/tests/{name}.yaml"))
    assert status == 0, said


def test_the_sample_passes_and_turns_nothing_on(checkout, bare, tools):
    sample = checkout.read(f"{RESOURCES}/cluster.sample.yaml")
    status, said = checkout.vet(tools, sample)
    assert status == 0, said
    assert yaml.safe_load(sample) == yaml.safe_load(bare.read(f"{RESOURCES}/cluster.sample.yaml"))


def test_the_samples_examples_pass(checkout, tools, config):
    lines = checkout.read(f"{RESOURCES}/cluster.sample.yaml").splitlines()
    examples = "\n".join(line[5:] for line in lines if line.startswith(("#    ai_gateway", "#      ")))
    found = yaml.safe_load(examples)
    assert set(found) == {"ai_gateway_azure_deployments", "ai_gateway_users", "ai_gateway_jwt", "ai_gateway_mcp_servers"}
    for name in ("ai_gateway_users", "ai_gateway_jwt"):
        example = {**config, **found}
        del example[name]
        status, said = checkout.vet(tools, example)
        assert status == 0, said


GOOD = [
    ("ai_gateway_enabled", False),
    ("ai_gateway_version", "9f8e7d6"),
    ("ai_gateway_addr", "192.168.7.7"),
    ("ai_gateway_addr", None),
    ("ai_gateway_azure_deployments.0.name", "a"),
    ("ai_gateway_azure_deployments.0.host", "x.cognitiveservices.azure.com"),
    ("ai_gateway_azure_deployments.0.host", "x.openai.azure.us"),
    ("ai_gateway_azure_deployments.0.models", ["Org/model:2024_07.v1"]),
    ("ai_gateway_mcp_enabled", False),
    ("ai_gateway_mcp_servers.0.path", None),
    ("ai_gateway_mcp_servers.0.api_key", None),
    ("ai_gateway_mcp_servers.0.tool_filter", None),
    ("ai_gateway_mcp_servers.0.tool_filter", ["x"] * 32),
    ("ai_gateway_mcp_servers.0.tool_filter", ["*"[1:], "a: b", "[x]", "x #y", r"^\w+$"]),
    ("ai_gateway_mcp_seed", "0123456789abcdef"),
    ("ai_gateway_ratelimit_enabled", False),
    ("ai_gateway_ratelimit_default_limit", 1),
    ("ai_gateway_ratelimit_default_limit", None),
]


@pytest.mark.parametrize(("path", "value"), GOOD)
def test_what_is_right_passes(checkout, tools, config, path, value):
    status, said = checkout.vet(tools, changed(config, path, value))
    assert status == 0, said


BAD = [
    ("ai_gateway_enabled", "true", "ai_gateway_enabled"),
    ("ai_gateway_version", "", "ai_gateway_version"),
    ("ai_gateway_addr", "10.10.10", "ai_gateway_addr"),
    ("ai_gateway_addr", "", "ai_gateway_addr"),
    ("ai_gateway_addr", "10.10.10.254", "ai_gateway_addr"),
    ("ai_gateway_addr", "10.10.10.252", "ai_gateway_addr"),
    ("ai_gateway_addr", "10.10.10.253", "ai_gateway_addr"),
    ("ai_gateway_addr", "10.10.10.251", "ai_gateway_addr"),
    ("ai_gateway_azure_deployments", None, "ai_gateway_azure_deployments"),
    ("ai_gateway_azure_deployments", [], "ai_gateway_azure_deployments"),
    ("ai_gateway_azure_deployments.0.weight", 1, "ai_gateway_azure_deployments.0.weight"),
    ("ai_gateway_azure_deployments.0.api_key", None, "ai_gateway_azure_deployments.0.api_key"),
    ("ai_gateway_azure_deployments.0.api_key", "", "ai_gateway_azure_deployments.0.api_key"),
    ("ai_gateway_azure_deployments.0.name", "Bad_Name", "ai_gateway_azure_deployments.0.name"),
    ("ai_gateway_azure_deployments.0.name", "-x-", "ai_gateway_azure_deployments.0.name"),
    ("ai_gateway_azure_deployments.0.name", LONG, "ai_gateway_azure_deployments.0.name"),
    ("ai_gateway_azure_deployments.0.name", "test-secondary", "_ai_gateway_deployment_named_twice"),
    ("ai_gateway_azure_deployments.0.host", "a.example.com", "ai_gateway_azure_deployments.0.host"),
    ("ai_gateway_azure_deployments.0.host", "https://a.openai.azure.com", "ai_gateway_azure_deployments.0.host"),
    ("ai_gateway_azure_deployments.0.host", "a.openai.azure.com/openai", "ai_gateway_azure_deployments.0.host"),
    ("ai_gateway_azure_deployments.0.host", "openai.azure.com", "ai_gateway_azure_deployments.0.host"),
    ("ai_gateway_azure_deployments.0.host", "aXopenai.azure.com", "ai_gateway_azure_deployments.0.host"),
    ("ai_gateway_azure_deployments.0.models", [], "ai_gateway_azure_deployments.0.models"),
    ("ai_gateway_azure_deployments.0.models", [""], "ai_gateway_azure_deployments.0.models"),
    ("ai_gateway_azure_deployments.0.models", [4], "ai_gateway_azure_deployments.0.models"),
    ("ai_gateway_azure_deployments.0.models", ["gpt-35-turbo"], '_ai_gateway_model_in_two_places."gpt-35-turbo"'),
    ("ai_gateway_azure_deployments.0.models", ["gpt-4", "gpt-4"], '_ai_gateway_model_in_two_places."gpt-4"'),
    ("ai_gateway_azure_deployments.0.models", [f"m{n}" for n in range(240)], "_ai_gateway_at_most_240_models"),
    ("ai_gateway_mcp_enabled", "yes", "ai_gateway_mcp_enabled"),
    ("ai_gateway_mcp_servers", None, "ai_gateway_mcp_servers"),
    ("ai_gateway_mcp_servers", [], "ai_gateway_mcp_servers"),
    ("ai_gateway_mcp_servers.0.name", "Bad_Name", "ai_gateway_mcp_servers.0.name"),
    ("ai_gateway_mcp_servers.0.name", "azure-x", "ai_gateway_mcp_servers.0.name"),
    ("ai_gateway_mcp_servers.0.name", "ai-gateway", "ai_gateway_mcp_servers.0.name"),
    ("ai_gateway_mcp_servers.0.host", "no host", "ai_gateway_mcp_servers.0.host"),
    ("ai_gateway_mcp_servers.0.path", "mcp", "ai_gateway_mcp_servers.0.path"),
    ("ai_gateway_mcp_servers.0.path", 4, "ai_gateway_mcp_servers.0.path"),
    ("ai_gateway_mcp_servers.0.api_key", "", "ai_gateway_mcp_servers.0.api_key"),
    ("ai_gateway_mcp_servers.0.tool_filter", ".*", "ai_gateway_mcp_servers.0.tool_filter"),
    ("ai_gateway_mcp_servers.0.tool_filter", ["(unclosed"], "ai_gateway_mcp_servers.0.tool_filter"),
    ("ai_gateway_mcp_servers.0.tool_filter", ["(?=ahead)"], "ai_gateway_mcp_servers.0.tool_filter"),
    ("ai_gateway_mcp_servers.0.tool_filter", ["x"] * 33, "ai_gateway_mcp_servers.0.tool_filter"),
    ("ai_gateway_mcp_seed", "short", "ai_gateway_mcp_seed"),
    ("ai_gateway_mcp_seed", "with, a comma in it", "ai_gateway_mcp_seed"),
    ("ai_gateway_ratelimit_enabled", "on", "ai_gateway_ratelimit_enabled"),
    ("ai_gateway_ratelimit_default_limit", 0, "ai_gateway_ratelimit_default_limit"),
    ("ai_gateway_ratelimit_default_limit", "5", "ai_gateway_ratelimit_default_limit"),
    ("ai_gateway_ratelimit_default_limit", 1.5, "ai_gateway_ratelimit_default_limit"),
    ("ai_gateway_users", None, "_ai_gateway_limits_need_users_or_jwt"),
    ("ai_gateway_users", [], "ai_gateway_users"),
    ("ai_gateway_users.0.name", "test-bob", "_ai_gateway_user_named_twice"),
    ("ai_gateway_users.0.api_key", "short", "ai_gateway_users.0.api_key"),
    ("ai_gateway_jwt", {"issuer": "a", "jwks_uri": "https://a/keys"}, "_ai_gateway_users_or_jwt_but_not_both"),
    ("ai_gateway_jwt", {"issuer": "a", "jwks_uri": "a/keys"}, "ai_gateway_jwt.jwks_uri"),
    # A key that is not in the schema: the namespace is the folder's name, and no option.
    ("ai_gateway_namespace", "elsewhere", "ai_gateway_namespace"),
    ("ai_gateway_ratelimit_limit", 5, "ai_gateway_ratelimit_limit"),
]


@pytest.mark.parametrize(("path", "value", "says"), BAD)
def test_what_is_wrong_is_refused_and_named(checkout, tools, config, path, value, says):
    status, said = checkout.vet(tools, changed(config, path, value))
    assert status, f"{path}: {value!r} passed"
    assert says in said, said


def test_a_key_given_twice_is_refused_without_being_printed(checkout, tools, config):
    status, said = checkout.vet(tools, changed(config, "ai_gateway_users.0.api_key", "fake-key-of-bob-too"))
    assert status and "_ai_gateway_no_key_given_twice" in said, said
    assert "fake-key-of-bob-too" not in said


def test_hosts_of_ones_own_are_let_in_by_their_ending(checkout, tools, config):
    config = changed(config, "ai_gateway_azure_deployments.0.host", "azure.proxy.example.com")
    assert checkout.vet(tools, config)[0]
    config["ai_gateway_azure_host_suffixes"] = ["proxy.example.com"]
    status, said = checkout.vet(tools, config)
    assert status == 0, said


def test_a_server_named_twice_is_refused(checkout, tools, config):
    config["ai_gateway_mcp_servers"].append({"name": "test-github", "host": "b.example.com"})
    status, said = checkout.vet(tools, config)
    assert status and "_ai_gateway_mcp_server_named_twice" in said, said


def test_without_the_keys_nothing_is_asked_for(checkout, tools, config):
    config = {name: value for name, value in config.items() if not name.startswith("ai_gateway")}
    status, said = checkout.vet(tools, config)
    assert status == 0, said
