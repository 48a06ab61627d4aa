"""What the template fills in where `cluster.yaml` says nothing."""

import hashlib
import importlib.util
import sys
import types

import pytest

DEFAULTS = {
    "ai_gateway_enabled": False,
    "ai_gateway_version": "v0.4.0",
    "ai_gateway_namespace": "envoy-ai-gateway-system",
    "ai_gateway_addr": "10.0.0.1",
    "ai_gateway_azure_deployments": [],
    "ai_gateway_mcp_enabled": False,
    "ai_gateway_mcp_servers": [],
    "ai_gateway_mcp_seed": hashlib.sha256(b"[]").hexdigest(),
    "ai_gateway_ratelimit_enabled": False,
    "ai_gateway_ratelimit_default_limit": 100000,
    "ai_gateway_users": [],
    "ai_gateway_jwt": {},
}


@pytest.fixture
def fill(checkout, monkeypatch):
    """The data step of the checkout's plugin."""
    for name in ("makejinja", "makejinja.plugin"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["makejinja"].plugin = sys.modules["makejinja.plugin"]
    for name in ("Plugin", "Data"):
        setattr(sys.modules["makejinja.plugin"], name, object)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("cluster_plugin", checkout.folder / "templates/scripts/plugin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda data: module.Plugin(dict(data)).data()


def ours(data):
    return {name: value for name, value in data.items() if name.startswith("ai_gateway")}


def test_every_option_has_its_default(fill):
    assert ours(fill({"cluster_gateway_addr": "10.0.0.1"})) == DEFAULTS


def test_the_address_is_empty_where_the_gateway_has_none(fill):
    assert fill({})["ai_gateway_addr"] == ""


def test_what_is_given_is_never_overwritten(fill):
    given = {
        "ai_gateway_enabled": False,
        "ai_gateway_version": "v9",
        "ai_gateway_namespace": "x",
        "ai_gateway_addr": "",
        "ai_gateway_azure_deployments": [],
        "ai_gateway_mcp_enabled": False,
        "ai_gateway_mcp_servers": [],
        "ai_gateway_mcp_seed": "sixteen-of-them-",
        "ai_gateway_ratelimit_enabled": False,
        "ai_gateway_ratelimit_default_limit": 7,
        "ai_gateway_users": [{"name": "a"}],
        "ai_gateway_jwt": {"issuer": "b"},
    }
    assert ours(fill({**given, "cluster_gateway_addr": "10.0.0.1"})) == given


def test_sessions_of_tools_are_sealed_with_what_nobody_else_has(fill):
    def seed(key):
        return fill({"ai_gateway_azure_deployments": [{"api_key": key}]})["ai_gateway_mcp_seed"]

    assert seed("a") == seed("a") != seed("b")
    assert "a" * 8 not in seed("a" * 8)


def test_the_sample_tells_of_every_option_and_its_default(checkout):
    sample = checkout.read(".taskfiles/template/resources/cluster.sample.yaml")
    section = sample[sample.index("ENVOY AI GATEWAY (Optional)") :]
    for name in DEFAULTS.keys() - {"ai_gateway_namespace"}:
        about, found, _ = section.partition(f"\n# {name}: ")
        assert found, name
        about = about.rpartition("\n# -- ")[2]
        assert "(OPTIONAL)" in about or "(REQUIRED" in about, about
        assert "(DEFAULT: " in about, about
    for words in (
        "aigateway.envoyproxy.io", '(DEFAULT: "v0.4.0")', "https://github.com/envoyproxy/ai-gateway/releases",
        "cluster_gateway_addr", "TIP:", "REQUIRED if ai_gateway_enabled", "x-ai-eg-model", "text-embedding-ada-002",
        "github__list_issues", "/mcp/readonly", "mcp.context7.io", "Redis", "(DEFAULT: 100000)", "x-user-id",
    ):
        assert words in section, words


def test_the_version_is_the_same_everywhere(checkout):
    for name in (
        ".github/tests/public.yaml", ".taskfiles/template/resources/cluster.sample.yaml", "CLAUDE.md",
        "templates/scripts/plugin.py",
    ):
        assert "v0.4.0" in checkout.read(name), name
