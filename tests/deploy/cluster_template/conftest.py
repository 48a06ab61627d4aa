import pytest

import cluster_checkout


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
