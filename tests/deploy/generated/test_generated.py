"""What the AI resources become for Envoy Gateway, held against the definitions of what it becomes."""

import pathlib

import pytest

import definitions

GOLDEN = pathlib.Path(__file__).parents[3] / "crates" / "tollgate-generate" / "golden"
CASES = sorted(GOLDEN.glob("*/want.yaml"))


@pytest.mark.skipif(not CASES, reason="there are no golden cases of tollgate-generate")
@pytest.mark.parametrize("release", ["eg-1.6", "eg-1.7", "eg-1.8", "eg-1.9"])
def test_a_cluster_takes_what_is_generated(release, crd_validator):
    """All cases at once: the API server's code takes a second to start."""
    objects = [one for path in CASES for one in definitions.documents(path)]
    assert crd_validator(release).errors(objects) == []
