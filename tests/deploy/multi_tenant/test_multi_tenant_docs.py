"""The table of requirements."""

from requirements_table import missing, named, numbers


def test_every_requirement_is_in_the_table_once_with_tests_that_exist(folder):
    root = folder.parents[1]

    def source(module):
        if module.startswith("deploy::"):
            return root / f"tests/deploy/multi_tenant/test_multi_tenant_{module.removeprefix('deploy::')}.py"
        return root / f"crates/tollgate/tests/deployments/{module}.rs"

    text = (folder / "README.md").read_text()
    assert sorted(numbers(text, "S004-")) == list(range(1, 97))
    assert missing(named(text), source) == []
