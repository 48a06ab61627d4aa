"""The table of requirements."""

from cluster_checkout import HERE, ROOT
from requirements_table import missing, named, numbers


def test_every_requirement_is_in_the_table_once_with_tests_that_exist():
    text = (ROOT / "docs/deployments/cluster-template.md").read_text()
    assert sorted(numbers(text, "S000-")) == list(range(1, 87))
    assert missing(named(text), lambda module: HERE / f"test_cluster_{module}.py") == []
