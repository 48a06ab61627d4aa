use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1000;

type Seen = Vec<(String, String)>;

/// A frame as a service writes it.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap());
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    framed(&block, payload)
}

fn framed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let size = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut bytes = size(16 + headers.len() + payload.len()).to_vec();
    bytes.extend_from_slice(&size(headers.len()));
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(headers);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

fn event(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.as_bytes())
}

fn split<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<(Seen, bool), BrokenFrame> {
    let mut splitter = Splitter::new(LIMIT);
    let mut seen = Seen::new();
    for chunk in chunks {
        let mut at = 0;
        while let Some(frame) = splitter.next(chunk, &mut at)? {
            seen.push((format!("{:?}", frame.kind), frame.payload.escape_ascii().to_string()));
        }
        assert_eq!(at, chunk.len());
    }
    Ok((seen, splitter.is_between_frames()))
}

fn one(bytes: &[u8]) -> Result<Seen, BrokenFrame> {
    split([bytes]).map(|(seen, _)| seen)
}

#[test]
fn the_frames_of_the_specification_are_read() {
    let empty = [0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
    assert_eq!(one(&empty), Ok(vec![("Event(\"\")".to_owned(), String::new())]));
    let bytes = [event("messageStart", "{\"role\":\"assistant\"}"), event("messageStop", "{}")].concat();
    let wanted =
        [("Event(\"messageStart\")", r#"{\"role\":\"assistant\"}"#), ("Event(\"messageStop\")", "{}")];
    assert_eq!(one(&bytes), Ok(wanted.map(|(kind, data)| (kind.to_owned(), data.to_owned())).to_vec()));
}

#[test]
fn exceptions_and_errors_are_no_events() {
    let exception =
        frame(&[(":message-type", "exception"), (":exception-type", "throttlingException")], b"{}");
    assert_eq!(one(&exception).unwrap()[0].0, "Exception(\"throttlingException\")");
    let headers = [(":error-message", "try later"), (":message-type", "error"), (":error-code", "Internal")];
    let error = one(&frame(&headers, b"")).unwrap();
    assert_eq!(error[0].0, "Error { code: \"Internal\", message: \"try later\" }");
}

#[test]
fn headers_of_every_type_are_stepped_over() {
    let mut headers = Vec::new();
    for (kind, value) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
        headers.extend_from_slice(&[1, b'x', kind]);
        headers.extend(std::iter::repeat_n(0xff, value));
    }
    headers.extend_from_slice(b"\x01x\x06\x00\x02\xff\xff\x0b:event-type\x07\x00\x01e");
    assert_eq!(one(&framed(&headers, b"p")).unwrap(), vec![("Event(\"e\")".to_owned(), "p".to_owned())]);
}

#[test]
fn a_broken_frame_is_told_and_where_it_is_broken() {
    let good = event("messageStop", "{}");
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        one(&bytes)
    };
    for at in 0..12 {
        assert_eq!(flipped(at), Err(BrokenFrame::Prelude), "byte {at}");
    }
    for at in 12..good.len() {
        assert_eq!(flipped(at), Err(BrokenFrame::Message), "byte {at}");
    }
    let lengths = |total: u32, headers: u32| {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        one(&bytes)
    };
    assert_eq!(lengths(1001, 0), Err(BrokenFrame::TooLarge(LIMIT)));
    assert_eq!(lengths(u32::MAX, u32::MAX), Err(BrokenFrame::TooLarge(LIMIT)));
    assert_eq!(lengths(15, 0), Err(BrokenFrame::Lengths));
    assert_eq!(lengths(100, 85), Err(BrokenFrame::Lengths));
    assert_eq!(lengths(100, u32::MAX), Err(BrokenFrame::Lengths));
    for headers in [&b"\x05ab"[..], b"\x01x\x0a", b"\x01x\x07\x00\x09ab", b"\x01x"] {
        assert_eq!(one(&framed(headers, b"")), Err(BrokenFrame::Headers), "{headers:?}");
    }
}

#[test]
fn a_stream_that_ends_inside_a_frame_was_cut() {
    let bytes = event("messageStop", "{}");
    assert_eq!(split([&bytes[..]]).map(|(_, whole)| whole), Ok(true));
    for end in 1..bytes.len() {
        assert_eq!(split([&bytes[..end]]), Ok((Vec::new(), false)), "{end} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_are_the_same_however_they_are_split(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
        cuts in prop::collection::vec(1..50_usize, 1..20),
    ) {
        let bytes: Vec<u8> = payloads.iter().flat_map(|payload| frame(&[(":event-type", "e")], payload)).collect();
        let (mut rest, mut chunks) = (&bytes[..], Vec::new());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, tail) = rest.split_at((*cut).min(rest.len()));
            chunks.push(chunk);
            rest = tail;
        }
        let whole = split([&bytes[..]]);
        prop_assert_eq!(whole.as_ref().map(|(seen, _)| seen.len()), Ok(payloads.len()));
        prop_assert_eq!(&split(chunks), &whole);
        prop_assert_eq!(&split(bytes.chunks(1)), &whole);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = one(&bytes);
        let _ = one(&framed(&bytes, b"payload"));
    }
}
