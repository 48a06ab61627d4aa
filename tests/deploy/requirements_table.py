"""Tables that say which test shows a requirement: every number has a row, and every test in it exists."""

import re


def numbers(text, title):
    """The numbers in the first column of the table under a heading cell."""
    table = text.partition(f"| {title} |")[2].partition("\n\n")[0]
    found = []
    for row in re.findall(r"^\| ([\d, –]+) \|", table, re.MULTILINE):
        for part in row.split(","):
            first, _, last = part.strip().partition("–")
            found += range(int(first), int(last or first) + 1)
    return found


def named(text):
    """Module and name of each test that is named."""
    return set(re.findall(r"`([a-z_:]+)::([a-z_0-9]+)`", text))


def missing(tests, sources):
    """Which of them are not in the files that `sources` gives for their modules."""
    return sorted(
        f"{module}::{name}"
        for module, name in tests
        if not (path := sources(module)).is_file() or not re.search(rf"\b(def|fn) {name}\b", path.read_text())
    )
