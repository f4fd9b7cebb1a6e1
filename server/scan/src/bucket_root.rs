//! A prefix of a bucket (of an S3-compatible service, Azure Storage or Google Cloud Storage) as a storage root, with a
//! credential of its own.
//!
//! Everything that reaches the bucket is said here: nothing is taken from the process's environment, from a profile or
//! from the machine's own role. A failing request is tried again a few times and for a bounded time. A file that must not
//! be there yet, as a commit, is put on condition (`If-None-Match: *`, at Google `ifGenerationMatch=0`), so that of two
//! writers one wins.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::bucket_secret::{Flaw, flaw_of, google_key, shared_access};
use crate::error::{Error, Result};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A place in a bucket, and who reads and writes there.
#[derive(Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Whose bucket it is, and what its credential has beside the secret.
    pub service: Service,
    /// The bucket's name; at Azure the container's.
    pub name: String,
    /// The path below which everything lies; empty for the whole bucket.
    pub prefix: String,
    /// `http://` or `https://` of another server that speaks as the service does. It is asked without TLS where it says so.
    pub endpoint: Option<String>,
    /// The secret part of the credential; in no text that is shown.
    pub secret: String,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How often a request is tried again.
    pub retries: usize,
    /// How long after the first attempt a request is still tried again.
    pub retry_timeout: Duration,
}

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Amazon's S3, or one that speaks like it. The secret is the secret access key.
    S3 {
        /// The region that requests are signed for.
        region: String,
        /// The public part of the credential.
        access_key_id: String,
    },
    /// Azure Blob Storage.
    Azure {
        /// The storage account.
        account: String,
        /// What the secret is.
        secret: AzureSecret,
    },
    /// Google Cloud Storage. The secret is the JSON key of a service account.
    Google,
}

/// What the secret of an Azure credential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AzureSecret {
    /// The account's key.
    AccountKey,
    /// A shared access signature, as it stands behind `?`.
    SharedAccess,
    /// The secret of a service principal.
    ClientSecret {
        /// The directory.
        tenant_id: String,
        /// The principal.
        client_id: String,
    },
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("service", &self.service)
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// What two definitions of one root must agree on.
    pub(crate) fn place(&self) -> String {
        let service = match &self.service {
            Service::S3 { .. } => "s3",
            Service::Azure { account, .. } => account,
            Service::Google => "google",
        };
        let endpoint = self.endpoint.as_deref().unwrap_or_default();
        format!("{service}/{endpoint}/{}/{}", self.name, self.prefix)
    }

    /// The store, with a client and connections of its own. What the client says of a secret that it cannot use is not handed
    /// on: it may quote it.
    pub(crate) fn store(&self, root: &str) -> Result<Arc<dyn ObjectStore>> {
        let unusable = |flaw| Error::UnusableSecret { root: root.to_owned(), flaw };
        let client = ClientOptions::new()
            .with_allow_http(self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")))
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(self.request_timeout);
        let retry = RetryConfig {
            max_retries: self.retries,
            retry_timeout: self.retry_timeout,
            backoff: BackoffConfig::default(),
        };
        let bucket = self.service(client, retry).map_err(unusable)?;
        let prefix = Path::parse(&self.prefix)
            .map_err(|_| Error::InvalidPath { path: self.prefix.clone(), reason: "it is not a path" })?;
        Ok(match prefix.as_ref().is_empty() {
            true => bucket,
            false => Arc::new(PrefixStore::new(bucket, prefix)),
        })
    }

    /// The whole bucket. No builder reads the environment: the process's own credentials are nobody's here.
    fn service(&self, client: ClientOptions, retry: RetryConfig) -> Result<Arc<dyn ObjectStore>, Flaw> {
        // reason: what a client says of a credential may quote it.
        let flaw = |_: object_store::Error| flaw_of(&self.service);
        Ok(match &self.service {
            Service::S3 { region, access_key_id } => {
                let mut builder = AmazonS3Builder::new()
                    .with_bucket_name(&self.name)
                    .with_region(region)
                    .with_access_key_id(access_key_id)
                    .with_secret_access_key(&self.secret)
                    .with_conditional_put(S3ConditionalPut::ETagMatch)
                    .with_client_options(client)
                    .with_retry(retry);
                if let Some(endpoint) = &self.endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                Arc::new(builder.build().map_err(flaw)?)
            }
            Service::Azure { account, secret } => {
                let mut builder = MicrosoftAzureBuilder::new()
                    .with_account(account)
                    .with_container_name(&self.name)
                    .with_client_options(client)
                    .with_retry(retry);
                builder = match secret {
                    AzureSecret::AccountKey => builder.with_access_key(&self.secret),
                    AzureSecret::SharedAccess => builder.with_sas_authorization(shared_access(&self.secret)?),
                    AzureSecret::ClientSecret { tenant_id, client_id } => {
                        builder.with_client_secret_authorization(client_id, &self.secret, tenant_id)
                    }
                };
                if let Some(endpoint) = &self.endpoint {
                    builder = builder.with_endpoint(endpoint.clone());
                }
                Arc::new(builder.build().map_err(flaw)?)
            }
            Service::Google => {
                let mut builder = GoogleCloudStorageBuilder::new()
                    .with_bucket_name(&self.name)
                    .with_service_account_key(google_key(&self.secret)?)
                    .with_client_options(client)
                    .with_retry(retry);
                if let Some(endpoint) = &self.endpoint {
                    // The client puts `/` behind it, whether one is there or not.
                    builder = builder.with_base_url(endpoint.trim_end_matches('/'));
                }
                Arc::new(builder.build().map_err(flaw)?)
            }
        })
    }
}
