//! How much of a file is read at once: whoever writes a file says how long it is, and a file with holes costs its writer nothing.

use std::io;
use std::ops::Range;

use object_store::path::Path;
use object_store::{Error, Result};

/// Of any file, whether as a whole or as one range.
const BYTES_MAX: u64 = 1 << 30;
/// Of files that are read as a whole and held in memory: what a log says, but for checkpoints, and deletion vectors.
const WHOLE_BYTES_MAX: u64 = 256 << 20;

/// Refuses more of a file than is read at once.
pub(crate) fn check(location: &Path, range: &Range<u64>) -> Result<()> {
    let asked = range.end.saturating_sub(range.start);
    let most = if is_held(location) { WHOLE_BYTES_MAX } else { BYTES_MAX };
    if asked <= most {
        return Ok(());
    }
    let name = location.filename().unwrap_or_default();
    let text = format!("{asked} bytes of `{name}` are too many to be read at once: {most} are the most");
    Err(too_large(text))
}

/// The refusal of a file that claims more than there is: damage, and no failure of its store.
pub(crate) fn too_large(text: impl Into<String>) -> Error {
    let source = Box::new(io::Error::new(io::ErrorKind::FileTooLarge, text.into()));
    Error::Generic { store: "router", source }
}

fn is_held(location: &Path) -> bool {
    let name = location.filename().unwrap_or_default();
    let in_log = location.parts().any(|part| part.as_ref() == "_delta_log");
    match in_log {
        true => !name.ends_with(".parquet"),
        false => name.ends_with(crate::vector_reach::FILE_SUFFIX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_is_held_is_not_read() {
        let (data, half) = ("m/t/part.parquet", 512 << 20);
        let checkpoint = "m/t/_delta_log/00000000000000000001.checkpoint.parquet";
        let commit = "m/t/_delta_log/00000000000000000001.json";
        for (path, length, is_read) in [
            (data, 1 << 30, true),
            (data, (1 << 30) + 1, false),
            (data, u64::MAX, false),
            (checkpoint, half, true),
            (commit, 256 << 20, true),
            (commit, half, false),
            ("m/t/_delta_log/_last_checkpoint", half, false),
            ("m/t/deletion_vector_1.bin", half, false),
        ] {
            assert_eq!(check(&Path::from(path), &(0..length)).is_ok(), is_read, "{path} {length}");
        }
        assert!(check(&Path::from(data), &(1 << 40..(1 << 40) + 8)).is_ok());
    }
}
