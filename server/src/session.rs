//! What a session remembers: current catalog and schema, and the few settings users have.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};

/// Functions that tell of the session, so that what they give depends on the caller's USE: queries call them, and
/// no text that is stored does.
pub const SESSION_FUNCTIONS: [&str; 3] = ["current_catalog", "current_database", "current_schema"];

/// A session's settings; plain data, carried in handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// Where unqualified names are looked up.
    pub catalog: String,
    /// Where unqualified names are looked up.
    pub schema: String,
    /// `"x"` quotes an identifier rather than a string.
    pub double_quoted_identifiers: bool,
    /// When tables are read, in microseconds since 1970; the newest versions where it is left out. While it is set the
    /// session reads and changes nothing.
    pub read_at: Option<i64>,
    /// Results that are kept may answer statements.
    pub use_cached_result: bool,
    /// Settings accepted by name and kept to be shown, e.g.
    /// `spark.databricks.remoteFiltering.blockSelfJoins`, which is unnecessary here: a
    /// statement reads one snapshot of each table.
    pub accepted: BTreeMap<String, String>,
}

impl SessionSettings {
    /// When tables are read, as it can be set again.
    pub fn read_at_text(&self) -> Option<String> {
        let time = DateTime::from_timestamp_micros(self.read_at?)?;
        Some(time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            catalog: "main".to_owned(),
            schema: "default".to_owned(),
            double_quoted_identifiers: false,
            read_at: None,
            use_cached_result: true,
            accepted: BTreeMap::new(),
        }
    }
}
