"""The simulator's Gemini dialects as the official Google Gen AI SDK sees them, called directly."""

import pytest
from google import genai
from google.genai import errors, types

SERVICES = ["gemini", "vertex"]
MODEL = "gemini-3-flash-preview"


def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


@pytest.fixture(params=SERVICES)
def client(request, simulator):
    options = types.HttpOptions(base_url=simulator, timeout=20_000)
    if request.param == "gemini":
        return genai.Client(api_key="of-the-client", http_options=options)
    return genai.Client(vertexai=True, api_key="of-the-client", http_options=options)


def test_content_and_stream(client):
    whole = client.models.generate_content(model=MODEL, contents="How are you today?")
    assert whole.text and whole.candidates[0].finish_reason == types.FinishReason.STOP
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="How are you today?"))
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    assert chunks[-1].usage_metadata.total_token_count == whole.usage_metadata.total_token_count


def test_functions_are_called_and_answered(client):
    config = types.GenerateContentConfig(tools=[weather])
    reply = client.models.generate_content(model=MODEL, contents="call weather for Paris", config=config)
    assert reply.text
    history = reply.automatic_function_calling_history
    assert history[1].parts[0].function_call.name == "weather"
    assert history[1].parts[0].thought_signature
    assert history[2].parts[0].function_response.response == {"result": "sunny in fox"}


def test_thoughts(client):
    thinking = types.ThinkingConfig(include_thoughts=True)
    config = types.GenerateContentConfig(thinking_config=thinking)
    reply = client.models.generate_content(model=MODEL, contents="Think.", config=config)
    assert reply.candidates[0].content.parts[0].thought
    assert reply.usage_metadata.thoughts_token_count == 24


def test_structured_output(client):
    schema = {"type": "OBJECT", "properties": {"name": {"type": "STRING"}, "age": {"type": "INTEGER"}}}
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    reply = client.models.generate_content(model=MODEL, contents="Who?", config=config)
    assert reply.parsed == {"name": "fox", "age": 7}


def test_tokens_and_embeddings(client):
    assert client.models.count_tokens(model=MODEL, contents="twelve bytes").total_tokens == 3
    config = types.EmbedContentConfig(output_dimensionality=4)
    reply = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config=config)
    assert [len(one.values) for one in reply.embeddings] == [4, 4]


@pytest.mark.parametrize("status", [400, 429, 503])
def test_errors(client, status):
    with pytest.raises(errors.APIError) as caught:
        client.models.generate_content(model=f"sim-{status}", contents="hi")
    assert caught.value.code == status and caught.value.status and "simulated" in caught.value.message
