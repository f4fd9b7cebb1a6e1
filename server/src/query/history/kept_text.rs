//! The texts of statements and errors as the books keep them: not longer than [`TEXT_BYTES_MAX`].
//!
//! A statement may run once for each row of values that is bound to it, and each run is a row of the books. Were its text kept as a
//! whole, few and short calls would fill the disk, and who reads the books memory. Of a longer text its beginning is kept, in whole
//! characters, and how long it was. No secret is in a statement's text, so that none can be cut.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serializer};

use crate::context::Context;

/// What is kept of a text, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 64 << 10;

/// Room for how long a text was.
const NOTE_BYTES: usize = 64;

/// `text` as it is kept.
pub(crate) fn kept(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let (beginning, _) = text.split_at(text.floor_char_boundary(TEXT_BYTES_MAX - NOTE_BYTES));
    Cow::Owned(format!("{beginning}… ({} bytes)", text.len()))
}

/// The text of the statement of `context` as it is kept, shared by all runs of it.
pub(crate) fn kept_once(context: &Context, text: &str) -> Arc<str> {
    let kept = kept(text);
    let shared = context.kept_text.get_or_init(|| Arc::from(&*kept));
    match **shared == *kept {
        true => Arc::clone(shared),
        false => Arc::from(kept),
    }
}

pub(super) fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Also of what was written when texts were kept as a whole.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Arc::from(kept(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_beginning_is_kept_in_whole_characters() {
        for letter in ["x", "ü", "€", "🜛"] {
            let text = letter.repeat(TEXT_BYTES_MAX);
            let kept_text = kept(&text).into_owned();
            assert!(kept_text.len() <= TEXT_BYTES_MAX && kept_text.len() > TEXT_BYTES_MAX - 2 * NOTE_BYTES);
            match letter {
                "x" => assert_eq!(kept_text, text),
                _ => {
                    let (beginning, note) = kept_text.split_once('…').unwrap_or_default();
                    assert!(text.starts_with(beginning));
                    assert_eq!(note, format!(" ({} bytes)", text.len()));
                }
            }
            assert_eq!(kept(&kept_text), kept_text, "what is kept is kept");
        }
        assert_eq!(kept("SELECT 1"), "SELECT 1");
    }
}
