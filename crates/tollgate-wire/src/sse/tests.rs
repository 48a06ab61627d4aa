use proptest::prelude::*;

use super::*;

type Seen = Vec<(Option<String>, Option<String>)>;

fn split(chunks: &[&[u8]]) -> Seen {
    let mut splitter = Splitter::new(1000);
    let own = |event: Event<'_>| {
        (event.name.map(str::to_owned), event.data.map(|data| data.escape_ascii().to_string()))
    };
    let mut seen = Vec::new();
    for chunk in chunks {
        let mut at = 0;
        while let Some(event) = splitter.next(chunk, &mut at).unwrap() {
            seen.push(own(event));
        }
        assert_eq!(at, chunk.len());
    }
    seen.extend(splitter.finish().map(own));
    seen
}

/// The events alone: blocks without data are left out.
fn events(chunks: &[&[u8]]) -> Seen {
    let mut seen = split(chunks);
    seen.retain(|(_, data)| data.is_some());
    seen
}

fn event(name: Option<&str>, data: &str) -> (Option<String>, Option<String>) {
    (name.map(str::to_owned), Some(data.to_owned()))
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let table: [(&[u8], Seen); 12] = [
        (b"data: a\n\n", vec![event(None, "a")]),
        (b"data:a\n\ndata:  b\n\n", vec![event(None, "a"), event(None, " b")]),
        (b"event: x\ndata: 1\ndata: 2\ndata\n\n", vec![event(Some("x"), "1\\n2\\n")]),
        (b"event: x\r\ndata: 1\r\n\r\ndata: 2\r\r", vec![event(Some("x"), "1"), event(None, "2")]),
        (b"\xef\xbb\xbfdata: a\n\n", vec![event(None, "a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", vec![event(None, "a")]),
        (b": comment\n\n\n\ndata: a\n\n", vec![event(None, "a")]),
        (b"event: only\n\n", vec![]),
        (b"id: 1\nretry: 5\ndatum: x\ndata: a\n\n", vec![event(None, "a")]),
        (b"data: a\n\ndata: last", vec![event(None, "a"), event(None, "last")]),
        (b"data: a\n\nevent: e\ndata: last\n", vec![event(None, "a"), event(Some("e"), "last")]),
        (b"event: \xff\ndata:\n\n", vec![event(None, "")]),
    ];
    for (text, wanted) in table {
        assert_eq!(events(&[text]), wanted, "{}", text.escape_ascii());
        let bytes: Vec<_> = text.chunks(1).collect();
        assert_eq!(events(&bytes), wanted, "{} byte by byte", text.escape_ascii());
    }
}

#[test]
fn an_event_leaves_with_its_blank_line_even_if_that_is_a_lone_cr() {
    let mut splitter = Splitter::new(100);
    let mut at = 0;
    assert!(splitter.next(b"data: a\r\n\r", &mut at).unwrap().is_some());
    let mut at = 0;
    let second = splitter.next(b"\ndata: b\n\n", &mut at).unwrap();
    assert_eq!(second.unwrap().data, Some(&b"b"[..]));
}

#[test]
fn the_lf_of_a_cut_blank_line_belongs_to_the_event_before() {
    for (first, second, taken) in [
        (&b"data: a\r\n\r"[..], &b"\ndata: b\n\n"[..], 1),
        (b"data: a\r\n\r", b"data: b\n\n", 0),
        (b"data: a\r\n\r\n", b"\ndata: b\n\n", 0),
        (b"data: a\r", b"\n\r\n", 0),
        (b"data: a\r\n\r", b"", 0),
    ] {
        let mut splitter = Splitter::new(100);
        assert_eq!(splitter.rest_of_blank_line(first), 0);
        splitter.next(first, &mut 0).unwrap();
        assert_eq!(splitter.rest_of_blank_line(second), taken, "{}", second.escape_ascii());
    }
}

#[test]
fn the_place_behind_an_event_is_exact() {
    let text = b"data: a\n\n: c\n\ndata: b\r\n\r\nrest";
    let mut splitter = Splitter::new(100);
    let (mut at, mut ends) = (0, Vec::new());
    while splitter.next(text, &mut at).unwrap().is_some() {
        ends.push(at);
    }
    assert_eq!(ends, [9, 14, 25]);
}

#[test]
fn an_event_that_never_ends_is_refused() {
    let mut splitter = Splitter::new(10);
    let mut at = 0;
    assert_eq!(splitter.next(b"data: 0123456789", &mut at), Err(TooLarge(10)));
}

#[test]
fn a_whole_event_costs_no_copy() {
    let text = b"event: x\ndata: payload\n\n";
    let mut splitter = Splitter::new(100);
    let mut at = 0;
    let data = splitter.next(text, &mut at).unwrap().unwrap().data.unwrap();
    assert!(text.as_ptr_range().contains(&data.as_ptr()));
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        lines in prop::collection::vec("(data|event|id|)[: ]{0,2}[a-z\u{e9}]{0,5}(\n|\r|\r\n|\n\n)", 0..20),
        cuts in prop::collection::vec(1_usize..12, 1..20),
    ) {
        let text = lines.concat().into_bytes();
        let mut rest = &text[..];
        let mut chunks = Vec::new();
        for cut in cuts.iter().cycle() {
            let (chunk, tail) = rest.split_at((*cut).min(rest.len()));
            chunks.push(chunk);
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(events(&chunks), events(&[&text]));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..80), size in 1_usize..9) {
        let chunks: Vec<_> = bytes.chunks(size).collect();
        prop_assert_eq!(events(&chunks), events(&[&bytes]));
    }
}
