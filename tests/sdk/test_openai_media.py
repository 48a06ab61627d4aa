"""The official OpenAI SDK at everything that is no text: pictures, sound, files, batches, sessions."""

import base64
import io
import json

import openai
import pytest

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
)
SOUND = b"RIFF" + bytes(range(256)) * 4000
IMAGE_MODELS = ["gpt-image-1", "gpt-image-on-azure"]


@pytest.fixture(params=["gateway", "simulator"])
def client(request, openai_client, simulator):
    """The same calls have to work at the simulated provider itself."""
    if request.param == "gateway":
        return openai_client
    return openai.OpenAI(base_url=f"{simulator}/v1", api_key="of-the-client", max_retries=0, timeout=20)


def picture():
    return ("pixel.png", io.BytesIO(PIXEL), "image/png")


def sound(bytes_=SOUND):
    return ("speech.wav", io.BytesIO(bytes_), "audio/wav")


def last_sent(simulator):
    import urllib.request

    with urllib.request.urlopen(f"{simulator}/_sim/last") as reply:
        return json.load(reply)[-1]


@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_images_are_generated(client, model):
    reply = client.images.generate(model=model, prompt="a grey cat", n=2)
    assert [base64.b64decode(image.b64_json)[:4] for image in reply.data] == [b"\x89PNG"] * 2
    assert reply.usage.output_tokens == 544
    assert reply.usage.total_tokens == reply.usage.input_tokens + 544


def test_images_are_streamed(client):
    stream = client.images.generate(model="gpt-image-1", prompt="a cat", stream=True, partial_images=1)
    events = list(stream)
    assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]
    assert events[-1].usage.output_tokens == 272


@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_images_are_edited(openai_client, simulator, model):
    reply = openai_client.images.edit(model=model, prompt="paint it red", image=[picture(), picture()])
    assert reply.usage.input_tokens_details.image_tokens == 544
    sent = last_sent(simulator)
    assert sent["path"].endswith("/images/edits")
    if model == "gpt-image-on-azure":
        assert sent["path"] == "/openai/deployments/gpt-image-deployment/images/edits"
        assert "gpt-image-deployment" in sent["body"] and model not in sent["body"]


def test_images_are_edited_as_a_stream(client):
    stream = client.images.edit(model="gpt-image-1", prompt="red", image=picture(), stream=True)
    assert [event.type for event in stream][-1] == "image_edit.completed"


def test_images_are_varied_also_without_a_model(client):
    assert client.images.create_variation(model="dall-e-2", image=picture(), n=2).data[1].url
    assert client.images.create_variation(image=picture()).data[0].url


def test_text_is_spoken(client, tmp_path):
    target = tmp_path / "speech.mp3"
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello there."
    ) as reply:
        assert reply.headers["content-type"] == "audio/mpeg"
        reply.stream_to_file(target)
    assert target.read_bytes().startswith(b"ID3")
    whole = client.audio.speech.create(model="tts-1", voice="alloy", input="Hi.", response_format="wav")
    assert whole.response.headers["content-type"] == "audio/wav"


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
def test_sound_is_written_down(client, model):
    reply = client.audio.transcriptions.create(model=model, file=sound())
    assert reply.text
    if model == "gpt-4o-transcribe":
        assert reply.usage.input_tokens > 0 and reply.usage.output_tokens > 0
    else:
        assert reply.usage.seconds == 33


@pytest.mark.parametrize("form, wanted", [("text", " "), ("srt", "-->"), ("vtt", "WEBVTT")])
def test_sound_is_written_down_as_plain_text(client, form, wanted):
    reply = client.audio.transcriptions.create(model="whisper-1", file=sound(), response_format=form)
    assert wanted in reply


def test_a_transcription_is_streamed(client):
    stream = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound(), stream=True)
    events = list(stream)
    assert {event.type for event in events[:-1]} == {"transcript.text.delta"}
    assert events[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text


def test_sound_is_translated(client):
    reply = client.audio.translations.create(model="whisper-1", file=sound(), response_format="verbose_json")
    assert (reply.language, reply.task) == ("english", "translate")
    assert client.audio.translations.create(model="whisper-1", file=sound()).text


def test_another_model_is_asked_in_the_form(openai_client, simulator):
    openai_client.audio.transcriptions.create(model="whisper-here", file=sound(), language="de")
    body = last_sent(simulator)["body"]
    assert 'name="model"\r\n\r\nwhisper-there\r\n' in body and "whisper-here" not in body
    assert 'name="language"\r\n\r\nde' in body


def test_errors_of_forms_are_those_of_the_sdk(openai_client):
    with pytest.raises(openai.RateLimitError) as error:
        openai_client.audio.transcriptions.create(model="sim-429", file=sound())
    assert error.value.status_code == 429
    with pytest.raises(openai.NotFoundError, match="is not configured"):
        openai_client.audio.transcriptions.create(model="nobody", file=sound())
    with pytest.raises(openai.BadRequestError, match="not supported by backends"):
        openai_client.audio.speech.create(model="claude-sonnet-5", voice="alloy", input="Hi.")


def test_moderations_may_leave_the_model_out(client):
    assert not client.moderations.create(input="hello").results[0].flagged
    assert client.moderations.create(model="omni-moderation-latest", input="hello").model


def test_input_tokens_are_counted(client):
    reply = client.responses.input_tokens.count(model="gpt-4o-mini", input="How are you today?")
    assert reply.input_tokens > 0


def test_one_model_is_shown(openai_client):
    assert openai_client.models.retrieve("gpt-4o-mini").id == "gpt-4o-mini"
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("gpt-nobody")


def test_files_come_and_go(client):
    made = client.files.create(file=("notes.txt", b"some text"), purpose="user_data")
    assert client.files.retrieve(made.id).filename == "notes.txt"
    assert client.files.content(made.id).read() == b"some text"
    assert made.id in [file.id for file in client.files.list()]
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_a_batch_runs_where_its_model_is(openai_client, simulator):
    request = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}
    lines = [json.dumps({**request, "custom_id": name, "body": {"model": "gpt-on-azure"}}) for name in "ab"]
    upload = openai_client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    assert last_sent(simulator)["path"] == "/openai/files"
    batch = openai_client.batches.create(
        input_file_id=upload.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert openai_client.batches.retrieve(batch.id).status == "completed"
    output = openai_client.files.content(batch.output_file_id).text
    assert [json.loads(line)["custom_id"] for line in output.splitlines()] == ["a", "b"]
    assert openai_client.batches.cancel(batch.id).status == "cancelled"
    assert batch.id in [one.id for one in openai_client.batches.list(extra_query={"model": "gpt-on-azure"})]


@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-on-azure"])
def test_a_realtime_session_is_held(openai_client, simulator, model):
    with openai_client.realtime.connect(model=model) as session:
        assert session.recv().type == "session.created"
        session.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        assert session.recv().type == "session.updated"
        session.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello!"}]}
        )
        session.response.create()
        text = ""
        for event in session:
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.done":
                assert event.response.usage.output_tokens == 8
                break
        assert len(text.split()) == 8
    sent = [one for one in [last_sent(simulator)] if one["path"].endswith("/realtime")][0]
    if model == "gpt-realtime-on-azure":
        assert sent["path"] == "/openai/realtime" and "deployment=realtime-deployment" in sent["query"]


def test_a_session_for_nobody_is_refused(openai_client):
    with pytest.raises(Exception, match="404"):
        with openai_client.realtime.connect(model="nobody"):
            pass
