//! `[[storage.buckets]]`: places in S3-compatible buckets, each with a credential of its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::quantity::Period;
use super::{Secret, environment, refused};
use crate::error::Result;

/// What the reference shows of a bucket.
pub(super) const BUCKET_EXAMPLE: &[&str] = &[
    "[[storage.buckets]]",
    "# tables may lie anywhere below; no two buckets' places lie within one another",
    "url = \"s3://lake/sales/\"",
    "# the storage credential of the catalog that stands for this one; external locations name it",
    "credential = \"sales_lake\"",
    "region = \"eu-central-1\"",
    "access_key_id = \"AKIAEXAMPLE\"",
    "# a file that holds the secret and nothing else",
    "secret_access_key_file = \"/etc/weir/sales_lake.secret\"",
    "# or, instead of the file, an environment variable that holds it",
    "secret_access_key_variable = \"SALES_LAKE_SECRET\"",
    "# for a service that is not Amazon's",
    "endpoint = \"https://s3.example.com\"",
    "# lets an endpoint beyond this machine be asked without TLS",
    "allow_http = false",
    "# how long one request may take, how often and for how long it is tried again",
    "request_timeout = \"30s\"",
    "retries = 5",
    "retry_timeout = \"60s\"",
];

/// A place in a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// `s3://bucket/path/`.
    pub url: String,
    /// The storage credential that stands for it.
    pub credential: String,
    /// The region that requests are signed for.
    #[serde(default = "default_region")]
    pub region: String,
    /// Of a service that is not Amazon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether an endpoint beyond this machine may be asked without TLS.
    #[serde(default)]
    pub allow_http: bool,
    /// The public part of the credential.
    pub access_key_id: String,
    /// Holds the secret part; this or the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key_file: Option<PathBuf>,
    /// Names the environment variable that holds the secret part; this or the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key_variable: Option<String>,
    /// How long one request may take.
    #[serde(default = "default_request_timeout")]
    pub request_timeout: Period,
    /// How often a request is tried again.
    #[serde(default = "default_retries")]
    pub retries: usize,
    /// How long after the first attempt it is still tried again.
    #[serde(default = "default_retry_timeout")]
    pub retry_timeout: Period,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_request_timeout() -> Period {
    Period::seconds(30)
}

fn default_retries() -> usize {
    5
}

fn default_retry_timeout() -> Period {
    Period::seconds(60)
}

impl Bucket {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(refused(format!("bucket `{}` in `storage.buckets` {what}", self.url)));
        if self.credential.is_empty() || self.access_key_id.is_empty() {
            return refuse("needs a `credential` and an `access_key_id`");
        }
        match (&self.secret_access_key_file, &self.secret_access_key_variable) {
            (None, None) => return refuse("needs `secret_access_key_file` or `secret_access_key_variable`"),
            (Some(_), Some(_)) => {
                return refuse(
                    "has both `secret_access_key_file` and `secret_access_key_variable`: one decides",
                );
            }
            _ => {}
        }
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        match url::Url::parse(endpoint) {
            Ok(url) if url.scheme() == "https" => Ok(()),
            Ok(url) if url.scheme() == "http" && (self.allow_http || is_loopback(&url)) => Ok(()),
            Ok(url) if url.scheme() == "http" => refuse(
                "would be asked without TLS: write an `https://` endpoint, or allow it by `allow_http`",
            ),
            _ => refuse("has an `endpoint` that is no `http://` or `https://` URL"),
        }
    }

    /// The secret part of the credential, from where it is kept.
    pub fn secret(&self) -> Result<Secret> {
        let of = |what: String| refused(format!("bucket `{}` in `storage.buckets`: {what}", self.url));
        let text = match (&self.secret_access_key_file, &self.secret_access_key_variable) {
            (Some(file), _) => std::fs::read_to_string(file).map_err(|cause| {
                of(format!("cannot read `{}`: {}", file.display(), super::reason(&cause)))
            })?,
            (None, Some(name)) => environment::value(name)
                .ok_or_else(|| of(format!("the environment variable `{name}` is not set")))?,
            (None, None) => String::new(),
        };
        match text.trim() {
            "" => Err(of("its secret is empty".to_owned())),
            secret => Ok(Secret::new(secret)),
        }
    }
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
