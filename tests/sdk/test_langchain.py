"""LangChain's OpenAI integration as a client, against every schema that converses."""

import langchain_core.messages
import langchain_core.tools
import langchain_openai
import openai
import pytest

from test_openai import CHAT_MODELS, PIXEL, City


@langchain_core.tools.tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"22 degrees in {city}"


@pytest.fixture(params=[False, True], ids=["chat", "responses"])
def chat_of(request, gateway):
    """Makes a client of a model, by either of the APIs that LangChain can use."""

    def make(model, **options):
        return langchain_openai.ChatOpenAI(
            model=model,
            base_url=f"{gateway.url}/v1",
            api_key="of-the-client",
            max_retries=0,
            timeout=20,
            use_responses_api=request.param,
            **options,
        )

    return make


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_invoke(chat_of, model):
    reply = chat_of(model, max_tokens=50).invoke([("system", "Be brief."), ("human", "Say hello.")])
    assert reply.text
    assert reply.usage_metadata["input_tokens"] > 0 and reply.usage_metadata["output_tokens"] > 0
    assert reply.usage_metadata["total_tokens"] == sum(
        reply.usage_metadata[side] for side in ("input_tokens", "output_tokens")
    )


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_stream(chat_of, model):
    whole = None
    for chunk in chat_of(model, max_tokens=50, stream_usage=True).stream("Say hello."):
        whole = chunk if whole is None else whole + chunk
    assert whole.text and whole.usage_metadata["output_tokens"] > 0


@pytest.mark.parametrize("model", CHAT_MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_and_its_result(chat_of, model, streamed):
    chat = chat_of(model, max_tokens=200).bind_tools([get_weather])
    messages = [langchain_core.messages.HumanMessage("call get_weather for Paris")]
    if streamed:
        chunks = list(chat.stream(messages))
        first = sum(chunks[1:], chunks[0])
    else:
        first = chat.invoke(messages)
    call = first.tool_calls[0]
    assert call["name"] == "get_weather" and "city" in call["args"]
    second = chat.invoke([*messages, first, get_weather.invoke(call)])
    assert second.text and not second.tool_calls


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_a_forced_tool(chat_of, model):
    chat = chat_of(model, max_tokens=200).bind_tools([get_weather], tool_choice="get_weather")
    assert [call["name"] for call in chat.invoke("Hello").tool_calls] == ["get_weather"]


@pytest.mark.parametrize("model", CHAT_MODELS)
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(chat_of, model, method):
    chat = chat_of(model, max_tokens=200).with_structured_output(City, method=method)
    assert isinstance(chat.invoke("Name a city."), City)


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_an_image(chat_of, model):
    image = {"type": "image", "base64": PIXEL, "mime_type": "image/png"}
    message = langchain_core.messages.HumanMessage(content=[{"type": "text", "text": "What is this?"}, image])
    assert chat_of(model, max_tokens=50).invoke([message]).text


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_an_error_is_openais_own(chat_of, model):
    chat = chat_of(model, default_headers={"x-sim-status": "429", "x-sim-retry-after": "7"})
    with pytest.raises(openai.RateLimitError) as caught:
        chat.invoke("Hello")
    assert caught.value.request_id and caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("model", ["text-embedding-3-small", "embed-v4.0"])
def test_embeddings(gateway, model):
    embeddings = langchain_openai.OpenAIEmbeddings(
        model=model,
        base_url=f"{gateway.url}/v1",
        api_key="of-the-client",
        max_retries=0,
        # Else the texts are sent as numbers of OpenAI's tokenizer, which is fetched from the network.
        check_embedding_ctx_length=False,
    )
    vectors = embeddings.embed_documents(["one", "two"])
    assert len(vectors) == 2 and all(isinstance(number, float) for number in vectors[0])
    assert embeddings.embed_query("one") == pytest.approx(vectors[0])
