"""OpenAI's responses API, by its own SDK, against every schema that converses."""

import asyncio
import json

import openai
import pydantic
import pytest

from test_openai import CHAT_MODELS, HELLO, PIXEL, WEATHER, City

TOOL = {"type": "function", **WEATHER["function"]}
QUESTION = {"role": "user", "content": "call get_weather for Paris"}
# Those that take responses as they are, and keep what is stored.
NATIVE = ["gpt-4o-mini", "gpt-on-azure"]
TRANSLATED = [model for model in CHAT_MODELS if model not in NATIVE]


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_create(openai_client, model):
    reply = openai_client.responses.create(
        model=model, instructions="Be brief.", input="Hello", max_output_tokens=50, temperature=0.2
    )
    assert reply.output_text and reply.status in ("completed", "incomplete")
    assert reply.usage.input_tokens > 0 and reply.usage.output_tokens > 0
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_a_bound_that_cuts_the_answer_is_named(openai_client, model):
    reply = openai_client.responses.create(
        model=model, input="Hello", max_output_tokens=16, extra_headers={"x-sim-tokens": "100"}
    )
    assert reply.status == "incomplete" and reply.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_stream(openai_client, model):
    events = list(openai_client.responses.create(model=model, input="Hi", stream=True))
    kinds = [event.type for event in events]
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == sorted({event.sequence_number for event in events})
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text and events[-1].response.output_text == text
    assert events[-1].response.usage.output_tokens > 0


@pytest.mark.parametrize("model", CHAT_MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_tools_and_a_second_turn(openai_client, model, streamed):
    asked = dict(model=model, tools=[TOOL], max_output_tokens=200)
    if streamed:
        with openai_client.responses.stream(input=[QUESTION], **asked) as stream:
            first = stream.get_final_response()
    else:
        first = openai_client.responses.create(input=[QUESTION], tool_choice="required", **asked)
    call = next(item for item in first.output if item.type == "function_call")
    assert call.name == "get_weather" and "city" in json.loads(call.arguments)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "22 degrees"}
    second = openai_client.responses.create(input=[QUESTION, *first.output, result], **asked)
    assert second.output_text


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_parallel_tools_keep_their_order(openai_client, model):
    asked = [{"role": "user", "content": "call get_weather and call get_time for Paris"}]
    tools = [TOOL, {**TOOL, "name": "get_time"}]
    first = openai_client.responses.create(model=model, input=asked, tools=tools)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    assert len({call.call_id for call in calls}) == 2
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "fine"} for call in reversed(calls)
    ]
    assert openai_client.responses.create(model=model, input=[*asked, *first.output, *results], tools=tools).output_text


@pytest.mark.parametrize("model", CHAT_MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning_and_calls_are_sent_back(openai_client, model, streamed):
    asked = dict(
        model=model,
        tools=[TOOL],
        reasoning={"effort": "high", "summary": "auto"},
        include=["reasoning.encrypted_content"],
        store=False,
        max_output_tokens=4000,
        extra_headers={"x-sim-reasoning": "24"},
    )
    if streamed:
        with openai_client.responses.stream(input=[QUESTION], **asked) as stream:
            first = stream.get_final_response()
    else:
        first = openai_client.responses.create(input=[QUESTION], **asked)
    kinds = [item.type for item in first.output]
    # Before a call Cohere says what it plans, as text.
    assert kinds == ["message" if model.startswith("command") else "reasoning", "function_call"]
    assert first.usage.output_tokens_details.reasoning_tokens == 24 or model not in NATIVE
    if model.startswith("claude"):
        assert first.output[0].encrypted_content
    call = next(item for item in first.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "22 degrees"}
    second = openai_client.responses.create(input=[QUESTION, *first.output, result], **asked)
    assert second.output_text


@pytest.mark.parametrize("model", CHAT_MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_structured_output(openai_client, model, streamed):
    asked = dict(model=model, input="Name a city.", text_format=City, max_output_tokens=200)
    if streamed:
        with openai_client.responses.stream(**asked) as stream:
            reply = stream.get_final_response()
    else:
        reply = openai_client.responses.parse(**asked)
    assert isinstance(reply.output_parsed, City)


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_tools_of_pydantic_models_are_parsed(openai_client, model):
    class GetWeather(pydantic.BaseModel):
        city: str

    reply = openai_client.responses.parse(
        model=model,
        input="call GetWeather for Paris",
        tools=[openai.pydantic_function_tool(GetWeather)["function"] | {"type": "function"}],
    )
    call = next(item for item in reply.output if item.type == "function_call")
    assert call.name == "GetWeather" and call.parsed_arguments


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_an_image(openai_client, model):
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
    ]
    assert openai_client.responses.create(model=model, input=[{"role": "user", "content": content}]).output_text


@pytest.mark.parametrize("model", TRANSLATED)
@pytest.mark.parametrize(
    "kept",
    [{"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"background": True}],
    ids=lambda kept: next(iter(kept)),
)
def test_what_needs_a_store_is_refused_by_name(openai_client, model, kept):
    with pytest.raises(openai.UnprocessableEntityError, match=next(iter(kept))):
        openai_client.responses.create(model=model, input="Hello", **kept)


@pytest.mark.parametrize("model", TRANSLATED)
def test_tools_that_only_openai_has_are_refused_by_name(openai_client, model):
    with pytest.raises(openai.UnprocessableEntityError, match="web_search"):
        openai_client.responses.create(model=model, input="Hello", tools=[{"type": "web_search"}])


@pytest.mark.parametrize("model", CHAT_MODELS)
@pytest.mark.parametrize(
    ("status", "error"),
    [(401, openai.AuthenticationError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
def test_errors_are_the_sdks_own(openai_client, model, status, error):
    headers = {"x-sim-status": str(status), "x-sim-retry-after": "7"}
    with pytest.raises(error) as caught:
        openai_client.responses.create(model=model, input="Hello", extra_headers=headers)
    assert f"simulated error {status}" in str(caught.value)
    assert caught.value.request_id
    assert caught.value.response.headers.get("retry-after") == "7"


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_an_error_in_a_stream_is_raised(openai_client, model):
    headers = {"x-sim-fault": "error-event", "x-sim-after": "4", "x-sim-tokens": "20"}
    with pytest.raises(openai.APIError):
        for event in openai_client.responses.create(model=model, input="Hello", stream=True, extra_headers=headers):
            assert event.type != "response.completed"
            if event.type in ("error", "response.failed"):
                raise openai.APIError(event.model_dump_json(), request=None, body=None)


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_a_cancelled_task_reaches_the_provider(gateway, provider, model):
    async def scenario():
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key="of-the-client", max_retries=0, timeout=20
        ) as client:
            stream = await client.responses.create(
                model=model, input="Hello", stream=True, extra_headers={"x-sim-rate": "2", "x-sim-tokens": "50"}
            )
            async for event in stream:
                if event.type == "response.output_text.delta":
                    break
            await stream.close()

    with provider.sees_one_client_leave():
        asyncio.run(scenario())
