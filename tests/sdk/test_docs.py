"""What docs/clients.md shows is what works."""

import os
import subprocess
import sys

import doc_blocks
import pytest


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=module) for module, text in doc_blocks.blocks() if module != "litellm"]
)
def test_a_block_runs(gateway, capsys, text):
    doc_blocks.run(text, gateway)
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("program", "variables"),
    [
        (
            "import openai; openai.OpenAI().responses.create(model='claude-sonnet-5', input='hello')",
            {"OPENAI_BASE_URL": "/v1", "OPENAI_API_KEY": "any"},
        ),
        (
            "import anthropic; anthropic.Anthropic().messages.create(model='gpt-4o-mini', max_tokens=9,"
            " messages=[{'role': 'user', 'content': 'hello'}])",
            {"ANTHROPIC_BASE_URL": "/anthropic", "ANTHROPIC_API_KEY": "any"},
        ),
        (
            "import cohere; cohere.ClientV2().chat(model='command-a-03-2025',"
            " messages=[{'role': 'user', 'content': 'hello'}])",
            {"CO_API_URL": "/cohere", "CO_API_KEY": "any"},
        ),
        (
            "from google import genai; client = genai.Client(); client.models.generate_content(model='gpt-4o-mini', contents='hi')",
            {"GOOGLE_GEMINI_BASE_URL": "/", "GEMINI_API_KEY": "any"},
        ),
    ],
    ids=["openai", "anthropic", "cohere", "google"],
)
def test_variables_are_enough(gateway, program, variables):
    page = doc_blocks.PAGE.read_text()
    assert all(f"{name}=" in page for name in variables)
    variables = {name: gateway.url + value if value.startswith("/") else value for name, value in variables.items()}
    subprocess.run([sys.executable, "-c", program], env={**os.environ, **variables}, check=True, timeout=60)
