"""The official OpenAI SDK against every schema that serves its endpoints."""

import array
import asyncio
import base64
import json

import httpx
import openai
import pydantic
import pytest

# Every schema that converses, by the model that the route sends there.
CHAT_MODELS = [
    "gpt-4o-mini",
    "gpt-on-azure",
    "claude-sonnet-5",
    "command-a-03-2025",
    "claude-on-bedrock",
    "claude-on-aws",
]
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
        "0000000049454e44ae426082"
    )
).decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
HELLO = [{"role": "user", "content": "Say hello to the world."}]


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_chat(openai_client, model):
    reply = openai_client.chat.completions.create(
        model=model, messages=[{"role": "system", "content": "Be brief."}, *HELLO], max_tokens=50
    )
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


@pytest.mark.parametrize("model", CHAT_MODELS)
@pytest.mark.parametrize("usage", [True, False])
def test_chat_stream(openai_client, model, usage):
    options = {"stream_options": {"include_usage": True}} if usage else {}
    stream = openai_client.chat.completions.create(
        model=model, messages=HELLO, stream=True, max_tokens=50, **options
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")
    counted = [chunk.usage for chunk in chunks if chunk.usage]
    assert bool(counted) == usage, "the usage chunk reaches the client only where it asked for it"
    assert all(chunk.choices for chunk in chunks) or usage


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_tools(openai_client, model):
    messages = [{"role": "user", "content": "call get_weather for Paris"}]
    first = openai_client.chat.completions.create(
        model=model, messages=messages, tools=[WEATHER], tool_choice="required", max_tokens=200
    )
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    call = message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert "city" in json.loads(call.function.arguments)
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "22 degrees"}]
    second = openai_client.chat.completions.create(
        model=model, messages=messages, tools=[WEATHER], max_tokens=200
    )
    assert second.choices[0].message.content


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_streamed_tool_arguments_join_to_json(openai_client, model):
    stream = openai_client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "call get_weather for Paris"}],
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        stream=True,
        max_tokens=200,
    )
    arguments, names = {}, {}
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
            names[call.index] = names.get(call.index) or call.function.name
    assert names[0] == "get_weather"
    assert "city" in json.loads(arguments[0])


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_structured_output(openai_client, model):
    reply = openai_client.chat.completions.parse(
        model=model, messages=HELLO, response_format=City, max_tokens=200
    )
    assert isinstance(reply.choices[0].message.parsed, City)


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_image(openai_client, model):
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    reply = openai_client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": parts}], max_tokens=50
    )
    assert reply.choices[0].message.content


def test_embeddings(openai_client):
    reply = openai_client.embeddings.create(model="text-embedding-3-small", input=["one", "two"], dimensions=64)
    assert [len(item.embedding) for item in reply.data] == [64, 64]
    assert reply.usage.prompt_tokens > 0


def test_completions(openai_client):
    assert openai_client.completions.create(model="gpt-4o-mini", prompt="Hello").choices[0].text
    stream = openai_client.completions.create(model="gpt-4o-mini", prompt="Hello", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices)


def test_models(openai_client):
    names = [model.id for model in openai_client.models.list()]
    assert set(CHAT_MODELS) <= set(names) and len(names) == len(set(names))


def test_an_unknown_model_is_not_found_by_name(openai_client):
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client.chat.completions.create(model="no-such-model", messages=HELLO)
    assert "no-such-model" in str(caught.value)


def test_a_bad_request_is_the_clients_fault(openai_client):
    with pytest.raises(openai.BadRequestError):
        openai_client.chat.completions.create(model=7, messages=HELLO)


@pytest.mark.parametrize("model", CHAT_MODELS)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_errors_are_the_sdks_own(openai_client, model, status, error, streamed):
    headers = {"x-sim-status": str(status), "x-sim-retry-after": "7"}
    with pytest.raises(error) as caught:
        openai_client.chat.completions.create(
            model=model, messages=HELLO, max_tokens=5, stream=streamed, extra_headers=headers
        )
    assert caught.value.status_code == status and caught.value.body["message"] == f"simulated error {status}"
    assert caught.value.request_id
    assert caught.value.response.headers.get("retry-after") == "7"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("sim-429", openai.RateLimitError),
        ("claude-sim-529", openai.InternalServerError),
        ("cohere-sim-429", openai.RateLimitError),
    ],
)
def test_errors_of_a_model_are_the_sdks_own(openai_client, model, error):
    with pytest.raises(error) as caught:
        openai_client.chat.completions.create(model=model, messages=HELLO, max_tokens=5)
    assert caught.value.body


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_the_sdk_tries_again_as_often_as_it_is_told(openai_client, provider, model):
    before = provider.stats()["requests"]
    with pytest.raises(openai.RateLimitError):
        openai_client.with_options(max_retries=1).chat.completions.create(
            model=model, messages=HELLO, max_tokens=5, extra_headers={"x-sim-status": "429"}
        )
    assert provider.stats()["requests"] == before + 2


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_an_error_in_a_stream_is_raised(openai_client, model):
    headers = {"x-sim-fault": "error-event", "x-sim-after": "4", "x-sim-tokens": "20"}
    with pytest.raises(openai.APIError):
        list(
            openai_client.chat.completions.create(
                model=model, messages=HELLO, max_tokens=50, stream=True, extra_headers=headers
            )
        )


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_a_stream_that_is_cut_is_no_answer(openai_client, model):
    headers = {"x-sim-fault": "cut", "x-sim-after": "4", "x-sim-tokens": "20"}
    with pytest.raises((openai.APIError, httpx.HTTPError)):
        list(
            openai_client.chat.completions.create(
                model=model, messages=HELLO, max_tokens=50, stream=True, extra_headers=headers
            )
        )


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_a_client_that_leaves_reaches_the_provider(openai_client, provider, model):
    with provider.sees_one_client_leave():
        stream = openai_client.chat.completions.create(
            model=model,
            messages=HELLO,
            stream=True,
            max_tokens=50,
            extra_headers={"x-sim-rate": "2", "x-sim-tokens": "50"},
        )
        next(iter(stream))
        stream.close()


def test_a_client_that_leaves_is_settled(openai_client, gateway):
    stream = openai_client.chat.completions.create(
        model="gpt-4o-mini",
        messages=HELLO,
        stream=True,
        extra_headers={"x-request-id": "leaves-early", "x-sim-rate": "20"},
    )
    next(iter(stream))
    stream.close()
    line = gateway.wait_for(r'.*leaves-early.*').group(0)
    assert "client" in line.lower(), line


def test_a_slow_provider_runs_into_the_clients_timeout(openai_client):
    with pytest.raises(openai.APITimeoutError):
        openai_client.with_options(timeout=0.5).chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, extra_headers={"x-sim-first-token-ms": "5000"}
        )


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_parallel_tools_keep_their_order(openai_client, model):
    time = {"type": "function", "function": {**WEATHER["function"], "name": "get_time"}}
    messages = [{"role": "user", "content": "call get_weather and call get_time for Paris"}]
    asked = dict(model=model, tools=[WEATHER, time], max_tokens=200)
    first = openai_client.chat.completions.create(messages=messages, **asked)
    message = first.choices[0].message
    assert [call.function.name for call in message.tool_calls] == ["get_weather", "get_time"]
    assert len({call.id for call in message.tool_calls}) == 2
    results = [{"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in message.tool_calls]
    second = openai_client.chat.completions.create(messages=[*messages, message, *results], **asked)
    assert second.choices[0].message.content
    with openai_client.chat.completions.stream(messages=messages, **asked) as stream:
        streamed = stream.get_final_completion().choices[0].message
    assert [call.function.name for call in streamed.tool_calls] == ["get_weather", "get_time"]


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_streamed_structured_output(openai_client, model):
    with openai_client.chat.completions.stream(
        model=model, messages=HELLO, response_format=City, max_tokens=200
    ) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, City)


@pytest.mark.parametrize("model", [model for model in CHAT_MODELS if model != "claude-on-bedrock"])
def test_an_image_by_its_url(openai_client, model):
    image = {"type": "image_url", "image_url": {"url": "https://images.example/one.png"}}
    reply = openai_client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": [image]}], max_tokens=50
    )
    assert reply.choices[0].message.content


@pytest.mark.parametrize("model", ["text-embedding-3-small", "embed-v4.0"])
def test_embeddings_in_either_encoding_are_the_same(openai_client, model):
    asked = dict(model=model, input="one", dimensions=64)
    packed = openai_client.embeddings.create(encoding_format="base64", **asked).data[0].embedding
    plain = openai_client.embeddings.create(encoding_format="float", **asked).data[0].embedding
    assert isinstance(packed, str), "the SDK leaves to the caller what the caller asked for"
    assert list(array.array("f", base64.b64decode(packed))) == pytest.approx(plain, rel=1e-5)
    # Without a format the SDK asks for base64 and unpacks it itself.
    assert openai_client.embeddings.create(**asked).data[0].embedding == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_a_cancelled_task_is_settled_and_its_neighbours_go_on(gateway, model):
    async def scenario():
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key="of-the-client", max_retries=0, timeout=20
        ) as client:

            async def ask(name, **sim):
                headers = {"x-request-id": name, **{f"x-sim-{key}": value for key, value in sim.items()}}
                stream = await client.chat.completions.create(
                    model=model, messages=HELLO, max_tokens=50, stream=True, extra_headers=headers
                )
                began.set()
                return [chunk async for chunk in stream]

            began = asyncio.Event()
            slow = asyncio.create_task(ask(f"cancelled-{model}", rate="5", tokens="50"))
            await began.wait()
            other = asyncio.create_task(ask(f"goes-on-{model}"))
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            assert await other

    asyncio.run(scenario())
    line = gateway.wait_for(rf".*cancelled-{model}.*").group(0)
    assert "client" in line.lower(), line


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_a_timeout_of_the_client_leaves_its_pool_usable(openai_client, model):
    hasty = openai_client.with_options(timeout=0.5)
    for _ in range(3):
        with pytest.raises(openai.APITimeoutError):
            hasty.chat.completions.create(
                model=model, messages=HELLO, max_tokens=5, extra_headers={"x-sim-first-token-ms": "5000"}
            )
    assert openai_client.chat.completions.create(model=model, messages=HELLO, max_tokens=5).choices
