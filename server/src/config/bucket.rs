//! `[[storage.buckets]]`: places in buckets of S3-compatible services, Azure and Google, each with a credential of its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use weir_scan::{AzureSecret, Service};

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
    "# a file that holds the secret and nothing else",
    "secret_file = \"/etc/weir/sales_lake.secret\"",
    "# or, instead of the file, an environment variable that holds it",
    "secret_variable = \"SALES_LAKE_SECRET\"",
    "# of s3: the secret is the secret access key",
    "region = \"eu-central-1\"",
    "access_key_id = \"AKIAEXAMPLE\"",
    "# of abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/path/: what the secret is, `account_key`, `sas_token`, or",
    "# `client_secret` of a service principal, whose directory and id then stand here; of gs://BUCKET/path/ the",
    "# secret is the JSON key of a service account",
    "# secret_is = \"client_secret\"",
    "# tenant_id = \"00000000-0000-0000-0000-000000000000\"",
    "# client_id = \"00000000-0000-0000-0000-000000000000\"",
    "# another server that speaks as the service does, or another address of the service",
    "endpoint = \"https://s3.example.com\"",
    "# lets an endpoint beyond this machine be asked without TLS; only where requests are signed, not where they carry the",
    "# secret itself or a token for it (`sas_token`, `client_secret`, any key of gs://)",
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
    /// `s3://bucket/path/`, `gs://bucket/path/` or `abfss://container@account.dfs.core.windows.net/path/`.
    pub url: String,
    /// The storage credential that stands for it.
    pub credential: String,
    /// The region that requests are signed for, of S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Another server that speaks as the service does, or another address of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether an endpoint beyond this machine may be asked without TLS.
    #[serde(default)]
    pub allow_http: bool,
    /// The public part of the credential, of S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// What the secret is, of Azure; without it the account's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_is: Option<SecretIs>,
    /// The directory of a service principal, of Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The service principal, of Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Holds the secret part; this or the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Names the environment variable that holds the secret part; this or the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_variable: Option<String>,
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

/// What the secret of an Azure credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretIs {
    /// The account's key.
    AccountKey,
    /// A shared access signature.
    SasToken,
    /// The secret of a service principal.
    ClientSecret,
}

/// Where requests go that name no region.
const DEFAULT_REGION: &str = "us-east-1";

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
        if self.credential.is_empty() {
            return refuse("needs a `credential`");
        }
        match (&self.secret_file, &self.secret_variable) {
            (None, None) => return refuse("needs `secret_file` or `secret_variable`"),
            (Some(_), Some(_)) => {
                return refuse("has both `secret_file` and `secret_variable`: one decides");
            }
            _ => {}
        }
        let service = match self.service() {
            Ok(service) => service,
            Err(what) => return refuse(&what),
        };
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        match url::Url::parse(endpoint) {
            Ok(url) if url.scheme() == "https" => Ok(()),
            Ok(url) if url.scheme() == "http" && is_loopback(&url) => Ok(()),
            Ok(url) if url.scheme() == "http" && is_shown(&service) => refuse(
                "would show its secret, or a token for it, to whoever listens: `allow_http` is for credentials that sign; write an `https://` endpoint",
            ),
            Ok(url) if url.scheme() == "http" && self.allow_http => Ok(()),
            Ok(url) if url.scheme() == "http" => refuse(
                "would be asked without TLS: write an `https://` endpoint, or allow it by `allow_http`",
            ),
            _ => refuse("has an `endpoint` that is no `http://` or `https://` URL"),
        }
    }

    /// The service that the URL names, with what its credential has beside the secret; else what is wrong. Keys of another
    /// service are refused.
    pub fn service(&self) -> std::result::Result<Service, String> {
        let scheme = self.url.split_once("://").map_or("", |(scheme, _)| scheme);
        let of_s3 = [("region", self.region.is_some()), ("access_key_id", self.access_key_id.is_some())];
        let of_azure = [
            ("secret_is", self.secret_is.is_some()),
            ("tenant_id", self.tenant_id.is_some()),
            ("client_id", self.client_id.is_some()),
        ];
        let foreign: Vec<(&str, bool)> = match scheme {
            "s3" => of_azure.to_vec(),
            "abfss" => of_s3.to_vec(),
            "gs" => of_s3.into_iter().chain(of_azure).collect(),
            _ => return Err("has a url that is none of s3://, gs:// and abfss://".to_owned()),
        };
        if let Some((key, _)) = foreign.iter().find(|(_, is_set)| *is_set) {
            return Err(format!("has `{key}`, which means nothing for {scheme}://"));
        }
        let needed = |key: &str, value: &Option<String>| {
            let value = value.clone().filter(|value| !value.is_empty());
            value.ok_or_else(|| format!("needs `{key}`"))
        };
        Ok(match scheme {
            "s3" => Service::S3 {
                region: self.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned()),
                access_key_id: needed("access_key_id", &self.access_key_id)?,
            },
            "gs" => Service::Google,
            _ => Service::Azure {
                account: account_of(&self.url)
                    .ok_or("has a url that is not abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/path/")?,
                secret: match self.secret_is {
                    None | Some(SecretIs::AccountKey) => AzureSecret::AccountKey,
                    Some(SecretIs::SasToken) => AzureSecret::SharedAccess,
                    Some(SecretIs::ClientSecret) => AzureSecret::ClientSecret {
                        tenant_id: needed("tenant_id", &self.tenant_id)?,
                        client_id: needed("client_id", &self.client_id)?,
                    },
                },
            },
        })
    }

    /// The secret part of the credential, from where it is kept.
    pub fn secret(&self) -> Result<Secret> {
        let of = |what: String| refused(format!("bucket `{}` in `storage.buckets`: {what}", self.url));
        let text = match (&self.secret_file, &self.secret_variable) {
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

/// Whether requests carry the secret itself or a token for it, instead of being signed with it.
fn is_shown(service: &Service) -> bool {
    match service {
        Service::S3 { .. } | Service::Azure { secret: AzureSecret::AccountKey, .. } => false,
        Service::Azure { secret: AzureSecret::SharedAccess | AzureSecret::ClientSecret { .. }, .. }
        | Service::Google => true,
    }
}

/// The storage account that an `abfss://` URL names.
fn account_of(url: &str) -> Option<String> {
    let authority = url.strip_prefix("abfss://")?.split('/').next()?;
    let (container, host) = authority.split_once('@')?;
    let (account, _) = host.split_once('.')?;
    (!container.is_empty() && !account.is_empty()).then(|| account.to_owned())
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
