//! Where a table lies: a storage root and a path under it.
//!
//! The URL is `gov://mount/<root>/<path>/`. One scheme and host for all tables means that everything is read through the
//! one [`crate::Router`]; the first segment of the path selects the store and its credentials, so that equal paths under
//! different roots never meet in a cache.
//!
//! A path takes only characters that mean the same in a URL, on a file system and in the log, so that no two texts mean
//! one place.

use std::fmt;
use std::str::FromStr;

use object_store::path::Path;
use url::Url;

use crate::error::{Error, Result};

/// Scheme and host of every table's URL.
pub(crate) const MOUNT: &str = "gov://mount";

/// The name of a storage root: lower-case letters, digits, `-` and `_`, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootName(String);

impl RootName {
    /// Checks the name.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            return Err(Error::InvalidRootName { name });
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RootName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RootName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

/// A table's place: a storage root and a path under it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableLocation {
    root: RootName,
    path: Path,
}

impl TableLocation {
    /// Checks the path: at least one segment, none of them empty, `.`, `..` or a part of a Delta log.
    pub fn new(root: RootName, path: &str) -> Result<Self> {
        let invalid = |reason| Error::InvalidPath { path: path.to_owned(), reason };
        let trimmed = path.trim_matches('/');
        if trimmed.is_empty() {
            return Err(invalid("it is empty"));
        }
        for segment in trimmed.split('/') {
            match segment {
                "" => return Err(invalid("it has an empty segment")),
                "." | ".." => return Err(invalid("`.` and `..` are not allowed")),
                "_delta_log" => return Err(invalid("it points into a Delta log")),
                _ => {}
            }
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.=+@,".contains(c);
            if !segment.chars().all(allowed) {
                return Err(invalid("only letters, digits and - _ . = + @ , are allowed"));
            }
        }
        let path = Path::parse(trimmed).map_err(|_| invalid("it is not a path"))?;
        Ok(Self { root, path })
    }

    /// The storage root.
    pub fn root(&self) -> &RootName {
        &self.root
    }

    /// The path under the root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The table's URL, ending with a slash.
    pub fn url(&self) -> Result<Url> {
        Url::parse(&format!("{MOUNT}/{}/{}/", self.root, self.path))
            .map_err(|_| Error::InvalidPath { path: self.path.to_string(), reason: "it is not a path" })
    }

    /// Root and path: the table's path within the router.
    pub fn mounted_path(&self) -> Path {
        Path::from(self.root.as_str()).parts().chain(self.path.parts()).collect()
    }

    /// The folder of the table's log within the router.
    pub(crate) fn log_path(&self) -> Path {
        self.mounted_path().parts().chain(Path::from("_delta_log").parts()).collect()
    }

    /// Whether one of both lies inside the other, or they are the same.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.root == other.root
            && (self.path.prefix_matches(&other.path) || other.path.prefix_matches(&self.path))
    }
}

impl fmt::Display for TableLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.root, self.path)
    }
}
