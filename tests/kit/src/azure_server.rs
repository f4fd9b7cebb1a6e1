//! [`AzureServer`]: a throw-away server that speaks Azure Blob Storage.

use std::net::SocketAddr;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};

use crate::script_server::{ScriptServer, ask};

const SCRIPT: &str =
    concat!(include_str!("made_once.sh"), include_str!("npm_packages.sh"), include_str!("azure_server.sh"));

/// The version of the protocol that is spoken here.
const VERSION: &str = "2021-12-02";

/// A server that speaks Azure Blob Storage, on the loopback, with one storage account. It goes with this value.
#[derive(Debug)]
pub struct AzureServer {
    server: ScriptServer,
    account: String,
    key: Vec<u8>,
}

impl AzureServer {
    /// Starts it with this account and its key. A machine that lacks what it needs fails the test with one sentence.
    pub fn start(account: &str, key: &[u8]) -> Self {
        let script = format!("export AZURITE_ACCOUNTS='{account}:{}'\n{SCRIPT}", BASE64_STANDARD.encode(key));
        Self {
            server: ScriptServer::start(&script, "azure_server.sh", "azure_packages.json"),
            account: account.to_owned(),
            key: key.to_vec(),
        }
    }

    /// Where it listens. The account is the first part of each path.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Makes a container.
    ///
    /// Signed by the account's key: <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>.
    pub async fn container(&self, name: &str, now: DateTime<Utc>) {
        let date = now.format("%a, %d %b %Y %H:%M:%S GMT");
        let account = &self.account;
        let signed = format!(
            "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{VERSION}\n/{account}/{account}/{name}\nrestype:container"
        );
        let request = format!(
            "PUT /{account}/{name}?restype=container HTTP/1.1\r\nHost: {}\r\nx-ms-date: {date}\r\nx-ms-version: {VERSION}\r\n\
             Authorization: SharedKey {account}:{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.address(),
            self.signature(&signed)
        );
        let answer =
            ask(self.address(), request.as_bytes()).await.expect("the server of the tests of Azure answers");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.lines().next().is_some_and(|line| line.contains(" 201 ")), "{answer}");
    }

    /// A shared access signature for the whole account, with these permissions (as `rl`), until then.
    ///
    /// As in <https://learn.microsoft.com/rest/api/storageservices/create-account-sas>.
    pub fn shared_access(&self, permissions: &str, until: DateTime<Utc>) -> String {
        let until = until.format("%Y-%m-%dT%H:%M:%SZ");
        let account = &self.account;
        let signed = format!("{account}\n{permissions}\nb\nsco\n\n{until}\n\nhttps,http\n{VERSION}\n\n");
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .extend_pairs([("sv", VERSION), ("ss", "b"), ("srt", "sco"), ("sp", permissions)])
            .append_pair("se", &until.to_string())
            .append_pair("spr", "https,http")
            .append_pair("sig", &self.signature(&signed));
        query.finish()
    }

    fn signature(&self, text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }
}
