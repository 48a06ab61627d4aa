"""The SDK of AWS against the simulator itself: its replies are Bedrock's, frames and errors included."""

import json

import boto3
import botocore.config
import botocore.exceptions
import pytest

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = [{"role": "user", "content": [{"text": "Say hello to the world."}]}]
WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
MESSAGES = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "Say hello to the world."}],
}


@pytest.fixture(scope="session")
def bedrock(simulator):
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=simulator,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="not-a-secret",
        config=botocore.config.Config(retries={"max_attempts": 1, "mode": "standard"}),
    )


@pytest.mark.parametrize("model", [CLAUDE, PROFILE])
def test_converse(bedrock, model):
    reply = bedrock.converse(
        modelId=model, messages=HELLO, inferenceConfig={"maxTokens": 5}, additionalModelRequestFields=THINKING
    )
    reasoning, text = reply["output"]["message"]["content"]
    assert reasoning["reasoningContent"]["reasoningText"]["signature"]
    assert text["text"] == "The quick brown fox jumps"
    assert reply["stopReason"] == "max_tokens"
    assert reply["usage"]["totalTokens"] == reply["usage"]["inputTokens"] + reply["usage"]["outputTokens"]
    assert reply["ResponseMetadata"]["RequestId"]


def test_converse_stream(bedrock):
    stream = bedrock.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]
    events = list(stream)
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(deltas).startswith("The quick brown")
    assert "messageStop" in events[-2] and events[-1]["metadata"]["usage"]["outputTokens"] == len(deltas)


def test_converse_stream_with_tools(bedrock):
    stream = bedrock.converse_stream(
        modelId=CLAUDE,
        messages=[{"role": "user", "content": [{"text": "call get_weather"}]}],
        toolConfig={"tools": [WEATHER]},
    )["stream"]
    events = list(stream)
    starts = [event["contentBlockStart"]["start"] for event in events if "contentBlockStart" in event]
    assert [start["toolUse"]["name"] for start in starts] == ["get_weather"]
    pieces = [event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in events if "contentBlockDelta" in event]
    assert json.loads("".join(pieces)) == {"city": "fox"}


def test_invoke(bedrock):
    reply = json.load(bedrock.invoke_model(modelId=CLAUDE, body=json.dumps(MESSAGES))["body"])
    assert reply["content"][0]["text"] == "The quick brown fox jumps"


def test_invoke_stream(bedrock):
    body = bedrock.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(MESSAGES))["body"]
    events = [json.loads(event["chunk"]["bytes"]) for event in body]
    assert events[0]["type"] == "message_start" and events[-1]["type"] == "message_stop"


def test_count_tokens(bedrock):
    converse = bedrock.count_tokens(modelId=CLAUDE, input={"converse": {"messages": HELLO}})
    invoke = bedrock.count_tokens(modelId=CLAUDE, input={"invokeModel": {"body": json.dumps(MESSAGES)}})
    assert converse["inputTokens"] == invoke["inputTokens"] == 6


def test_embeddings(bedrock):
    titan = bedrock.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=json.dumps({"inputText": "hello"}))
    assert len(json.load(titan["body"])["embedding"]) == 8
    texts = {"texts": ["hello", "world"], "input_type": "search_query"}
    cohere = bedrock.invoke_model(modelId="cohere.embed-english-v3", body=json.dumps(texts))
    assert len(json.load(cohere["body"])["embeddings"]) == 2


@pytest.mark.parametrize(
    ("model", "code", "status"),
    [
        ("sim-403", "AccessDeniedException", 403),
        ("sim-429", "ThrottlingException", 429),
        ("sim-500", "InternalServerException", 500),
        ("sim-503", "ServiceUnavailableException", 503),
    ],
)
def test_errors(bedrock, model, code, status):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        bedrock.converse(modelId=model, messages=HELLO)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.response["ResponseMetadata"]["RequestId"]


def test_error_in_a_stream(bedrock):
    with pytest.raises(botocore.exceptions.EventStreamError, match="throttlingException"):
        list(bedrock.converse_stream(modelId="sim-error-event", messages=HELLO)["stream"])
