#!/usr/bin/env python3
"""Writes src/versions/table.txt: which fields, values and limits of the CRDs came or went with which version.

    versions.py GATEWAY AI_GATEWAY GATEWAY_API > src/versions/table.txt

Each argument is a git clone (bare or not) of the upstream repository that has the release tags: envoyproxy/gateway,
envoyproxy/ai-gateway and kubernetes-sigs/gateway-api. Needs PyYAML. What every release has alike is left out, and so is
what lies below a field that is named itself.
"""
import subprocess
import sys

import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Release, tag.
RELEASES = {
    "envoy-gateway": [("1.5", "v1.5.4"), ("1.6", "v1.6.1"), ("1.7", "v1.7.0"), ("1.8", "v1.8.1"), ("1.9", "v1.9.0")],
    "ai-gateway": [
        ("0.4", "v0.4.0"),
        ("0.5", "v0.5.0"),
        ("0.6", "v0.6.0"),
        ("0.7", "v0.7.0"),
        ("1.0", "v1.0.0"),
        ("1.1", "v1.1.0"),
    ],
    "gateway-api": [("1.2", "v1.2.1"), ("1.3", "v1.3.0"), ("1.4", "v1.4.1"), ("1.5", "v1.5.1"), ("1.6", "v1.6.1")],
}
PLACES = {
    "envoy-gateway": ["charts/gateway-helm/crds/generated", "charts/gateway-crds-helm/templates/generated",
                      "charts/gateway-helm/charts/crds/crds/generated"],
    "ai-gateway": ["manifests/charts/ai-gateway-crds-helm/templates"],
    # Envoy Gateway's own installation has the experimental channel.
    "gateway-api": ["config/crd/experimental"],
}


def git(repo, *args):
    return subprocess.run(["git", "--git-dir", repo, *args], check=True, capture_output=True, text=True).stdout


def crds(repo, tag, places):
    for place in places:
        for path in git(repo, "ls-tree", "-r", "--name-only", tag, place + "/").split():
            if path.endswith(".yaml"):
                text = git(repo, "show", f"{tag}:{path}")
                text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("{{"))
                for document in yaml.load_all(text, Loader):
                    if document and document.get("kind") == "CustomResourceDefinition":
                        yield document


def walk(schema, path, out):
    for name, value in sorted((schema.get("properties") or {}).items()):
        if path == "" and name in ("apiVersion", "kind", "metadata", "status"):
            continue
        here = f"{path}.{name}" if path else name
        out.add(here)
        walk(value, here, out)
    if "items" in schema:
        walk(schema["items"], path + "[]", out)
    for one in schema.get("enum") or []:
        if one != "":
            out.add(f"{path}={one}")
    if "maxItems" in schema:
        out.add(f"{path}<={schema['maxItems']}")


def described(repo, tag, places):
    kinds = {}
    for crd in crds(repo, tag, places):
        for version in crd["spec"]["versions"]:
            if version.get("served"):
                out = set()
                walk(version["schema"]["openAPIV3Schema"], "", out)
                kinds[f"{crd['spec']['names']['kind']} {version['name']}"] = out
    return kinds


def takes_any(path, paths):
    """True for a value of a field that is there and is not held to a list of values."""
    field, equals, _ = path.partition("=")
    return bool(equals) and not field.endswith("<") and field in paths and not any(
        other.startswith(field + "=") for other in paths
    )


def span(has, names):
    """`1.6..1.8`, open on the side where nothing came before or after."""
    first, last = names.index(has[0]), names.index(has[-1])
    assert has == names[first : last + 1], has
    return ("" if first == 0 else has[0]) + ".." + ("" if last == len(names) - 1 else has[-1])


def main():
    for (product, releases), repo in zip(RELEASES.items(), sys.argv[1:], strict=True):
        known = [(release, described(repo, tag, PLACES[product])) for release, tag in releases]
        names = [release for release, _ in known]
        stable = [(release, described(repo, tag, ["config/crd/standard"])) for release, tag in releases]
        print(f"product {product} {' '.join(names)}")
        for kind in sorted({kind for _, kinds in known for kind in kinds}):
            having = [release for release, kinds in known if kind in kinds]
            print(f"kind {kind} {span(having, names)}")
            if product == "gateway-api":
                standard = [release for release, kinds in stable if kind in kinds]
                if standard != having:
                    print(f"standard {span(standard, names) if standard else '-'}")
            inside = [(release, kinds[kind]) for release, kinds in known if kind in kinds]
            told = set()
            for path in sorted({path for _, paths in inside for path in paths}):
                has = [release for release, paths in inside if path in paths or takes_any(path, paths)]
                if len(has) == len(inside):
                    continue
                above = path.split("=")[0].rstrip("<")
                parents = [above[:i] for i, c in enumerate(above) if c in ".["] + ([above] if above != path else [])
                if any((parent, tuple(has)) in told for parent in parents):
                    continue
                told.add((path, tuple(has)))
                print(f"{path} {span(has, having)}")


main()
