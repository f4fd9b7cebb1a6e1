//! What a former server left in the journal.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::{Error, SegmentNumber, segment};
use crate::billing::entry::Entry;

/// Segments with the statements that ended in them, and the statements that never ended.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub(super) segments: BTreeMap<SegmentNumber, Vec<Arc<Entry>>>,
    pub(super) running: BTreeMap<Uuid, Arc<Entry>>,
}

/// Reads all segments in order. A statement belongs to the first segment in which it ended; a
/// second end can only stem from a write that failed half-way and was repeated.
pub(super) fn read(dir: &Path, journal: Uuid) -> Result<Leftovers, Error> {
    let mut leftovers = Leftovers::default();
    let mut ended = HashSet::new();
    for number in segment::list(dir, journal)? {
        let in_segment = leftovers.segments.entry(number).or_default();
        for entry in segment::read(dir, journal, number)? {
            let statement = entry.record.statement_id;
            if ended.contains(&statement) {
                continue;
            }
            if entry.is_final() {
                ended.insert(statement);
                leftovers.running.remove(&statement);
                in_segment.push(Arc::new(entry));
            } else {
                leftovers.running.insert(statement, Arc::new(entry));
            }
        }
    }
    Ok(leftovers)
}
