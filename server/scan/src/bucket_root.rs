//! A prefix of an S3-compatible bucket as a storage root, with a credential of its own.
//!
//! Everything that reaches the bucket is said here: nothing is taken from the process's environment, from a profile or
//! from the machine's own role. A failing request is tried again a few times and for a bounded time. A file that must not
//! be there yet, as a commit, is put on condition (`If-None-Match: *`), so that of two writers one wins.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::error::{Error, Result};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A place in a bucket, and who reads and writes there.
#[derive(Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket's name.
    pub name: String,
    /// The path below which everything lies; empty for the whole bucket.
    pub prefix: String,
    /// The region that requests are signed for.
    pub region: String,
    /// `http://` or `https://` of a service that is not Amazon's. It is asked without TLS where it says so.
    pub endpoint: Option<String>,
    /// The public part of the credential.
    pub access_key_id: String,
    /// The secret part of the credential; in no text that is shown.
    pub secret_access_key: String,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How often a request is tried again.
    pub retries: usize,
    /// How long after the first attempt a request is still tried again.
    pub retry_timeout: Duration,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// What two definitions of one root must agree on.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}/{}", self.endpoint.as_deref().unwrap_or("aws"), self.name, self.prefix)
    }

    /// The store, with a client and connections of its own.
    pub(crate) fn store(&self, root: &str) -> Result<Arc<dyn ObjectStore>> {
        let unusable = |source: object_store::Error| Error::UnusableRoot {
            root: root.to_owned(),
            source: Box::new(source),
        };
        let client = ClientOptions::new()
            .with_allow_http(self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")))
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(self.request_timeout);
        let retry = RetryConfig {
            max_retries: self.retries,
            retry_timeout: self.retry_timeout,
            backoff: BackoffConfig::default(),
        };
        // Not `from_env`: the process's own credentials are nobody's here.
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.name)
            .with_region(&self.region)
            .with_access_key_id(&self.access_key_id)
            .with_secret_access_key(&self.secret_access_key)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_client_options(client)
            .with_retry(retry);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let bucket = builder.build().map_err(unusable)?;
        let prefix = Path::parse(&self.prefix)
            .map_err(|_| Error::InvalidPath { path: self.prefix.clone(), reason: "it is not a path" })?;
        Ok(match prefix.as_ref().is_empty() {
            true => Arc::new(bucket),
            false => Arc::new(PrefixStore::new(bucket, prefix)),
        })
    }
}
