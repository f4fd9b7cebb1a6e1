//! What a message of Arrow data may say of itself before anything of it is decoded.
//!
//! The decoder allocates what a compressed buffer says it comes to, and a column without buffers may say any number of rows, for
//! which a cast then allocates. A failed allocation ends the server, so both are bounded here by what was really sent.

use arrow::ipc::{CompressionType, Message, MessageHeader, RecordBatch, root_as_message};
use arrow_flight::FlightData;

use crate::error::{Condition, Error, Result};

/// The most bytes that the buffers of one message come to when they are decompressed.
const DECODED_BYTES_MAX: u64 = 256 << 20;
/// The most rows, of one column at any depth.
const ROWS_MAX: u64 = 64 << 20;
/// Rows that a column may have whatever was sent; more need a bit each.
const ROWS_FREE: u64 = 1 << 20;
/// In front of a compressed buffer stands how long it is decompressed (Arrow's format, `BodyCompression`).
const PREFIX_BYTES: usize = 8;
/// Such a buffer is not compressed after all.
const NOT_COMPRESSED: i64 = -1;

/// The bounds of the messages of one call.
#[derive(Debug, Default)]
pub(super) struct MessageBounds {
    /// What the dictionaries come to so far; the decoder keeps them.
    dictionary_bytes: u64,
}

impl MessageBounds {
    /// Refuses a message that would take up more than was sent for it, alone or with the dictionaries before. What cannot be read is
    /// the decoder's to refuse.
    pub(super) fn check(&mut self, message: &FlightData) -> Result<()> {
        let Ok(parsed) = root_as_message(&message.data_header) else { return Ok(()) };
        let Some(batch) = batch_of(&parsed) else { return Ok(()) };
        let decoded = checked_bytes(&batch, &message.data_body)?;
        if parsed.header_type() == MessageHeader::DictionaryBatch {
            self.dictionary_bytes = self.dictionary_bytes.saturating_add(decoded);
        }
        if self.dictionary_bytes <= DECODED_BYTES_MAX { Ok(()) } else { Err(too_large()) }
    }
}

/// What the buffers of `batch` come to.
fn checked_bytes(batch: &RecordBatch<'_>, body: &[u8]) -> Result<u64> {
    if batch.compression().is_some_and(|compression| compression.codec() == CompressionType::LZ4_FRAME) {
        // Its frames are unpacked whole, whatever stands in front of them.
        let error = Error::new(
            Condition::UnsupportedFeature,
            "rows whose buffers are compressed with LZ4 are not taken",
        );
        return Err(error.with_hint("send them compressed with ZSTD, or not compressed"));
    }
    let decoded = decoded_bytes(batch, body).ok_or_else(too_large)?;
    let rows_max = decoded.saturating_mul(8).clamp(ROWS_FREE, ROWS_MAX);
    let nodes = batch.nodes().into_iter().flatten().map(arrow::ipc::FieldNode::length);
    let is_within = |rows: i64| u64::try_from(rows).is_ok_and(|rows| rows <= rows_max);
    let all_within = nodes.chain([batch.length()]).all(is_within);
    if decoded <= DECODED_BYTES_MAX && all_within { Ok(decoded) } else { Err(too_large()) }
}

fn batch_of<'a>(message: &Message<'a>) -> Option<RecordBatch<'a>> {
    match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch()?.data(),
        _ => None,
    }
}

/// What the buffers come to; none where one of them says what cannot be.
fn decoded_bytes(batch: &RecordBatch<'_>, body: &[u8]) -> Option<u64> {
    let mut decoded = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let length = usize::try_from(buffer.length()).ok()?;
        let own = match batch.compression() {
            Some(_) if length > 0 => {
                let from = usize::try_from(buffer.offset()).ok()?;
                let prefix = body.get(from..from.checked_add(PREFIX_BYTES)?)?;
                match i64::from_le_bytes(prefix.try_into().ok()?) {
                    NOT_COMPRESSED => length.checked_sub(PREFIX_BYTES)?.try_into().ok()?,
                    said => u64::try_from(said).ok()?,
                }
            }
            _ => length.try_into().ok()?,
        };
        decoded = decoded.checked_add(own)?;
    }
    Some(decoded)
}

fn too_large() -> Error {
    let text = "a batch of the rows sent says that it is far larger than what was sent of it, or larger than a batch may be";
    Error::new(Condition::InvalidParameterValue, text)
        .with_hint(format!("send batches of at most {ROWS_FREE} rows and {} MB", DECODED_BYTES_MAX >> 20))
}
