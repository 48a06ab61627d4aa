"""The Python blocks of docs/clients.md."""

import pathlib
import re

PAGE = pathlib.Path(__file__).parents[2] / "docs/clients.md"


def blocks():
    """Each block with the module that it imports first."""
    texts = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [(re.match(r"(?:import|from) (\w+)", text).group(1), text) for text in texts]


def run(text, gateway):
    assert "http://127.0.0.1:1975" in text
    exec(compile(text.replace("http://127.0.0.1:1975", gateway.url), str(PAGE), "exec"), {})
