//! [`Secret`]: a text that cannot be printed by accident.

/// A text without `Debug` and without `Display`; whoever wants it says so.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. It goes into a verification or a header, never into a log, an error or a span.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}
