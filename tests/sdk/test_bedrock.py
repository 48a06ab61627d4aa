"""Amazon Bedrock behind the gateway, as the official SDKs of OpenAI and Anthropic see it."""

import anthropic
import openai
import pytest

MODELS = ["claude-on-bedrock", "claude-on-aws"]
HELLO = [{"role": "user", "content": "Say hello to the world."}]
THINKING = {"type": "enabled", "budget_tokens": 1024}
WEATHER = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.mark.parametrize("model", MODELS)
def test_signed_thinking_survives_the_round_trip(anthropic_client, model):
    options = {"model": model, "max_tokens": 2000, "thinking": THINKING, "tools": [WEATHER]}
    asked = [{"role": "user", "content": "call get_weather for Paris"}]
    with anthropic_client.messages.stream(messages=asked, **options) as stream:
        streamed = stream.get_final_message()
    whole = anthropic_client.messages.create(messages=asked, **options)
    assert [block.type for block in streamed.content] == [block.type for block in whole.content] == ["thinking", "tool_use"]
    assert streamed.content[0].signature == whole.content[0].signature != ""
    assert streamed.content[0].thinking == whole.content[0].thinking
    result = {"type": "tool_result", "tool_use_id": whole.content[1].id, "content": "22 degrees"}
    turns = [*asked, {"role": "assistant", "content": whole.content}, {"role": "user", "content": [result]}]
    assert anthropic_client.messages.create(messages=turns, **options).content[-1].text


@pytest.mark.parametrize("model", MODELS)
def test_thinking_blocks_reach_openai_clients(openai_client, model):
    reply = openai_client.chat.completions.create(
        model=model, messages=HELLO, max_tokens=2000, extra_body={"thinking": THINKING}
    )
    message = reply.choices[0].message
    assert message.reasoning_content and message.thinking_blocks[0]["signature"]
    turns = [*HELLO, message.model_dump(exclude_none=True), {"role": "user", "content": "Go on."}]
    assert openai_client.chat.completions.create(model=model, messages=turns).choices[0].message.content


@pytest.mark.parametrize("model", MODELS)
def test_responses(openai_client, model):
    reply = openai_client.responses.create(model=model, input="Hello")
    assert reply.output_text and reply.usage.total_tokens > 0
    kinds = [event.type for event in openai_client.responses.create(model=model, input="Hi", stream=True)]
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"


@pytest.mark.parametrize("model", MODELS)
def test_tokens_are_counted(anthropic_client, model):
    assert anthropic_client.messages.count_tokens(model=model, messages=HELLO).input_tokens == 6


@pytest.mark.parametrize("model", MODELS)
def test_usage_is_the_same_whole_and_streamed(anthropic_client, model):
    whole = anthropic_client.messages.create(model=model, messages=HELLO, max_tokens=50).usage
    with anthropic_client.messages.stream(model=model, messages=HELLO, max_tokens=50) as stream:
        streamed = stream.get_final_message().usage
    assert (whole.input_tokens, whole.output_tokens) == (streamed.input_tokens, streamed.output_tokens)


@pytest.mark.parametrize("model", ["amazon.titan-embed-text-v2", "cohere.embed-english-v3"])
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(openai_client, model, encoding):
    reply = openai_client.embeddings.create(model=model, input=["one"], encoding_format=encoding)
    assert len(reply.data) == 1 and reply.data[0].embedding
    assert reply.usage.prompt_tokens > 0


@pytest.mark.parametrize("model", ["bedrock-sim-429", "aws-sim-429"])
def test_errors_are_those_that_the_sdks_know(openai_client, anthropic_client, model):
    with pytest.raises(openai.RateLimitError) as caught:
        openai_client.chat.completions.create(model=model, messages=HELLO)
    assert "simulated error 429" in str(caught.value)
    with pytest.raises(anthropic.RateLimitError) as caught:
        anthropic_client.messages.create(model=model, messages=HELLO, max_tokens=5)
    assert caught.value.body["error"] == {"type": "rate_limit_error", "message": "simulated error 429"}


def test_an_image_by_its_url_is_refused_by_its_place(openai_client):
    image = {"type": "image_url", "image_url": {"url": "https://images.example/one.png"}}
    with pytest.raises(openai.UnprocessableEntityError, match=r"messages\[0\]\.content\[0\]"):
        openai_client.chat.completions.create(
            model="claude-on-bedrock", messages=[{"role": "user", "content": [image]}]
        )


@pytest.mark.parametrize("model", MODELS)
def test_an_exception_in_a_stream_is_raised(openai_client, anthropic_client, model):
    fault = {"x-sim-fault": "error-event", "x-sim-after": "4"}
    with pytest.raises(openai.APIError, match="simulated error"):
        list(openai_client.chat.completions.create(model=model, messages=HELLO, stream=True, extra_headers=fault))
    with pytest.raises(anthropic.APIStatusError, match="simulated error"):
        with anthropic_client.messages.stream(model=model, messages=HELLO, max_tokens=50, extra_headers=fault) as stream:
            stream.get_final_message()
