"""The official Cohere SDK against the simulator and through the gateway; OpenAI's SDK with Cohere behind it."""

import asyncio

import cohere
import pytest

HELLO = [{"role": "user", "content": "Say hello to the world."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(params=["simulator", "gateway"])
def client(request, simulator, gateway):
    base = simulator if request.param == "simulator" else f"{gateway.url}/cohere"
    return cohere.ClientV2(api_key="of-the-client", base_url=base, timeout=20)


def test_chat(client):
    reply = client.chat(model="command-a-03-2025", messages=HELLO, max_tokens=50)
    assert reply.message.content[0].text
    assert reply.finish_reason in ("COMPLETE", "MAX_TOKENS")
    assert reply.usage.tokens.input_tokens > 0


def test_chat_stream(client):
    events = list(client.chat_stream(model="command-a-03-2025", messages=HELLO))
    text = "".join(event.delta.message.content.text for event in events if event.type == "content-delta")
    assert text and events[-1].type == "message-end"
    assert events[-1].delta.usage.tokens.output_tokens > 0


def test_tools(client):
    messages = [{"role": "user", "content": "call get_weather for Paris"}]
    first = client.chat(model="command-a-03-2025", messages=messages, tools=[WEATHER])
    assert first.finish_reason == "TOOL_CALL"
    call = first.message.tool_calls[0]
    assert call.function.name == "get_weather"
    messages += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "22 degrees"}]
    second = client.chat(model="command-a-03-2025", messages=messages, tools=[WEATHER])
    assert second.message.content


def test_a_client_that_leaves_reaches_the_provider(client, provider):
    slow = {"additional_headers": {"x-sim-rate": "2", "x-sim-tokens": "50"}}
    with provider.sees_one_client_leave():
        stream = client.chat_stream(model="command-a-03-2025", messages=HELLO, request_options=slow)
        assert next(stream).type == "message-start"
        stream.close()


def test_a_cancelled_task_reaches_the_provider(gateway, provider):
    slow = {"additional_headers": {"x-sim-rate": "2", "x-sim-tokens": "50"}}

    async def listen(begun):
        client = cohere.AsyncClientV2(api_key="of-the-client", base_url=f"{gateway.url}/cohere", timeout=20)
        async for _ in client.chat_stream(model="command-a-03-2025", messages=HELLO, request_options=slow):
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


def test_embed(client):
    reply = client.embed(
        model="embed-v4.0", texts=["one", "two"], input_type="search_query", embedding_types=["float"]
    )
    assert len(reply.embeddings.float_) == 2


def test_rerank(client):
    documents = ["Paris", "Rome is the capital of Italy"]
    reply = client.rerank(model="rerank-v3.5", query="capital of Italy", documents=documents, top_n=1)
    assert [result.index for result in reply.results] == [1]


def test_an_error_is_the_sdks_own(request, client):
    direct = "simulator" in request.node.callspec.id
    with pytest.raises(cohere.errors.TooManyRequestsError):
        client.chat(model="sim-429" if direct else "cohere-sim-429", messages=HELLO, request_options={"max_retries": 0})


def test_chat_completions_reach_cohere(openai_client):
    reply = openai_client.chat.completions.create(model="command-a-03-2025", messages=HELLO, max_tokens=50)
    assert reply.choices[0].message.content and reply.usage.prompt_tokens > 0
    stream = openai_client.chat.completions.create(
        model="command-a-03-2025",
        messages=[{"role": "user", "content": "call get_weather for Paris"}],
        tools=[WEATHER],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
    assert calls[0].function.name == "get_weather"
    assert chunks[-1].usage.total_tokens > 0


def test_embeddings_reach_cohere(openai_client):
    reply = openai_client.embeddings.create(model="embed-v4.0", input=["one", "two"])
    assert len(reply.data) == 2 and len(reply.data[0].embedding) == 8
