"""Rendering charts, and finding things in what came out."""

import copy
import functools
import json
import pathlib
import re

import yaml

import tools

CHARTS = pathlib.Path(__file__).parents[2] / "deploy" / "charts"
ABSENT = "<absent>"
NAMESPACE = "ai"


def arguments(chart, values=(), capabilities=(), kube="1.34.0", namespace=NAMESPACE):
    given = [CHARTS / chart, "--namespace", namespace, "--kube-version", kube]
    for name in capabilities:
        given += ["--api-versions", name]
    for one in values:
        given += ["--values", one if isinstance(one, pathlib.Path) else "-"]
    return given


def split(values):
    """Files as they are, and everything else as one text for standard input."""
    texts = [one for one in values if not isinstance(one, pathlib.Path)]
    assert len(texts) <= 1
    return json.dumps(texts[0]) if texts else None


def render(chart, *values, helm="helm", **how):
    """The objects of a release with these values, which are files or maps; hooks are left out."""
    given = arguments(chart, values, **how)
    text = tools.need(helm)("template", "release", *given, "--no-hooks", stdin=split(values))
    return [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]


@functools.cache
def defaults(chart, helm="helm"):
    return render(chart, helm=helm)


def refused(chart, *values, **how):
    """What a chart says that does not take these values."""
    return tools.need("helm").fails("template", "release", *arguments(chart, values, **how), stdin=split(values))


def notes(chart, *values):
    """What `helm install` tells people afterwards."""
    given = [word for word in arguments(chart, values) if word not in ("--kube-version", "1.34.0")]
    return tools.need("helm")("install", "release", *given, "--dry-run=client", stdin=split(values)).split("NOTES:")[1]


def only(objects, kind, name=None):
    """The one object of a kind (and a name)."""
    found = [one for one in objects if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} objects {kind} {name or ''} in {names(objects)}"
    return found[0]


def text(objects):
    """Objects as YAML, in one order whatever rendered them."""
    objects = sorted(objects, key=lambda one: (one["kind"], one["metadata"]["name"]))
    return yaml.dump_all(objects, Dumper=yaml.CSafeDumper, sort_keys=False, width=120)


def names(objects):
    return sorted((one["kind"], one["metadata"]["name"]) for one in objects)


def at(one, path):
    """What is at a dotted path, `[0]` for the first of a list; ABSENT where nothing is."""
    for step in re.findall(r"\[\d+\]|'[^']+'|[^.\[\]']+", path):
        try:
            one = one[int(step[1:-1])] if step.startswith("[") else one[step.strip("'")]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return one


def nest(path, value):
    """`a.b` and 1 become {a: {b: 1}}."""
    for step in reversed(path.split(".")):
        value = {step: value}
    return value


def merged(*maps):
    made = {}
    for one in maps:
        for key, value in one.items():
            both = isinstance(value, dict) and isinstance(made.get(key), dict)
            made[key] = merged(made[key], value) if both else copy.deepcopy(value)
    return made


def mentions(objects, word):
    """Objects in which a word is."""
    return [f"{one['kind']} {one['metadata']['name']}" for one in objects if word in json.dumps(one)]
