use proptest::prelude::*;
use prost::Message as _;

use super::*;

/// Enough of everything that a message can hold.
#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint64, tag = "2")]
    number: u64,
    #[prost(fixed64, tag = "3")]
    fixed: u64,
    #[prost(float, tag = "4")]
    float: f32,
    #[prost(message, optional, boxed, tag = "5")]
    inner: Option<Box<Sample>>,
    #[prost(message, repeated, tag = "6")]
    list: Vec<Sample>,
    #[prost(btree_map = "string, message", tag = "7")]
    map: std::collections::BTreeMap<String, Sample>,
    #[prost(sint32, repeated, tag = "1000")]
    packed: Vec<i32>,
}

fn named(name: &str) -> Sample {
    Sample { name: name.to_owned(), ..Sample::default() }
}

fn read(sample: &Sample) -> Message {
    Message::parse(sample.encode_to_vec()).unwrap()
}

fn back(message: &Message) -> Sample {
    Sample::decode(message.encode()).unwrap()
}

fn sample() -> Sample {
    Sample {
        name: "a".to_owned(),
        number: 7,
        fixed: 1,
        float: 0.5,
        inner: Some(Box::new(named("inner"))),
        list: vec![named("x"), named("y"), named("z")],
        map: [("k".to_owned(), named("v")), ("l".to_owned(), named("w"))].into(),
        packed: vec![1, -1, 300],
    }
}

#[test]
fn what_is_set_stands_where_it_stood() {
    let mut message = read(&sample());
    message.set_bytes(1, "b");
    message.set_uint(2, 9);
    let want = Sample { name: "b".to_owned(), number: 9, ..sample() };
    assert_eq!(message.encode(), want.encode_to_vec());
}

#[test]
fn setting_what_is_there_already_changes_nothing() {
    let mut message = read(&sample());
    message.set_bytes(1, "a");
    message.set_entry(7, "k", named("v").encode_to_vec()).unwrap();
    message.remove(99);
    message
        .edit(5, |inner| {
            inner.set_bytes(1, "inner");
            Ok(())
        })
        .unwrap();
    assert!(!message.is_changed());
}

#[test]
fn messages_are_edited_inside_messages() {
    let mut message = read(&sample());
    message
        .edit(5, |inner| {
            inner.edit(5, |deeper| {
                deeper.set_bytes(1, "new");
                Ok(())
            })
        })
        .unwrap();
    message
        .edit_each(6, |index, item| {
            if index == 1 {
                item.set_uint(2, 5);
            }
            Ok(())
        })
        .unwrap();
    let mut want = sample();
    want.inner = Some(Box::new(Sample { inner: Some(Box::new(named("new"))), ..named("inner") }));
    want.list[1].number = 5;
    assert_eq!(back(&message), want);
}

#[test]
fn items_are_inserted_before_others_and_after_all() {
    let mut message = read(&sample());
    message.insert(6, 2, named("before z").encode_to_vec());
    message.insert(6, 99, named("last").encode_to_vec());
    let names: Vec<_> = back(&message).list.into_iter().map(|item| item.name).collect();
    assert_eq!(names, ["x", "y", "before z", "z", "last"]);
}

#[test]
fn entries_of_maps_are_found_by_key() {
    let mut message = read(&sample());
    assert_eq!(message.entry(7, "l").unwrap().unwrap().text(1), "w");
    assert!(message.entry(7, "none").unwrap().is_none());
    message
        .edit_entry(7, "k", |value| {
            value.set_bytes(1, "other");
            Ok(())
        })
        .unwrap();
    message
        .edit_entry(7, "new", |value| {
            value.set_uint(2, 1);
            Ok(())
        })
        .unwrap();
    let map = back(&message).map;
    assert_eq!((&*map["k"].name, &*map["l"].name, map["new"].number), ("other", "w", 1));
    assert_eq!(map.len(), 3);
}

#[test]
fn a_message_in_several_pieces_is_one() {
    let mut twice = named("first").encode_to_vec();
    let mut whole = Message::default();
    whole.push(5, twice.clone());
    whole.push(5, Sample { number: 3, ..Sample::default() }.encode_to_vec());
    let inner = whole.message(5).unwrap().unwrap();
    assert_eq!((inner.text(1), inner.uint(2)), ("first", 3));
    // Of two values the last counts, and one remains when it is set.
    twice.extend(named("second").encode_to_vec());
    let mut message = Message::parse(twice).unwrap();
    assert_eq!(message.text(1), "second");
    message.set_bytes(1, "third");
    assert_eq!(message.encode(), named("third").encode_to_vec());
}

#[test]
fn groups_and_long_numbers_pass_as_they_are() {
    // A number written with more bytes than it needs, a group with a field, a fixed number.
    let odd = [0x10, 0x81, 0x00, 0x1b, 0x08, 0x01, 0x1c, 0x25, 1, 2, 3, 4];
    let mut message = Message::parse(odd.to_vec()).unwrap();
    assert_eq!(message.uint(2), 1);
    message.push(9, "x");
    assert_eq!(message.encode()[..odd.len()], odd);
}

#[test]
fn what_is_no_message_is_refused() {
    for wrong in
        [&[0x0a][..], &[0x0a, 5, 1], &[0x00], &[0x0f, 1], &[0x1b, 0x14], &[0x25, 1], &[0x08], &[0xff; 11]]
    {
        assert!(Message::parse(wrong.to_vec()).is_err(), "{wrong:x?}");
    }
    let deep = [0x1b; 200];
    assert!(Message::parse(deep.to_vec()).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_come_back_as_they_are(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let Ok(message) = Message::parse(bytes.clone()) else { return Ok(()) };
        prop_assert_eq!(&message.encode()[..], &bytes[..]);
        // Put together from its fields as well.
        let mut copy = message.clone();
        copy.push(15, "mark");
        prop_assert_eq!(&copy.encode()[..bytes.len()], &bytes[..]);
        copy.remove(15);
        if !message.has(15) {
            prop_assert_eq!(&copy.encode()[..], &bytes[..]);
        }
    }

    #[test]
    fn one_edit_leaves_every_other_field(name in ".{0,9}", number: u64, packed: Vec<i32>, new in ".{0,9}") {
        let before = Sample { name, number, packed, ..sample() };
        let mut message = read(&before);
        message.set_bytes(1, new.clone());
        prop_assert_eq!(back(&message), Sample { name: new, ..before });
    }
}
