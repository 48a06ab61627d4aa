//! The bytes of kept counters: a header, then frames of rows. A row is an absolute count, so reading one twice, or
//! an older one before a newer one, charges nothing twice.

use std::io::{self, Write};

use tollgate_limit::{Row, Unit};

const MAGIC: &[u8; 8] = b"TGCOUNT1";
/// id, unit, window, committed
const ROW: usize = 16 + 1 + 8 + 8;
/// Rows of one frame at most.
const ROWS: usize = 1024;
/// length and checksum of a frame, four bytes each
const FRONT: usize = 8;

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a whole frame.
    Whole,
    /// Within a frame: the process was killed while it wrote.
    Torn,
    /// With bytes that nobody wrote, at this offset.
    Corrupt(usize),
}

pub(super) fn write_header(file: &mut impl Write) -> io::Result<()> {
    file.write_all(MAGIC)
}

/// Returns the bytes written.
pub(super) fn write_rows(file: &mut impl Write, rows: &[Row]) -> io::Result<u64> {
    let mut bytes = Vec::with_capacity(FRONT + rows.len().min(ROWS) * ROW);
    let mut written = 0;
    for chunk in rows.chunks(ROWS) {
        let body: Vec<u8> = chunk.iter().flat_map(encode).collect();
        bytes.clear();
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
        file.write_all(&bytes)?;
        written += bytes.len() as u64;
    }
    Ok(written)
}

/// Reads as far as the bytes are sound.
pub(super) fn read(bytes: &[u8], rows: &mut Vec<Row>) -> Ending {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        return if MAGIC.starts_with(bytes) { Ending::Torn } else { Ending::Corrupt(0) };
    };
    while !rest.is_empty() {
        let corrupt = Ending::Corrupt(bytes.len() - rest.len());
        let Some((front, body)) = rest.split_first_chunk::<FRONT>() else { return Ending::Torn };
        let [a, b, c, d, e, f, g, h] = *front;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let checksum = u32::from_le_bytes([e, f, g, h]);
        if length == 0 || length > ROWS * ROW || !length.is_multiple_of(ROW) {
            // File systems may leave zeros where a last write did not arrive.
            return if rest.iter().all(|byte| *byte == 0) { Ending::Torn } else { corrupt };
        }
        let Some((body, after)) = body.split_at_checked(length) else { return Ending::Torn };
        if crc32fast::hash(body) != checksum {
            return if after.iter().all(|byte| *byte == 0) { Ending::Torn } else { corrupt };
        }
        for row in body.chunks_exact(ROW) {
            let Some(row) = decode(row) else { return corrupt };
            rows.push(row);
        }
        rest = after;
    }
    Ending::Whole
}

fn encode(row: &Row) -> [u8; ROW] {
    let mut bytes = [0; ROW];
    let fields = [
        &row.id.to_le_bytes()[..],
        &[row.unit.code()],
        &row.window.to_le_bytes(),
        &row.committed.to_le_bytes(),
    ];
    for (to, from) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
        *to = *from;
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Row> {
    let (id, bytes) = bytes.split_first_chunk::<16>()?;
    let (unit, bytes) = bytes.split_first()?;
    let (window, bytes) = bytes.split_first_chunk::<8>()?;
    let (committed, _) = bytes.split_first_chunk::<8>()?;
    Some(Row {
        id: u128::from_le_bytes(*id),
        unit: Unit::from_code(*unit)?,
        window: u64::from_le_bytes(*window),
        committed: u64::from_le_bytes(*committed),
    })
}

#[cfg(test)]
mod tests;
