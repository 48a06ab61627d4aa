"""LiteLLM as a client: of the gateway's OpenAI API, and of its Anthropic API."""

import json

import doc_blocks
import litellm
import pydantic
import pytest

MODELS = ["gpt-4o-mini", "gpt-on-azure", "claude-sonnet-5", "command-a-03-2025", "claude-on-bedrock", "claude-on-aws"]
HELLO = [{"role": "user", "content": "Say hello to the world."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.fixture(params=["openai", "anthropic"])
def ask(request, gateway):
    """Asks for a completion by either API."""
    path = {"openai": "/v1", "anthropic": "/anthropic"}[request.param]

    def completion(model, **asked):
        return litellm.completion(
            model=f"{request.param}/{model}",
            api_base=gateway.url + path,
            api_key="of-the-client",
            max_retries=0,
            timeout=20,
            max_tokens=200,
            **asked,
        )

    return completion


@pytest.mark.parametrize("model", MODELS)
def test_completion(ask, model):
    reply = ask(model, messages=[{"role": "system", "content": "Be brief."}, *HELLO])
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert reply.usage.prompt_tokens > 0 and reply.usage.completion_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_stream(ask, model):
    chunks = list(ask(model, messages=HELLO, stream=True, stream_options={"include_usage": True}))
    whole = litellm.stream_chunk_builder(chunks, messages=HELLO)
    assert whole.choices[0].message.content and whole.choices[0].finish_reason in ("stop", "length")
    assert chunks[-1].usage.completion_tokens > 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_and_its_result(ask, model, streamed):
    messages = [{"role": "user", "content": "call get_weather for Paris"}]
    first = ask(model, messages=messages, tools=[WEATHER], tool_choice="required", stream=streamed)
    if streamed:
        first = litellm.stream_chunk_builder(list(first), messages=messages)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    call = message.tool_calls[0]
    assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": "22 degrees"}
    second = ask(model, messages=[*messages, message.model_dump(), result], tools=[WEATHER])
    assert second.choices[0].message.content


@pytest.mark.parametrize("model", MODELS)
def test_structured_output(ask, model):
    reply = ask(model, messages=HELLO, response_format=City)
    assert City.model_validate_json(reply.choices[0].message.content)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("status", "error"),
    [(429, litellm.RateLimitError), (500, litellm.InternalServerError)],
)
def test_errors_are_its_own(ask, model, status, error):
    with pytest.raises(error, match=f"simulated error {status}"):
        ask(model, messages=HELLO, extra_headers={"x-sim-status": str(status)})


@pytest.mark.parametrize("model", MODELS)
def test_responses(gateway, model):
    asked = dict(
        model=f"openai/{model}", input="Hello", api_base=f"{gateway.url}/v1", api_key="of-the-client", timeout=20
    )
    reply = litellm.responses(**asked)
    assert reply.output_text and reply.usage.total_tokens > 0
    kinds = [event.type for event in litellm.responses(stream=True, **asked)]
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"


@pytest.mark.parametrize("model", ["text-embedding-3-small", "embed-v4.0"])
def test_embeddings(gateway, model):
    reply = litellm.embedding(
        model=f"openai/{model}", input=["one", "two"], api_base=f"{gateway.url}/v1", api_key="of-the-client"
    )
    assert len(reply.data) == 2 and reply.data[0]["embedding"] and reply.usage.prompt_tokens > 0


def test_the_documented_block_runs(gateway, capsys):
    (text,) = [text for module, text in doc_blocks.blocks() if module == "litellm"]
    doc_blocks.run(text, gateway)
    assert len(capsys.readouterr().out.splitlines()) == 2
