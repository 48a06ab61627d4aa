use proptest::prelude::*;

use super::*;

#[test]
fn chunks_told_by_their_beginning_are_read_as_those_that_are_walked() {
    let chunks = [
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"\"finish_reason\":"},"finish_reason":null}],"usage":null}"#,
        r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null},{"index":1,"delta":{"content":"b"},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"#,
    ];
    let (mut told, mut walked) =
        (Meter::new(Endpoint::ChatCompletions), Meter::new(Endpoint::ChatCompletions));
    for chunk in chunks {
        told.event(None, chunk.as_bytes());
        // A space is enough to have it walked.
        walked.event(None, chunk.replace("[{\"index\"", "[ {\"index\"").as_bytes());
        assert_eq!(
            (told.pieces, told.end, told.choices),
            (walked.pieces, walked.end, walked.choices),
            "{chunk}"
        );
    }
    assert_eq!((told.pieces, told.end), (5, End::Open));
}

proptest! {
    #[test]
    fn events_that_fit_the_last_one_are_read_as_if_there_had_been_none(
        events in prop::collection::vec((0_usize..7, r#"[a:]?(\\["nu])?("?(usage|finish_reason|choices)"?:?)?[a,}]?"#), 1..12),
    ) {
        let (mut by_pattern, mut without) =
            (Meter::new(Endpoint::ChatCompletions), Meter::new(Endpoint::ChatCompletions));
        for (kind, text) in events {
            let end = [
                r#""},"finish_reason":null}]}"#,
                r#""},"finish_reason":null}],"usage":null}"#,
                r#""},"finish_reason":"stop"}]}"#,
                r#""},"finish_reason":null}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
                r#""},"finish_reason":null},{"index":1,"delta":{"content":"b"},"finish_reason":null}]}"#,
                r#"","finish_reason":null},"finish_reason":null}]}"#,
                "",
            ][kind];
            let event = format!("{{\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}{end}");
            without.pattern = Pattern::default();
            prop_assert_eq!(
                by_pattern.event(None, event.as_bytes()),
                without.event(None, event.as_bytes())
            );
            prop_assert_eq!(
                (by_pattern.pieces, by_pattern.end, by_pattern.choices, by_pattern.usage()),
                (without.pieces, without.end, without.choices, without.usage())
            );
        }
    }
}

#[test]
fn a_gemini_stream_is_complete_when_every_candidate_has_its_reason() {
    let mut meter = Meter::new(Endpoint::StreamGenerateContent);
    meter.event(None, br#"{"candidates":[{"content":{"parts":[{"text":"a \"finishReason\": \"STOP\""}]}}],"usageMetadata":{"promptTokenCount":4}}"#);
    meter.event(None, br#"{"candidates":[{"content":{"parts":[{"text":"b"}]},"index":1,"finishReason":"STOP"}],"modelVersion":"m"}"#);
    assert_eq!((meter.is_complete(), meter.pieces, meter.model()), (false, 2, Some("m")));
    meter.event(None, br#"{"candidates":[{"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":2,"totalTokenCount":11}}"#);
    assert!(meter.is_complete());
    assert_eq!(meter.tally().counts, Counts::Final);
    let tokens = |count| Some(tollgate_types::Tokens(count));
    let usage = meter.usage();
    assert_eq!((usage.input, usage.output, usage.reasoning), (tokens(4), tokens(7), tokens(2)));
    let mut blocked = Meter::new(Endpoint::StreamGenerateContent);
    blocked.event(None, br#"{"promptFeedback":{"blockReason":"SAFETY"}}"#);
    assert!(blocked.is_complete());
}
