import pytest

import cluster_checkout
import definitions
import tools as programs

# What a cluster of this kind has beside gateways, and where its definitions are. Flux's helm-controller is not to be had as
# a Go module.
BESIDE = {
    "github.com/fluxcd/kustomize-controller": "config/crd/bases",
    "github.com/fluxcd/source-controller": "config/crd/bases",
    "github.com/cert-manager/cert-manager": "deploy/crds",
}


@pytest.fixture
def bare(tmp_path):
    """The template as it comes."""
    return cluster_checkout.Checkout(tmp_path / "bare")


@pytest.fixture
def checkout(tmp_path):
    """The template with the AI gateway applied to it."""
    made = cluster_checkout.Checkout(tmp_path / "checkout")
    status, _, said = made.apply("--yes")
    assert status == 0, said
    return made


@pytest.fixture(scope="session")
def beside():
    """Checks Flux's kinds and cert-manager's."""
    found = []
    for module, folder in BESIDE.items():
        place = programs.go_module(module, programs.PINS["modules"][module][0])
        if place is None:
            pytest.skip(f"{module} cannot be had here: its kinds are not checked")
        found += definitions.definitions_in(place / folder)
    return definitions.Validator("Flux and cert-manager", found)
