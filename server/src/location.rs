//! Where tables lie: from what the catalog stores to a place under a storage root.
//!
//! A managed table's location is a path under the data root. An external one's is a canonical
//! `file:///…/` URL under one of the configured external roots; anything else is refused, links
//! and `..` resolved before the look.

use std::path::{Component, Path, PathBuf};

use url::Url;
use weir_catalog::{Table, TableId, TableKind};
use weir_scan::{RootName, Router, TableLocation};

use crate::error::{Condition, Error, Result};

/// The storage root of managed tables.
pub const DATA_ROOT: &str = "data";
/// The storage root of the books.
pub const SYSTEM_ROOT: &str = "system";

/// The storage roots of one server.
#[derive(Debug, Clone)]
pub struct Locations {
    data: RootName,
    external: Vec<ExternalRoot>,
}

#[derive(Debug, Clone)]
struct ExternalRoot {
    name: RootName,
    directory: PathBuf,
}

impl Locations {
    /// Registers the roots with `router`: `data_root` and `system_root` are made where they do
    /// not exist, external ones must exist.
    pub fn new(router: &Router, data_root: &Path, system_root: &Path, external: &[PathBuf]) -> Result<Self> {
        let data = register(router, DATA_ROOT, &made(data_root)?)?;
        register(router, SYSTEM_ROOT, &made(system_root)?)?;
        let external = external
            .iter()
            .enumerate()
            .map(|(position, directory)| {
                let directory = canonical(directory)?;
                let name = register(router, &format!("external-{position}"), &directory)?;
                Ok(ExternalRoot { name, directory })
            })
            .collect::<Result<_>>()?;
        Ok(Self { data, external })
    }

    /// The location that a new managed table gets, as the catalog stores it.
    pub fn new_managed(&self) -> String {
        TableId::fresh().to_string()
    }

    /// The place of a managed table.
    pub fn managed(&self, location: &str) -> Result<TableLocation> {
        TableLocation::new(self.data.clone(), location).map_err(Error::from)
    }

    /// The place of an external table, from its stored URL.
    pub fn external(&self, location: &str) -> Result<TableLocation> {
        let path = Url::parse(location).ok().and_then(|url| url.to_file_path().ok());
        let path = path.ok_or_else(|| not_allowed(location))?;
        let root = self.external.iter().find(|root| path.starts_with(&root.directory));
        let root = root.ok_or_else(|| not_allowed(location))?;
        let relative = path.strip_prefix(&root.directory).map_err(|_| not_allowed(location))?;
        let relative = relative.to_str().ok_or_else(|| not_allowed(location))?;
        TableLocation::new(root.name.clone(), relative).map_err(Error::from)
    }

    /// The URL of a folder as a user writes it, before storage is looked at: absolute, without `..`, ending in
    /// `/`. What it says is decided on; what is used is [`canonical_external`](Self::canonical_external).
    pub fn written_external(&self, written: &str) -> Result<String> {
        let path = match Url::parse(written) {
            Ok(url) if url.scheme() == "file" => url.to_file_path().map_err(|()| not_allowed(written))?,
            Ok(_) => return Err(not_allowed(written)),
            Err(_) => PathBuf::from(written),
        };
        let climbs = path.components().any(|part| matches!(part, Component::ParentDir));
        if !path.is_absolute() || climbs {
            return Err(not_allowed(written));
        }
        Url::from_directory_path(&path).map(Url::into).map_err(|()| not_allowed(written))
    }

    /// The canonical URL of a folder for an external location: one that exists and is an external root of the
    /// configuration, or lies under one.
    pub fn canonical_folder(&self, written: &str) -> Result<String> {
        let url = self.written_external(written)?;
        let path = Url::parse(&url).ok().and_then(|url| url.to_file_path().ok());
        let path = path.and_then(|path| path.canonicalize().ok()).filter(|path| path.is_dir());
        let path = path.ok_or_else(|| not_allowed(written))?;
        if !self.external.iter().any(|root| path.starts_with(&root.directory)) {
            return Err(not_allowed(written));
        }
        Url::from_directory_path(&path).map(Url::into).map_err(|()| not_allowed(written))
    }

    /// The refusal of a location that is outside the roots or does not exist.
    pub fn not_allowed(&self, written: &str) -> Error {
        not_allowed(written)
    }

    /// The canonical URL of a location as a user writes it: a path or a `file:` URL of a folder
    /// that exists under an external root.
    pub fn canonical_external(&self, written: &str) -> Result<String> {
        let path = match Url::parse(written) {
            Ok(url) if url.scheme() == "file" => url.to_file_path().map_err(|()| not_allowed(written))?,
            Ok(_) => return Err(not_allowed(written)),
            Err(_) => PathBuf::from(written),
        };
        if !path.is_absolute() {
            return Err(not_allowed(written));
        }
        let path = path.canonicalize().map_err(|_| not_allowed(written))?;
        let url = Url::from_directory_path(&path).map_err(|()| not_allowed(written))?;
        self.external(url.as_str()).map_err(|_| not_allowed(written))?;
        Ok(url.into())
    }

    /// The place of a table; `None` for a view.
    pub fn of(&self, table: &Table) -> Result<Option<TableLocation>> {
        match &table.kind {
            TableKind::Managed { location } => self.managed(location).map(Some),
            TableKind::External { location } => self.external(location).map(Some),
            TableKind::View(_) => Ok(None),
        }
    }
}

/// One text for what is outside the roots and what does not exist: storage is not to be probed.
fn not_allowed(location: &str) -> Error {
    Error::new(
        Condition::LocationNotAllowed,
        format!("location `{location}` is not a folder under an external location of this server"),
    )
    .with_hint("an administrator configures external locations in [storage] external_roots")
}

fn register(router: &Router, name: &str, directory: &Path) -> Result<RootName> {
    let name = RootName::new(name)?;
    router.add_local_root(&name, directory)?;
    Ok(name)
}

fn made(directory: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(directory).map_err(|cause| unusable(directory, &cause))?;
    canonical(directory)
}

fn canonical(directory: &Path) -> Result<PathBuf> {
    directory.canonicalize().map_err(|cause| unusable(directory, &cause))
}

fn unusable(directory: &Path, cause: &std::io::Error) -> Error {
    Error::new(
        Condition::InvalidConfiguration,
        format!("folder `{}` cannot be used: {cause}", directory.display()),
    )
    .with_hint("check that it exists, and that the server's user may read and write it")
}
