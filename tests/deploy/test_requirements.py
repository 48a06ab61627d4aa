"""docs/deployments.md says which test shows a requirement: are all of them there, and are the tests?"""

import pathlib
import re

HERE = pathlib.Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "deployments.md"


def numbers(cell):
    """The numbers of `5, 10–12`."""
    found = set()
    for part in cell.split(","):
        first, _, last = part.strip().partition("–")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_every_requirement_of_the_charts_is_in_the_table():
    table = DOCS.read_text().split("| S001- |")[1].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert set().union(*map(numbers, rows)) == set(range(1, 94))


def test_the_tests_that_are_named_are_there():
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", DOCS.read_text()))
    tests = "".join(path.read_text() for path in HERE.rglob("test_*.py"))
    assert named and {name for name in named if f"def {name}(" not in tests} == set()
