"""The official Anthropic SDK against every schema that serves its endpoints."""

import anthropic
import httpx
import openai
import pytest

from test_openai import PIXEL, City

# Every schema that takes messages, as they are or translated.
MODELS = [
    "claude-sonnet-5",
    "gpt-4o-mini",
    "gpt-on-azure",
    "command-a-03-2025",
    "claude-on-bedrock",
    "claude-on-aws",
]
HELLO = [{"role": "user", "content": "Say hello to the world."}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.mark.parametrize("model", MODELS)
def test_message(anthropic_client, model):
    reply = anthropic_client.messages.create(model=model, system="Be brief.", messages=HELLO, max_tokens=50)
    assert reply.role == "assistant" and reply.content[0].text
    assert reply.stop_reason in ("end_turn", "max_tokens")
    assert reply.usage.input_tokens > 0 and reply.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_message_stream(anthropic_client, model):
    with anthropic_client.messages.stream(model=model, messages=HELLO, max_tokens=50) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text and final.content[0].text == text
    assert final.usage.output_tokens > 0
    assert final.stop_reason in ("end_turn", "max_tokens")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_tools(anthropic_client, model, streamed):
    messages = [{"role": "user", "content": "call get_weather for Paris"}]
    asked = dict(model=model, messages=messages, tools=[WEATHER], tool_choice={"type": "any"}, max_tokens=200)
    if streamed:
        with anthropic_client.messages.stream(**asked) as stream:
            first = stream.get_final_message()
    else:
        first = anthropic_client.messages.create(**asked)
    assert first.stop_reason == "tool_use"
    use = next(block for block in first.content if block.type == "tool_use")
    assert use.name == "get_weather" and "city" in use.input
    messages += [
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "22 degrees"}]},
    ]
    second = anthropic_client.messages.create(model=model, messages=messages, tools=[WEATHER], max_tokens=200)
    assert second.content


@pytest.mark.parametrize("model", MODELS)
def test_image(anthropic_client, model):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    parts = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    reply = anthropic_client.messages.create(
        model=model, messages=[{"role": "user", "content": parts}], max_tokens=50
    )
    assert reply.content


def test_thinking_keeps_its_signature(anthropic_client):
    reply = anthropic_client.messages.create(
        model="claude-sonnet-5",
        messages=HELLO,
        max_tokens=2000,
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    thinking = next(block for block in reply.content if block.type == "thinking")
    assert thinking.thinking and thinking.signature


@pytest.mark.parametrize("model", ["claude-sonnet-5", "gpt-4o-mini", "gpt-on-azure"])
def test_count_tokens(anthropic_client, model):
    assert anthropic_client.messages.count_tokens(model=model, messages=HELLO).input_tokens > 0


def test_models(anthropic_client):
    assert "claude-sonnet-5" in [model.id for model in anthropic_client.models.list()]


def test_an_unknown_model_is_not_found_by_name(anthropic_client):
    with pytest.raises(anthropic.NotFoundError) as caught:
        anthropic_client.messages.create(model="no-such-model", messages=HELLO, max_tokens=5)
    assert "no-such-model" in str(caught.value)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_errors_are_the_sdks_own(anthropic_client, model, status, error, kind, streamed):
    headers = {"x-sim-status": str(status), "x-sim-retry-after": "7"}
    with pytest.raises(error) as caught:
        anthropic_client.messages.create(
            model=model, messages=HELLO, max_tokens=5, stream=streamed, extra_headers=headers
        )
    assert caught.value.body["error"] == {"type": kind, "message": f"simulated error {status}"}
    assert caught.value.request_id
    assert caught.value.response.headers.get("retry-after") == "7"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("claude-sim-401", anthropic.AuthenticationError),
        ("claude-sim-529", anthropic.InternalServerError),
        ("sim-429", anthropic.RateLimitError),
        ("cohere-sim-429", anthropic.RateLimitError),
    ],
)
def test_errors_of_a_model_are_the_sdks_own(anthropic_client, model, error):
    with pytest.raises(error) as caught:
        anthropic_client.messages.create(model=model, messages=HELLO, max_tokens=5)
    assert caught.value.body["error"]["message"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fault", ["error-event", "cut"])
def test_a_stream_that_breaks_is_no_answer(anthropic_client, model, fault):
    headers = {"x-sim-fault": fault, "x-sim-after": "4", "x-sim-tokens": "20"}
    with pytest.raises((anthropic.APIError, httpx.HTTPError)):
        with anthropic_client.messages.stream(
            model=model, messages=HELLO, max_tokens=50, extra_headers=headers
        ) as stream:
            stream.get_final_message()


@pytest.mark.parametrize("model", MODELS)
def test_a_client_that_leaves_reaches_the_provider(anthropic_client, provider, model):
    with provider.sees_one_client_leave():
        with anthropic_client.messages.stream(
            model=model, messages=HELLO, max_tokens=50, extra_headers={"x-sim-rate": "2", "x-sim-tokens": "50"}
        ) as stream:
            next(iter(stream))


@pytest.mark.parametrize("model", MODELS)
def test_structured_output(anthropic_client, model):
    reply = anthropic_client.messages.parse(model=model, messages=HELLO, max_tokens=200, output_format=City)
    assert isinstance(reply.parsed_output, City)


@pytest.mark.parametrize("model", MODELS)
def test_a_forced_tool(anthropic_client, model):
    reply = anthropic_client.messages.create(
        model=model,
        messages=HELLO,
        tools=[WEATHER, {**WEATHER, "name": "get_time"}],
        tool_choice={"type": "tool", "name": "get_time"},
        max_tokens=200,
    )
    assert [block.name for block in reply.content if block.type == "tool_use"] == ["get_time"]


def test_a_pair_that_makes_no_sense_is_refused_by_name(openai_client):
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.embeddings.create(model="claude-sonnet-5", input="a")
    assert "Anthropic" in str(caught.value) and "embeddings" in str(caught.value)


@pytest.mark.parametrize("model", MODELS)
def test_thinking_streams(anthropic_client, model):
    with anthropic_client.messages.stream(
        model=model, messages=HELLO, max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 1024}
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert any(block.type == "text" and block.text for block in final.content)
    if model == "claude-sonnet-5":
        thinking = next(block for block in final.content if block.type == "thinking")
        assert thinking.thinking and thinking.signature


@pytest.mark.parametrize("model", [model for model in MODELS if model != "claude-on-bedrock"])
def test_an_image_by_its_url(anthropic_client, model):
    image = {"type": "image", "source": {"type": "url", "url": "https://images.example/one.png"}}
    reply = anthropic_client.messages.create(
        model=model, messages=[{"role": "user", "content": [image]}], max_tokens=50
    )
    assert reply.content


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_parallel_tools_keep_their_order(anthropic_client, model, streamed):
    time = {**WEATHER, "name": "get_time"}
    messages = [{"role": "user", "content": "call get_weather and call get_time for Paris"}]
    asked = dict(model=model, messages=messages, tools=[WEATHER, time], max_tokens=200)
    if streamed:
        with anthropic_client.messages.stream(**asked) as stream:
            reply = stream.get_final_message()
    else:
        reply = anthropic_client.messages.create(**asked)
    uses = [block for block in reply.content if block.type == "tool_use"]
    assert [use.name for use in uses] == ["get_weather", "get_time"]
    assert all("city" in use.input for use in uses) and uses[0].id != uses[1].id


@pytest.mark.parametrize("model", MODELS)
def test_a_slow_provider_runs_into_the_clients_timeout(anthropic_client, model):
    with pytest.raises(anthropic.APITimeoutError):
        anthropic_client.with_options(timeout=0.5).messages.create(
            model=model, messages=HELLO, max_tokens=5, extra_headers={"x-sim-first-token-ms": "5000"}
        )


@pytest.mark.parametrize("model", MODELS)
def test_a_client_that_leaves_is_settled(anthropic_client, gateway, model):
    headers = {"x-request-id": f"left-messages-{model}", "x-sim-rate": "5", "x-sim-tokens": "50"}
    with anthropic_client.messages.stream(
        model=model, messages=HELLO, max_tokens=50, extra_headers=headers
    ) as stream:
        next(iter(stream))
    line = gateway.wait_for(rf".*left-messages-{model}.*").group(0)
    assert "client" in line.lower(), line
