use proptest::prelude::*;

use super::*;

const TYPE: &[u8] = b"multipart/form-data; boundary=\"a b\"";

/// A form as clients write it.
fn form(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut out = String::new();
    for (disposition, value) in parts {
        out += &format!("--a b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n");
    }
    (out + "--a b--\r\n").into_bytes()
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<Field>, bool), Malformed> {
    let mut scanner = Scanner::new("a b", 8);
    let mut fields = Vec::new();
    for piece in pieces {
        let mut at = 0;
        while let Some(field) = scanner.next(piece, &mut at)? {
            fields.push(field);
        }
    }
    Ok((fields, scanner.is_complete()))
}

fn refused(body: &[u8]) -> &'static str {
    read([body]).expect_err("nobody should read this").0
}

#[test]
fn fields_are_found_wherever_a_form_is_cut() {
    let file = "RIFF\r\n--a\r\n--a \r\n\r\n--a c\r";
    let body = form(&[("name=\"file\"; filename=\"x\"", file), ("name=model", "whisper"), ("name=\"\"", "")]);
    let (fields, complete) = read([&*body]).unwrap();
    assert!(complete);
    let told: Vec<_> = fields.iter().map(|field| (&*field.name, field.is_file, &*field.value)).collect();
    assert_eq!(told, [("file", true, &b"RIFF\r\n--"[..]), ("model", false, b"whisper"), ("", false, b"")]);
    for field in &fields {
        let range = usize::try_from(field.range.start).unwrap()..usize::try_from(field.range.end).unwrap();
        assert!(body[range.clone()].starts_with(&field.value));
        assert!(body[range.end..].starts_with(b"\r\n--a b"));
    }
    assert_eq!(fields[0].whole(), None);
    assert_eq!(fields[1].whole(), Some(&b"whisper"[..]));
    for at in 0..body.len() {
        let (left, right) = body.split_at(at);
        assert_eq!(read([left, right]), Ok((fields.clone(), true)), "cut at {at}");
    }
    assert_eq!(read(body.chunks(1)), Ok((fields, true)));
}

#[test]
fn a_part_under_way_shows_what_is_kept_of_it() {
    let body = form(&[("name=file; filename=x", "0123456789")]);
    let mut scanner = Scanner::new("a b", 4);
    let cut = body.len() - 14;
    assert_eq!(scanner.next(&body[..cut], &mut 0), Ok(None));
    let part = scanner.current().unwrap();
    assert_eq!((&*part.name, &*part.value, part.is_file), ("file", &b"0123"[..], true));
}

#[test]
fn forms_that_parsers_read_in_two_ways_are_refused() {
    let part = |head: &str| format!("--a b\r\n{head}\r\n\r\nx\r\n--a b--").into_bytes();
    for (head, reason) in [
        ("Content-Disposition: form-data; name=a; name=b", "two names"),
        ("Content-Disposition: form-data; name*=utf-8''model", "encoded"),
        (
            "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
            "two dispositions",
        ),
        ("Content-Disposition: form-data;\r\n name=a", "folded"),
        ("Content-Disposition: form-data; name=a\nX: y", "line end"),
        ("Content-Disposition : form-data; name=a", "blanks"),
        ("Content-Disposition: form-data; name=\"a", "parameter"),
        ("Content-Disposition: form-data; name=\"a\"b", "parameter"),
        ("Content-Disposition: attachment; name=a", "no form-data"),
        ("Content-Disposition: form-data; filename=a", "no name"),
        ("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64", "transfer-encoding"),
        ("X: y", "no content-disposition"),
        ("x", "no colon"),
    ] {
        assert!(refused(&part(head)).contains(reason), "{head}");
    }
    assert!(refused(b"--a b\n").contains("other text"));
    assert!(refused(b"--a bc\r\n").contains("other text"));
    assert!(refused(b"--a b\r\nContent-Disposition: form-data; name=a\r\n\r\n--a b--").contains("no body"));
    assert!(refused(b"--a b--\r\n--a b\r\n").contains("behind"));
    assert!(refused(&[b"--a b\r\n", &[b'x'; HEAD + 1][..]].concat()).contains("too long"));
}

#[test]
fn boundaries_are_read_as_clients_write_them() {
    assert_eq!(boundary(TYPE), Some(Ok("a b".to_owned())));
    assert_eq!(boundary(b"Multipart/Form-Data;charset=x; Boundary=--W/:=1 "), Some(Ok("--W/:=1".to_owned())));
    assert_eq!(boundary(br#"multipart/form-data; boundary="\"\\""#), Some(Ok("\"\\".to_owned())));
    assert_eq!(boundary(b"application/json"), None);
    assert_eq!(boundary(b"multipart/mixed; boundary=a"), None);
    for broken in [
        &b"multipart/form-data"[..],
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=a; boundary=b",
        b"multipart/form-data; boundary=a b",
        b"multipart/form-data; boundary=\"a",
        b"multipart/form-data; boundary=\"a \"",
        &[b"multipart/form-data; boundary=", &[b'a'; 71][..]].concat(),
    ] {
        assert!(matches!(boundary(broken), Some(Err(_))), "{}", String::from_utf8_lossy(broken));
    }
}

proptest! {
    #[test]
    fn however_a_form_is_cut_it_reads_alike(
        values in prop::collection::vec("[ab\r\n -]{0,12}", 0..4),
        broken in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        step in 1_usize..9,
    ) {
        let parts: Vec<_> = values.iter().map(|value| ("name=\"x\"", value.as_str())).collect();
        let mut body = form(&parts);
        if let Some((at, byte)) = broken {
            let at = at.index(body.len());
            body[at] = byte;
        }
        prop_assert_eq!(read([&*body]), read(body.chunks(step)));
    }
}
