"""Google's SDK through the gateway to every schema that converses, and the other SDKs to Vertex AI."""

import asyncio

import pytest
from google import genai
from google.genai import errors, types

MODELS = ["gemini-3-flash-preview", "gpt-4o-mini", "claude-sonnet-5", "claude-on-vertex", "command-a-03-2025"]
OTHERS = ["gemini-3-flash-preview", "claude-on-vertex"]
HELLO = [{"role": "user", "content": "Say hello to the world."}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def client(gateway):
    options = types.HttpOptions(base_url=f"{gateway.url}/gemini", timeout=20_000)
    return genai.Client(api_key="of-the-client", http_options=options)


@pytest.mark.parametrize("model", MODELS)
def test_content_and_stream(client, model):
    whole = client.models.generate_content(model=model, contents="Say hello to the world.")
    assert whole.text and whole.candidates[0].finish_reason == types.FinishReason.STOP
    assert whole.usage_metadata.total_token_count > 0
    chunks = list(client.models.generate_content_stream(model=model, contents="Say hello to the world."))
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    assert chunks[-1].usage_metadata.total_token_count > 0


@pytest.mark.parametrize("model", MODELS)
def test_functions(client, model):
    declaration = types.FunctionDeclaration(
        name="get_weather", description="The weather of a city.", parameters_json_schema=WEATHER["parameters"]
    )
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declaration])])
    reply = client.models.generate_content(model=model, contents="call get_weather for Paris", config=config)
    assert [call.name for call in reply.function_calls] == ["get_weather"]
    answer = types.Part.from_function_response(name="get_weather", response={"result": "22 degrees"})
    history = [
        types.Content(role="user", parts=[types.Part(text="call get_weather for Paris")]),
        reply.candidates[0].content,
        types.Content(role="user", parts=[answer]),
    ]
    assert client.models.generate_content(model=model, contents=history, config=config).text


@pytest.mark.parametrize("model", ["gemini-3-flash-preview", "gpt-4o-mini", "gpt-on-azure", "claude-sonnet-5"])
def test_tokens(client, model):
    assert client.models.count_tokens(model=model, contents="twelve bytes").total_tokens == 3


def test_vectors(client):
    reply = client.models.embed_content(model="text-embedding-3-small", contents=["a", "b"])
    assert len(reply.embeddings) == 2


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_the_sdks_own_paths_need_no_prefix(gateway, version):
    bare = genai.Client(
        api_key="of-the-client",
        http_options=types.HttpOptions(base_url=gateway.url, api_version=version, timeout=20_000),
    )
    assert bare.models.generate_content(model="gpt-4o-mini", contents="Say hello to the world.").text
    assert list(bare.models.generate_content_stream(model="claude-sonnet-5", contents="Say hello to the world."))


SLOW = types.GenerateContentConfig(
    http_options=types.HttpOptions(headers={"x-sim-rate": "2", "x-sim-tokens": "50"}, timeout=20_000)
)


@pytest.mark.parametrize("model", MODELS)
def test_a_client_that_leaves_reaches_the_provider(client, provider, model):
    with provider.sees_one_client_leave():
        stream = client.models.generate_content_stream(model=model, contents="Say hello.", config=SLOW)
        assert next(stream)
        stream.close()


@pytest.mark.parametrize("model", MODELS)
def test_a_cancelled_task_reaches_the_provider(client, provider, model):
    async def listen(begun):
        stream = await client.aio.models.generate_content_stream(model=model, contents="Say hello.", config=SLOW)
        async for _ in stream:
            begun.set()

    async def leave():
        begun = asyncio.Event()
        task = asyncio.create_task(listen(begun))
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with provider.sees_one_client_leave():
        asyncio.run(leave())


def test_an_error_is_the_sdks_own(client):
    with pytest.raises(errors.APIError) as caught:
        client.models.generate_content(model="vertex-sim-429", contents="hi")
    assert caught.value.code == 429 and caught.value.status == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("model", OTHERS)
def test_chat_completions(openai_client, model):
    reply = openai_client.chat.completions.create(model=model, messages=HELLO, max_tokens=50)
    assert reply.choices[0].message.content and reply.usage.total_tokens > 0
    chunks = list(
        openai_client.chat.completions.create(
            model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage.total_tokens > 0
    called = openai_client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "call get_weather for Paris"}],
        tools=[{"type": "function", "function": WEATHER}],
    )
    assert called.choices[0].message.tool_calls[0].function.name == "get_weather"


@pytest.mark.parametrize("model", OTHERS)
def test_responses(openai_client, model):
    reply = openai_client.responses.create(model=model, input="Say hello to the world.")
    assert reply.output_text and reply.usage.total_tokens > 0
    events = list(openai_client.responses.create(model=model, input="Say hello.", stream=True))
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("model", OTHERS)
def test_messages(anthropic_client, model):
    reply = anthropic_client.messages.create(model=model, messages=HELLO, max_tokens=50)
    assert reply.content[0].text and reply.usage.output_tokens > 0
    with anthropic_client.messages.stream(model=model, messages=HELLO, max_tokens=50) as stream:
        assert "".join(stream.text_stream)
    counted = anthropic_client.messages.count_tokens(model=model, messages=HELLO)
    assert counted.input_tokens > 0


def test_embeddings(openai_client):
    reply = openai_client.embeddings.create(model="gemini-embedding-001", input=["one", "two"])
    assert len(reply.data) == 2
