use flate2::Compression;
use proptest::prelude::*;

use super::*;

const ALL: [Encoding; 4] = [Encoding::Gzip, Encoding::Deflate, Encoding::Brotli, Encoding::Zstd];

fn encode(encoding: Encoding, text: &[u8]) -> Vec<u8> {
    fn with(mut writer: impl Write, text: &[u8]) {
        writer.write_all(text).unwrap();
        writer.flush().unwrap();
    }
    let mut out = Vec::new();
    match encoding {
        Encoding::Gzip => with(flate2::write::GzEncoder::new(&mut out, Compression::fast()), text),
        Encoding::Deflate => with(flate2::write::ZlibEncoder::new(&mut out, Compression::fast()), text),
        Encoding::Brotli => with(brotli::CompressorWriter::new(&mut out, 4096, 4, 20), text),
        Encoding::Zstd => out = zstd::encode_all(text, 1).unwrap(),
    }
    out
}

fn decode(encoding: Encoding, chunks: &[&[u8]]) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(encoding, 100_000)?;
    let mut out = Vec::new();
    for chunk in chunks {
        decoder.push(chunk, &mut out)?;
    }
    decoder.finish(&mut out)?;
    Ok(out)
}

#[test]
fn names_are_read_as_the_registry_has_them() {
    assert_eq!(Encoding::parse(" GZIP "), Some(Encoding::Gzip));
    assert_eq!(Encoding::parse("br"), Some(Encoding::Brotli));
    assert_eq!(Encoding::parse("gzip, br"), None);
    assert_eq!(Encoding::parse("identity"), None);
}

#[test]
fn raw_deflate_is_told_from_zlib() {
    let mut raw = Vec::new();
    flate2::write::DeflateEncoder::new(&mut raw, Compression::fast()).write_all(b"hello hello").unwrap();
    let bytes: Vec<_> = raw.chunks(1).collect();
    assert_eq!(decode(Encoding::Deflate, &bytes).unwrap(), b"hello hello");
}

#[test]
fn what_was_flushed_comes_out_at_once() {
    let mut wire = Vec::new();
    let mut encoder = flate2::write::GzEncoder::new(&mut wire, Compression::fast());
    encoder.write_all(b"data: 1\n\n").unwrap();
    encoder.flush().unwrap();
    let first = encoder.get_ref().len();
    encoder.write_all(b"data: 2\n\n").unwrap();
    encoder.finish().unwrap();

    let mut decoder = Decoder::new(Encoding::Gzip, 100).unwrap();
    let mut out = Vec::new();
    decoder.push(&wire[..first], &mut out).unwrap();
    assert_eq!(out, b"data: 1\n\n");
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    for encoding in ALL {
        let bomb = encode(encoding, &vec![0; 10_000_000]);
        let mut out = Vec::new();
        let mut decoder = Decoder::new(encoding, 50_000).unwrap();
        let result = bomb.chunks(1000).try_for_each(|chunk| decoder.push(chunk, &mut out));
        assert_eq!(result, Err(DecodeError::TooLarge(50_000)), "{encoding}");
        assert!(out.len() <= 50_000);
    }
}

#[test]
fn a_cut_gzip_or_brotli_body_is_an_error() {
    for encoding in [Encoding::Gzip, Encoding::Brotli] {
        let wire = encode(encoding, b"hello, this is a body that is long enough to be cut");
        assert_eq!(decode(encoding, &[&wire[..wire.len() / 2]]), Err(DecodeError::Broken(encoding)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_encoded_is_decoded_whatever_the_cuts(
        text in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 1..3000),
        size in 1_usize..40,
    ) {
        for encoding in ALL {
            let wire = encode(encoding, &text);
            let chunks: Vec<_> = wire.chunks(size).collect();
            prop_assert_eq!(decode(encoding, &chunks), Ok(text.clone()), "{}", encoding);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for encoding in ALL {
            let _ = decode(encoding, &[&bytes]);
        }
    }
}
