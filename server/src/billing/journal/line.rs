//! One entry as one line: a checksum, a space, JSON, a line feed. JSON has no line feed of its
//! own, so a damaged line never takes its neighbours with it.

use aws_lc_rs::digest::{SHA256, digest};

use crate::billing::entry::Entry;

/// Bytes of SHA-256 that a line carries.
const CHECK_BYTES: usize = 8;

/// Why a line is no entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("the checksum does not fit")]
    Check,
    #[error("the line is no entry: {0}")]
    Json(#[from] serde_json::Error),
}

pub(super) fn encode(entry: &Entry) -> Result<Vec<u8>, serde_json::Error> {
    let json = serde_json::to_vec(entry)?;
    let mut line = check(&json).into_bytes();
    line.push(b' ');
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

/// Reads a line, without its line feed.
pub(super) fn decode(line: &[u8]) -> Result<Entry, Damage> {
    let (sum, json) = line.split_at_checked(CHECK_BYTES * 2).ok_or(Damage::Check)?;
    let json = json.strip_prefix(b" ").ok_or(Damage::Check)?;
    if sum != check(json).as_bytes() {
        return Err(Damage::Check);
    }
    Ok(serde_json::from_slice(json)?)
}

fn check(json: &[u8]) -> String {
    digest(&SHA256, json).as_ref().iter().take(CHECK_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
