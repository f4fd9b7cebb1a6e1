//! `[catalog]`: the catalog store and the first administrator.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::quantity::Period;
use super::section::section;
use super::{reason, refused};
use crate::error::Result;

/// The most that [`Catalog::staleness`] may be.
const STALENESS_MAX: Duration = Duration::from_secs(1);

section! {
    /// The catalog store: what exists, who is who, and who may see what.
    Catalog {
        /// SQLite file of the store. Without it: `catalog.sqlite` in the data directory.
        path: Option<PathBuf> = None => "\"weir-data/catalog.sqlite\"",
        /// The store is this PostgreSQL database instead, which several servers may share:
        /// postgres://USER:PASSWORD@HOST:PORT/DATABASE, with PostgreSQL's parameters (sslmode=verify-full,
        /// sslrootcert=...). It holds a password: prefer `url_file` or WEIR_CATALOG__URL. `weir config`
        /// does not print it.
        url: Option<StoreUrl> = None,
        /// File that holds such a URL and nothing else.
        url_file: Option<PathBuf> = None => "\"/run/secrets/weir-catalog-url\"",
        /// How long a statement may rest on a catalog that was current then, without asking the store: the time
        /// after which a change made through another server is in force here. At most 1s; 0ms asks for each
        /// statement. A store that does not answer for longer refuses statements.
        staleness: Period = Period::seconds(0),
        /// Name of the first account administrator, made when the store is empty and ignored ever after.
        /// `weir catalog migrate --admin NAME` does the same by hand.
        initial_admin: Option<String> = None => "\"admin@example.com\"",
    }
}

/// The address of a database, password included. Neither `Debug` nor [`Config::to_toml`] shows it.
///
/// [`Config::to_toml`]: super::Config::to_toml
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// Keeps `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The text. It goes to the database's driver, never into a log, an error or a span.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn is_postgres(&self) -> bool {
        ["postgres://", "postgresql://"].iter().any(|scheme| self.0.starts_with(scheme))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl")
    }
}

impl Catalog {
    pub(super) fn check(&self) -> Result<()> {
        let named = [
            ("catalog.path", self.path.is_some()),
            ("catalog.url", self.url.is_some()),
            ("catalog.url_file", self.url_file.is_some()),
        ];
        let named: Vec<_> = named.iter().filter(|(_, set)| *set).map(|(key, _)| format!("`{key}`")).collect();
        if named.len() > 1 {
            return Err(refused(format!("{} each name a catalog store; there is one", named.join(" and "))));
        }
        if self.url.as_ref().is_some_and(|url| !url.is_postgres()) {
            return Err(not_an_address("`catalog.url`"));
        }
        if self.staleness.duration() > STALENESS_MAX {
            return Err(refused(format!("`catalog.staleness` is {}; the most is 1s", self.staleness)));
        }
        Ok(())
    }

    /// The address of the PostgreSQL database, where the store is one.
    pub fn database(&self) -> Result<Option<StoreUrl>> {
        let Some(path) = &self.url_file else { return Ok(self.url.clone()) };
        let text = std::fs::read_to_string(path).map_err(|cause| {
            refused(format!("cannot read `catalog.url_file` `{}`: {}", path.display(), reason(&cause)))
        })?;
        let url = StoreUrl::new(text.trim());
        if url.is_postgres() { Ok(Some(url)) } else { Err(not_an_address("the text in `catalog.url_file`")) }
    }
}

/// The text is not shown: it may hold a password.
fn not_an_address(what: &str) -> crate::error::Error {
    refused(format!("{what} is not the URL of a PostgreSQL database"))
        .with_hint("write postgres://USER:PASSWORD@HOST:PORT/DATABASE")
}
