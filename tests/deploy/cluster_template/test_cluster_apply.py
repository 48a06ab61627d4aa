"""What `apply` does to a checkout."""

import re

import pytest
import yaml

import cluster_checkout

TOUCHED = {
    ".github/tests/private.yaml",
    ".github/tests/public.yaml",
    ".taskfiles/template/resources/cluster.sample.yaml",
    ".taskfiles/template/resources/cluster.schema.cue",
    "CLAUDE.md",
    "README.md",
    "Taskfile.yaml",
    "templates/config/kubernetes/apps/network/envoy-gateway/app/kustomization.yaml.j2",
    "templates/scripts/plugin.py",
}
ADDED = {
    path.relative_to(cluster_checkout.OVERLAY / "overlay").as_posix()
    for path in (cluster_checkout.OVERLAY / "overlay").rglob("*")
    if path.is_file()
}


def test_it_touches_what_has_to_be_touched_and_nothing_else(bare, checkout):
    before, after = bare.files(), checkout.files()
    assert {name for name in after if after[name] != before.get(name)} == TOUCHED | ADDED
    # Bootstrap, the environment and Flux's entry stay the template's own.
    for name in (
        "bootstrap/helmfile.d/00-crds.yaml",
        "scripts/bootstrap-apps.sh",
        ".mise.toml",
        "templates/config/kubernetes/flux/cluster/ks.yaml.j2",
    ):
        assert after[name] == before[name]


def test_without_consent_it_shows_the_diff_and_writes_nothing(bare):
    before = bare.files()
    for args in ((), ("--check",)):
        status, diff, said = bare.apply(*args)
        assert status == 1, said
        assert "+++ b/templates/scripts/plugin.py" in diff
        assert '+        data.setdefault("ai_gateway_enabled", False)' in diff
        assert bare.files() == before


def test_a_second_time_changes_nothing(checkout):
    before = checkout.files()
    status, diff, said = checkout.apply("--yes")
    assert (status, diff) == (0, "") and "nothing to do" in said
    assert checkout.files() == before
    assert checkout.apply("--check")[0] == 0


def test_removed_it_leaves_the_template_as_it_was(bare, checkout):
    assert checkout.apply("--remove", "--yes")[0] == 0
    before, after = bare.files(), checkout.files()
    sample = ".taskfiles/template/resources/cluster.sample.yaml"
    # The newline at its end stays: it belongs there.
    assert after.pop(sample) == before.pop(sample) + b"\n"
    assert after == before
    assert not (checkout.folder / "templates/config/kubernetes/apps" / cluster_checkout.NAMESPACE).exists()
    assert checkout.apply("--remove", "--yes")[2].startswith("nothing to do")


def test_an_older_block_is_brought_up_to_date_where_it_stands(checkout):
    name = "templates/scripts/plugin.py"
    fresh = checkout.read(name)
    block = re.search(r" +# ai-gateway/defaults: begin\n.*ai-gateway/defaults: end\n", fresh, re.DOTALL)[0]
    older = "".join(f"        {line}\n" for line in ("# ai-gateway/defaults: begin", "pass", "# ai-gateway/defaults: end"))
    moved = fresh.replace("\n" + block, "").replace("        # Proxmox", f"{older}        # Proxmox")
    checkout.write(name, moved)
    assert checkout.apply("--yes")[0] == 0
    assert checkout.read(name) == moved.replace("        pass\n", "".join(block.splitlines(keepends=True)[1:-1]))


def test_each_block_stands_where_the_template_has_its_like(checkout):
    def order(name, *patterns):
        text = checkout.read(name)
        places = [re.search(pattern, text, re.MULTILINE).start() for pattern in patterns]
        assert places == sorted(places), (name, patterns)

    order(".github/tests/public.yaml", "^proxmox_ccm_token_secret:", "^ai_gateway_enabled: true")
    order(".github/tests/private.yaml", "^proxmox_csi_token_secret:", "^# Without CCM", "^ai_gateway_enabled: true")
    order(f"{cluster_checkout.RESOURCES}/cluster.schema.cue", r"proxmox_ccm_token_secret\?", r"ai_gateway_enabled\?", "^}")
    order(f"{cluster_checkout.RESOURCES}/cluster.sample.yaml", "proxmox_ccm_token_secret", r"ENVOY AI GATEWAY \(Optional\)")
    order("templates/scripts/plugin.py", "proxmox_storage", "ai_gateway_enabled", "return data")
    order("README.md", "cloudflared", "envoy-ai-gateway", "^### Storage", "^### AI Gateway", "^### Community")
    order("CLAUDE.md", "^flux get", "^kubectl get pods", "^```$", "^## Proxmox", "^## Envoy AI Gateway", "^## Important")
    order("Taskfile.yaml", "^  template:", "^  ai-gateway:", "^tasks:")


def test_a_template_without_proxmox_gets_its_blocks_too(bare):
    for name in (
        ".github/tests/public.yaml", ".github/tests/private.yaml", "templates/scripts/plugin.py",
        f"{cluster_checkout.RESOURCES}/cluster.schema.cue", f"{cluster_checkout.RESOURCES}/cluster.sample.yaml",
    ):
        lines = bare.read(name).splitlines(keepends=True)
        bare.write(name, "".join(line for line in lines if "proxmox" not in line.lower()))
    before = bare.files()
    assert bare.apply("--yes")[0] == 0
    assert bare.apply("--check")[0] == 0
    text = bare.read(f"{cluster_checkout.RESOURCES}/cluster.schema.cue")
    assert text.index("ai_gateway_enabled?") < text.index("\n}\n")
    text = bare.read("templates/scripts/plugin.py")
    assert text.index("ai_gateway_addr") < text.index("return data")
    assert bare.apply("--remove", "--yes")[0] == 0
    assert {**bare.files()} == before


def test_documents_and_fixtures_may_be_missing(bare):
    for name in ("README.md", "CLAUDE.md", "Taskfile.yaml", ".github/tests/public.yaml"):
        (bare.folder / name).unlink()
    status, _, said = bare.apply("--yes")
    assert status == 0 and "CLAUDE.md is not there: left out" in said
    assert not (bare.folder / "README.md").exists()


def test_the_tasks_are_those_that_are_documented(checkout):
    main, ours = (yaml.safe_load(checkout.read(name)) for name in ("Taskfile.yaml", ".taskfiles/ai-gateway/Taskfile.yaml"))
    assert main["includes"]["ai-gateway"] == ".taskfiles/ai-gateway"
    status = ours["tasks"]["status"]
    assert [line.split()[:3] for line in status["cmds"]] == [
        ["kubectl", "get", what] for what in ("pods", "aigatewayroutes", "aiservicebackends")
    ]
    assert status["preconditions"] == ["test -f {{.KUBECONFIG}}"]


def test_the_documents_say_what_there_is(checkout):
    readme, claude = checkout.read("README.md"), checkout.read("CLAUDE.md")
    for word in ("Azure OpenAI deployments", "MCP", "Limits by tokens", "Redis", "aiops.<domain>", "ai_gateway_enabled: true"):
        assert word in readme, word
    sample = checkout.read(f"{cluster_checkout.RESOURCES}/cluster.sample.yaml")
    for option in re.findall(r"^# (ai_gateway_\w+):", sample, re.MULTILINE):
        assert f"`{option}`" in claude, option
    for command in (
        "kubectl get pods -n envoy-ai-gateway-system",
        "kubectl get aigatewayroutes -n envoy-ai-gateway-system",
        "kubectl get aiservicebackends -n envoy-ai-gateway-system",
        "kubectl logs -n envoy-ai-gateway-system deploy/ai-gateway-controller",
    ):
        assert command in claude, command


PLUGIN = "templates/scripts/plugin.py"
ENVOY_GATEWAY = "templates/config/kubernetes/apps/network/envoy-gateway/app/kustomization.yaml.j2"
# As somebody has written it who has followed the plan by hand.
OURS = 'data.setdefault("ai_gateway_enabled", True)'


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("makejinja.toml", None, "has no makejinja.toml: give the folder of a checkout"),
        ("makejinja.toml", ('"#{"', '"<<"'), "delimiters are"),
        (PLUGIN, ("return data", f"{OURS}\n        return data"), "take those lines out first"),
        (ENVOY_GATEWAY, ("resources:", "patches:\n  - path: a.yaml\nresources:"), "put `- path: ./ai-gateway.yaml`"),
        ("Taskfile.yaml", ("  bootstrap:", "  # ai-gateway/tasks: begin\n  bootstrap:"), "do not pair up"),
        ("CLAUDE.md", ("## Debugging", "## Finding out"), "no heading matches"),
    ],
)
def test_what_is_in_the_way_is_named_and_nothing_is_written(bare, name, change, says):
    if change is None:
        (bare.folder / name).unlink()
    else:
        bare.write(name, bare.read(name).replace(*change))
    before = bare.files()
    status, _, said = bare.apply("--yes")
    assert status == 2 and says in said, said
    assert bare.files() == before


def test_an_older_envoy_gateway_is_told_of(bare):
    name = "templates/config/kubernetes/apps/network/envoy-gateway/app/ocirepository.yaml.j2"
    bare.write(name, bare.read(name).replace("v1.6.0", "v1.5.4"))
    assert "older than 1.6" in bare.apply("--check")[2]
