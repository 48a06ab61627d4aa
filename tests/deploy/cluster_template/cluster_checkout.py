"""A checkout of the cluster template with the AI gateway in it, and what its tools and Flux make of it.

`checkout/` is a small repository of the template's own layout, so that the tests need nobody else's.
"""

import copy
import pathlib
import shutil
import subprocess
import sys

import yaml

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
OVERLAY = ROOT / "deploy" / "cluster-template"
RESOURCES = ".taskfiles/template/resources"
NAMESPACE = "envoy-ai-gateway-system"
APPS = f"kubernetes/apps/{NAMESPACE}"
# Kinds that have no namespace, among those that are rendered.
CLUSTER_WIDE = {"GatewayClass", "Namespace"}


class Checkout:
    """A copy of `checkout/` to work in."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(HERE / "checkout", folder)

    def apply(self, *args):
        """Exit status, what is printed, what is said aside."""
        done = subprocess.run(
            [sys.executable, OVERLAY / "apply", *args, self.folder],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    def read(self, name):
        return (self.folder / name).read_text()

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def files(self, below="."):
        """Every file with its bytes."""
        folder = self.folder / below
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }

    def fixture(self, name):
        """The configuration that the template's own tests use."""
        return yaml.safe_load(self.read(f".github/tests/{name}.yaml"))

    def vet(self, tools, config):
        """Exit status of the template's check of `cluster.yaml`, and what it says."""
        self.write("cluster.yaml", config if isinstance(config, str) else yaml.safe_dump(config))
        status, said, complained = tools.cue.run(
            "vet", "cluster.yaml", f"{RESOURCES}/cluster.schema.cue", cwd=self.folder
        )
        return status, said + complained

    def render(self, config):
        """Runs makejinja as `task configure` does; the rendered files."""
        self.write("cluster.yaml", config if isinstance(config, str) else yaml.safe_dump(config))
        shutil.copy(self.folder / ".github/tests/nodes.yaml", self.folder / "nodes.yaml")
        shutil.rmtree(self.folder / "kubernetes", ignore_errors=True)
        done = subprocess.run(
            [pathlib.Path(sys.executable).with_name("makejinja")],
            cwd=self.folder, env={"PYTHONDONTWRITEBYTECODE": "1", "PATH": ""}, capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {name: text.decode() for name, text in self.files("kubernetes").items()}

    def flux(self, tools):
        """What Flux makes of the rendered files."""
        return Flux(self, tools)


class Flux:
    """Kustomizations, and the objects that each of them brings, the way Flux applies them."""

    def __init__(self, checkout, tools):
        self.checkout = checkout
        self.tools = tools
        self.top = list(yaml.safe_load_all(checkout.read("kubernetes/flux/cluster/ks.yaml")))
        # Flux writes the kustomization.yaml of a folder that has none: it names each folder that has one.
        apps = sorted((checkout.folder / "kubernetes/apps").glob("*/kustomization.yaml"))
        self.objects = [one for path in apps for one in self.build(path.parent)]
        self.kustomizations = {
            (one["metadata"]["namespace"], one["metadata"]["name"]): one
            for one in self.objects
            if one["kind"] == "Kustomization" and one["apiVersion"].startswith("kustomize.toolkit.fluxcd.io/")
        }

    def build(self, folder):
        text = self.tools.kustomize("build", "--load-restrictor=LoadRestrictionsNone", folder)
        return [one for one in yaml.safe_load_all(text) if one]

    def brings(self, name, namespace=NAMESPACE):
        """The objects of one Kustomization."""
        spec = self.kustomizations[namespace, name]["spec"]
        found = self.build(self.checkout.folder / spec["path"])
        if spec.get("postBuild"):
            domain = self.secret("cluster-secrets", namespace)["SECRET_DOMAIN"]
            found = [one if verbatim(one) else substituted(one, domain) for one in found]
        for one in found:
            if one["kind"] not in CLUSTER_WIDE:
                one["metadata"]["namespace"] = spec["targetNamespace"]
        return found

    def secret(self, name, namespace):
        (found,) = [
            one["stringData"]
            for one in self.objects
            if one["kind"] == "Secret" and one["metadata"] == {"name": name, "namespace": namespace}
        ]
        return found

    def all(self):
        """Every object in the cluster but Flux's own."""
        found = [one for one in self.objects if one["kind"] == "Namespace"]
        for namespace, name in sorted(self.kustomizations):
            found += self.brings(name, namespace)
        return [one for one in found if "fluxcd.io/" not in one["apiVersion"]]


def verbatim(one):
    return one["metadata"].get("annotations", {}).get("kustomize.toolkit.fluxcd.io/substitute") == "disabled"


def substituted(one, domain):
    return yaml.safe_load(yaml.safe_dump(one).replace("${SECRET_DOMAIN}", domain))


def by_name(objects, kind):
    """Objects of a kind, by name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def changed(config, path, value):
    """A copy of a configuration with one value at a path like `a.0.b`; None takes it out."""
    config = copy.deepcopy(config)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = config
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return config
