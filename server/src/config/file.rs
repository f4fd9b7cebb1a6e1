//! The configuration file: TOML. Errors name the key, the file and the line.

use std::path::Path;

use super::{Config, reason, refused};
use crate::error::{Error, Result};

/// Reads a file over the defaults.
pub(super) fn read(path: &Path) -> Result<Config> {
    let text = std::fs::read_to_string(path).map_err(|cause| {
        refused(format!("cannot read the configuration file `{}`: {}", path.display(), reason(&cause)))
            .with_hint("`weir config --reference > weir.toml` writes a documented file to start from")
    })?;
    toml::from_str(&text).map_err(|cause| located(&text, path, &cause))
}

/// The error with the place it speaks of.
fn located(text: &str, path: &Path, cause: &toml::de::Error) -> Error {
    let offset = cause.span().map(|span| span.start);
    let place = offset.and_then(|offset| Place::of(text, offset));
    let message = cause.message().trim();
    let said = match place {
        Some(Place { line, key: Some(key) }) => {
            format!("`{key}` in `{}`, line {line}: {message}", path.display())
        }
        Some(Place { line, key: None }) => format!("`{}`, line {line}: {message}", path.display()),
        None => format!("`{}`: {message}", path.display()),
    };
    refused(said).with_hint("`weir config --reference` shows every key with its meaning and default")
}

/// A line, counted from 1, and the key that stands there, with its section.
struct Place {
    line: usize,
    key: Option<String>,
}

impl Place {
    fn of(text: &str, offset: usize) -> Option<Self> {
        let before = text.get(..offset)?;
        let line = before.matches('\n').count() + 1;
        let mut section = None;
        let mut key = None;
        for (number, content) in text.lines().enumerate().take(line) {
            let content = content.trim();
            if content.starts_with('[') && !content.contains('=') {
                section = Some(content.trim_matches(['[', ']']).trim().to_owned());
                key = None;
            } else if let Some((name, _)) = content.split_once('=').filter(|_| number + 1 == line) {
                key = Some(name.trim().to_owned());
            }
        }
        let key = match (section, key) {
            (Some(section), Some(key)) => Some(format!("{section}.{key}")),
            (section, key) => key.or(section),
        };
        Some(Self { line, key })
    }
}
