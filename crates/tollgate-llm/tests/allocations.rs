//! A long prompt that passes through is looked at and never parsed: allocations do not grow with it.

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use tollgate_llm::{Call, Target, inspect, prepare};
use tollgate_types::{ApiSchema, Endpoint, ModelId};

/// A chat of many messages, so that a parse into a tree would show.
fn chat(kib: usize, rest: &str) -> Bytes {
    let message = r#"{"role":"user","content":"The quick brown fox said \"hello\" to the lazy dog.\n"},"#;
    let messages = message.repeat(kib * 1024 / message.len());
    Bytes::from(format!(r#"{{"model":"gpt-4o-mini","messages":[{}]{rest}}}"#, messages.trim_end_matches(',')))
}

/// What it takes to inspect a body and to prepare one attempt.
fn cost(body: &Bytes, model_override: Option<&ModelId>) -> AllocationInfo {
    let target = Target { schema: ApiSchema::OpenAi, prefix: "v1".to_owned(), version: None };
    let endpoint = Endpoint::ChatCompletions;
    measure(|| {
        let inspected = inspect(endpoint, body).expect("the test's own request");
        let call = Call {
            endpoint,
            body,
            inspected: &inspected,
            target: &target,
            model_override,
            mutations: &[],
            query: None,
            beta: None,
            now: 0,
        };
        drop(prepare(&call).expect("the test's own request"));
    })
}

#[test]
fn a_prompt_of_400_kib_takes_the_allocations_of_one_kib() {
    let (short, long) = (chat(1, ""), chat(400, ""));
    let (few, many) = (cost(&short, None), cost(&long, None));
    assert_eq!(many.count_total, few.count_total);
    assert_eq!(many.bytes_total, few.bytes_total);
    assert!(many.count_total <= 16 && many.bytes_total <= 4096, "{many:?}");
}

#[test]
fn a_patched_prompt_is_copied_once() {
    let other = ModelId::from("gpt-4o");
    let patches = [("", Some(&other)), (r#","stream":true"#, None), (r#","stream":true"#, Some(&other))];
    for (rest, model_override) in patches {
        let (short, long) = (chat(1, rest), chat(400, rest));
        let (few, many) = (cost(&short, model_override), cost(&long, model_override));
        assert_eq!(many.count_total, few.count_total, "{rest}");
        assert!(many.count_total <= 24, "{many:?}");
        let copied = many.bytes_total - few.bytes_total;
        assert_eq!(copied, (long.len() - short.len()) as u64, "{rest}");
    }
}
