//! Where tables lie: from what the catalog stores to a place under a storage root.
//!
//! A managed table's location is a path under the data root. An external one's is a canonical
//! `file:///…/` URL under one of the configured external roots, links and `..` resolved before the look, or an
//! `s3://`, `gs://` or `abfss://` URL under one of the configured places in buckets; anything else is refused.

use std::path::{Component, Path, PathBuf};

use url::Url;
use weir_catalog::{Table, TableId, TableKind};
use weir_scan::{Error as ScanError, RootName, Router, TableLocation};

use crate::config::{self, Secret};
use crate::error::{Condition, Error, Result};

/// How URLs of places in buckets begin.
const IN_BUCKETS: [&str; 3] = ["s3://", "gs://", "abfss://"];

/// The storage root of managed tables.
pub const DATA_ROOT: &str = "data";
/// The storage root of the books.
pub const SYSTEM_ROOT: &str = "system";

/// The storage roots of one server.
#[derive(Debug, Clone)]
pub struct Locations {
    data: RootName,
    external: Vec<ExternalRoot>,
    buckets: Vec<BucketRoot>,
}

/// A place in a bucket.
#[derive(Debug, Clone)]
struct BucketRoot {
    name: RootName,
    /// Ends in `/`.
    url: String,
    credential: String,
}

#[derive(Debug, Clone)]
struct ExternalRoot {
    name: RootName,
    directory: PathBuf,
}

impl Locations {
    /// Registers the roots with `router`: `data_root` and `system_root` are made where they do
    /// not exist, external directories must exist. Buckets are not looked at.
    pub fn new(
        router: &Router,
        data_root: &Path,
        system_root: &Path,
        (external, buckets): (&[PathBuf], &[config::Bucket]),
    ) -> Result<Self> {
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
        let mut placed: Vec<BucketRoot> = Vec::new();
        for (position, bucket) in buckets.iter().enumerate() {
            let added = register_bucket(router, position, bucket)?;
            let within =
                |known: &&BucketRoot| known.url.starts_with(&added.url) || added.url.starts_with(&known.url);
            if let Some(known) = placed.iter().find(within) {
                let text = format!(
                    "`storage.buckets` has `{}` and `{}`, one of which lies within the other",
                    known.url, added.url
                );
                return Err(Error::new(Condition::InvalidConfiguration, text));
            }
            placed.push(added);
        }
        Ok(Self { data, external, buckets: placed })
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
        if is_in_bucket(location) {
            let root = self.bucket(location)?;
            let relative = location.strip_prefix(&root.url).ok_or_else(|| not_allowed(location))?;
            return TableLocation::new(root.name.clone(), relative).map_err(Error::from);
        }
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
        if is_in_bucket(written) {
            return in_bucket(written);
        }
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
        if is_in_bucket(&url) {
            return self.bucket(&url).map(|_| url.clone());
        }
        let path = Url::parse(&url).ok().and_then(|url| url.to_file_path().ok());
        let path = path.and_then(|path| path.canonicalize().ok()).filter(|path| path.is_dir());
        let path = path.ok_or_else(|| not_allowed(written))?;
        if !self.external.iter().any(|root| path.starts_with(&root.directory)) {
            return Err(not_allowed(written));
        }
        Url::from_directory_path(&path).map(Url::into).map_err(|()| not_allowed(written))
    }

    /// The storage credential with which files below this URL are read, where they need one.
    pub fn credential_of(&self, url: &str) -> Option<&str> {
        self.bucket(url).ok().map(|root| root.credential.as_str())
    }

    fn bucket(&self, url: &str) -> Result<&BucketRoot> {
        self.buckets.iter().find(|root| url.starts_with(&root.url)).ok_or_else(|| not_allowed(url))
    }

    /// The refusal of a location that is outside the roots or does not exist.
    pub fn not_allowed(&self, written: &str) -> Error {
        not_allowed(written)
    }

    /// The canonical URL of a location as a user writes it: a path or a `file:` URL of a folder
    /// that exists under an external root.
    pub fn canonical_external(&self, written: &str) -> Result<String> {
        if is_in_bucket(written) {
            let url = in_bucket(written)?;
            self.external(&url).map_err(|_| not_allowed(written))?;
            return Ok(url);
        }
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

    /// The place of a table that is known to be no view.
    pub(crate) fn of_stored(&self, table: &Table) -> Result<TableLocation> {
        self.of(table)?.ok_or_else(|| Error::internal("a view has no files"))
    }
}

/// One text for what is outside the roots and what does not exist: storage is not to be probed.
fn not_allowed(location: &str) -> Error {
    Error::new(
        Condition::LocationNotAllowed,
        format!("location `{location}` is not a folder under an external location of this server"),
    )
    .with_hint("an administrator configures external locations in [storage] external_roots and buckets")
}

/// How the URL of a place in a bucket begins, and what follows.
fn split_scheme(url: &str) -> Option<(&'static str, &str)> {
    IN_BUCKETS.into_iter().find_map(|scheme| Some((scheme, url.strip_prefix(scheme)?)))
}

fn is_in_bucket(url: &str) -> bool {
    split_scheme(url).is_some()
}

/// The URL of a place in a bucket as it is kept: nothing in it that a store could read in two ways, and `/` at its end.
fn in_bucket(written: &str) -> Result<String> {
    let (scheme, place) = split_scheme(written).ok_or_else(|| not_allowed(written))?;
    let place = place.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.=+@,".contains(c);
    let clear = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(plain);
    match place.split('/').all(clear) {
        true => Ok(format!("{scheme}{place}/")),
        false => Err(not_allowed(written)),
    }
}

fn register_bucket(router: &Router, position: usize, bucket: &config::Bucket) -> Result<BucketRoot> {
    let unclear = |_| {
        let text = format!("`storage.buckets` has the url `{}`, which is no place in a bucket", bucket.url);
        Error::new(Condition::InvalidConfiguration, text).with_hint("write s3://bucket/path/, gs://bucket/path/ or abfss://container@account.dfs.core.windows.net/path/")
    };
    let url = in_bucket(&bucket.url).map_err(unclear)?;
    let place = split_scheme(&url).map_or("", |(_, place)| place).trim_end_matches('/');
    let (authority, prefix) = place.split_once('/').unwrap_or((place, ""));
    // At Azure the account stands behind the container.
    let name = authority.split('@').next().unwrap_or_default();
    let secret: Secret = bucket.secret()?;
    let root = RootName::new(format!("bucket-{position}"))?;
    let opened = weir_scan::Bucket {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        service: bucket.service().map_err(config::refused)?,
        endpoint: bucket.endpoint.clone(),
        secret: secret.reveal().to_owned(),
        request_timeout: bucket.request_timeout.duration(),
        retries: bucket.retries,
        retry_timeout: bucket.retry_timeout.duration(),
    };
    router.add_bucket_root(&root, &opened).map_err(|error| match error {
        ScanError::UnusableSecret { flaw, .. } => {
            config::refused(format!("bucket `{}` in `storage.buckets`: {flaw}", bucket.url))
        }
        other => other.into(),
    })?;
    Ok(BucketRoot { name: root, url, credential: bucket.credential.clone() })
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
