use super::*;

fn rows(count: u64) -> Vec<Row> {
    let row = |n| Row { id: u128::from(n) << 64 | 7, unit: Unit::Hour, window: 3600 * n, committed: n };
    (1..=count).map(row).collect()
}

fn written(count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_header(&mut bytes).expect("memory");
    for row in rows(count) {
        write_rows(&mut bytes, &[row]).expect("memory");
    }
    bytes
}

fn read_back(bytes: &[u8]) -> (Vec<Row>, Ending) {
    let mut rows = Vec::new();
    let ending = read(bytes, &mut rows);
    (rows, ending)
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(read_back(&written(5)), (rows(5), Ending::Whole));
    let mut bytes = Vec::new();
    write_header(&mut bytes).expect("memory");
    write_rows(&mut bytes, &rows(3000)).expect("memory");
    assert_eq!(read_back(&bytes), (rows(3000), Ending::Whole));
}

#[test]
fn a_tail_torn_anywhere_costs_only_its_frame() {
    let bytes = written(3);
    let frame = FRONT + ROW;
    for end in 0..bytes.len() {
        let (rows, ending) = read_back(&bytes[..end]);
        assert_eq!(rows.len(), end.saturating_sub(MAGIC.len()) / frame, "{end}");
        let whole = end >= MAGIC.len() && (end - MAGIC.len()).is_multiple_of(frame);
        assert_eq!(ending, if whole { Ending::Whole } else { Ending::Torn }, "{end}");
    }
    let mut zeros = bytes.clone();
    zeros.extend([0; 100]);
    assert_eq!(read_back(&zeros), (rows(3), Ending::Torn));
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let bytes = written(3);
    for byte in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[byte] ^= 0x10;
        let (read, ending) = read_back(&bad);
        assert_ne!(ending, Ending::Whole, "{byte}");
        assert!(rows(3).starts_with(&read), "{byte}: no row that was not written");
    }
}

#[test]
fn other_files_are_not_taken_for_ours() {
    assert_eq!(read_back(b"hello, world"), (vec![], Ending::Corrupt(0)));
}
