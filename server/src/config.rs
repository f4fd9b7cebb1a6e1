//! [`Config`]: the settings of every part, as plain data.
//!
//! A setting's default stands in its section's file; a file overrides it; an environment
//! variable `WEIR_SECTION__KEY` overrides the file. All of it is resolved once, by
//! [`Config::load`], and [checked](Config::check): below here nothing reads settings as text.
//!
//! How to add a setting: a line with its reference text and default in the section's file under
//! `config/`; code that obeys it; `tests/golden/config.md` (the test `reference_is_golden` says
//! how to renew it).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Condition, Error, Result};

mod billing;
mod bucket;
mod cache;
mod catalog;
mod client_files;
mod door;
mod environment;
mod file;
mod identity;
mod limits;
mod log;
mod metrics;
mod quantity;
mod reference;
pub mod secret;
mod section;
mod self_signed;
mod server;
mod sessions;
mod storage;
#[cfg(test)]
mod tests;
mod tokens;
mod traces;

pub use billing::Billing;
pub use bucket::{Bucket, SecretIs};
pub use cache::Cache;
pub use catalog::{Catalog, StoreUrl};
pub use client_files::{ClientFiles, ClientName, ClientsWithout};
pub use environment::Variable;
pub use identity::{Identity, Issuer, LOCAL_ISSUER_NAME};
pub(crate) use identity::{KeyPlace, issuer_url};
pub use limits::Limits;
pub use log::Log;
pub use metrics::Metrics;
pub use quantity::{Period, Size};
pub use secret::Secret;
pub use server::Server;
pub use sessions::{Sessions, SessionsOfUser};
pub use storage::Storage;
pub use tokens::Tokens;
pub use traces::Traces;

/// The settings of the whole server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The doors and the data directory.
    pub server: Server,
    /// The catalog store.
    pub catalog: Catalog,
    /// Where tables lie, and the caches in front of them.
    pub storage: Storage,
    /// Whose tokens are believed.
    pub identity: Identity,
    /// What sessions begin with.
    pub sessions: Sessions,
    /// The door for tokens.
    pub tokens: Tokens,
    /// What a statement may use.
    pub limits: Limits,
    /// Results that are kept and given again.
    pub cache: Cache,
    /// What usage is called and what it costs.
    pub billing: Billing,
    /// The door for figures.
    pub metrics: Metrics,
    /// Where spans of statements go.
    pub traces: Traces,
    /// What is logged.
    pub log: Log,
}

impl Config {
    /// Defaults, then the file, then the process's environment; checked.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        Self::resolve(file, &environment::variables()?)
    }

    /// Defaults, then the file, then these variables; checked.
    pub fn resolve(file: Option<&Path>, variables: &[Variable]) -> Result<Self> {
        let config = match file {
            Some(path) => file::read(path)?,
            None => Self::default(),
        };
        let config = environment::apply(config, variables)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses settings that contradict each other or would be unsafe.
    pub fn check(&self) -> Result<()> {
        self.server.check()?;
        self.catalog.check()?;
        self.storage.check()?;
        self.identity.check()?;
        self.sessions.check()?;
        self.tokens.check(&self.server, &self.identity)?;
        self.limits.check()?;
        self.cache.check()?;
        self.billing.check()?;
        self.metrics.check()?;
        self.traces.check()
    }

    /// The defaults, except that everything lies in `data_directory`.
    pub fn in_directory(data_directory: impl Into<PathBuf>) -> Self {
        let mut config = Self::default();
        config.server.data_directory = data_directory.into();
        config
    }

    /// The SQLite file of the catalog store.
    pub fn catalog_path(&self) -> PathBuf {
        self.catalog.path.clone().unwrap_or_else(|| self.server.data_directory.join("catalog.sqlite"))
    }

    /// The directory of managed tables.
    pub fn data_root(&self) -> PathBuf {
        self.storage.data_root.clone().unwrap_or_else(|| self.server.data_directory.join("tables"))
    }

    /// The directory of byte ranges on disk.
    pub fn range_cache_directory(&self) -> PathBuf {
        let configured = self.storage.range_cache_directory.clone();
        configured.unwrap_or_else(|| self.server.data_directory.join("ranges"))
    }

    /// The directory of the local issuer's keys.
    pub fn keys_directory(&self) -> PathBuf {
        self.server.data_directory.join("keys")
    }

    /// The directory of journals that survive a crash.
    pub fn journal_directory(&self) -> PathBuf {
        self.server.data_directory.join("journal")
    }

    /// The directory of the system's own tables.
    pub fn system_directory(&self) -> PathBuf {
        self.server.data_directory.join("system")
    }

    /// The directory for what statements spill.
    pub fn temp_directory(&self) -> PathBuf {
        self.server.data_directory.join("temp")
    }

    /// Makes the directories that the server writes to, or says which one cannot be written.
    pub fn create_directories(&self) -> Result<()> {
        let catalog = self.catalog_path();
        let of_catalog = catalog.parent().filter(|parent| !parent.as_os_str().is_empty());
        create_directory(&self.server.data_directory, "server.data_directory")?;
        create_directory(&self.data_root(), "storage.data_root")?;
        create_directory(&self.keys_directory(), "server.data_directory")?;
        create_directory(&self.journal_directory(), "server.data_directory")?;
        create_directory(&self.system_directory(), "server.data_directory")?;
        create_directory(&self.temp_directory(), "server.data_directory")?;
        let is_file = self.catalog.url.is_none() && self.catalog.url_file.is_none();
        of_catalog.filter(|_| is_file).map_or(Ok(()), |parent| create_directory(parent, "catalog.path"))
    }

    /// The documented default file; parses back to the defaults.
    pub fn reference() -> Result<String> {
        reference::document()
    }

    /// These settings as a file, without secrets: settings name the files in which secrets stand, and the
    /// one that may be a secret itself, `catalog.url`, is left out.
    pub fn to_toml(&self) -> Result<String> {
        let mut shown = self.clone();
        shown.catalog.url = None;
        let text = toml::to_string(&shown).map_err(Error::internal)?;
        let hidden = self.catalog.url.is_some();
        Ok(if hidden { format!("# catalog.url is set and not shown\n{text}") } else { text })
    }
}

/// An error of configuration.
pub(crate) fn refused(message: impl Into<String>) -> Error {
    Error::new(Condition::InvalidConfiguration, message)
}

fn create_directory(directory: &Path, key: &str) -> Result<()> {
    std::fs::create_dir_all(directory)
        .and_then(|()| {
            let probe = directory.join(".weir-write-probe");
            std::fs::write(&probe, b"")?;
            std::fs::remove_file(&probe)
        })
        .map_err(|cause| {
            refused(format!("cannot write to the directory `{}`: {}", directory.display(), reason(&cause)))
                .with_hint(format!("make it writable for this user, or name another with `{key}`"))
        })
}

/// What the operating system says, in its words and without codes.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::AddrInUse => "the address is in use".to_owned(),
        std::io::ErrorKind::NotADirectory => "a part of the path is not a directory".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        std::io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        std::io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        _ => error.to_string(),
    }
}
