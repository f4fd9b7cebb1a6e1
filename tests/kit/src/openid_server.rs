//! [`OpenIdServer`]: a provider of OpenID Connect that others wrote, whose keys rotate when it is told to.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use weir_server::config;

use crate::identity_provider::discovered;
use crate::script_server::{ScriptServer, ask};

const SCRIPT: &str =
    concat!(include_str!("made_once.sh"), include_str!("npm_packages.sh"), include_str!("openid_server.sh"));

/// A provider on the loopback, of which each client gets tokens of its own name by a secret. It goes with this value.
#[derive(Debug)]
pub struct OpenIdServer(ScriptServer);

impl OpenIdServer {
    /// Starts it with one key and these clients. A machine that lacks what it needs fails the test with one sentence.
    pub fn start(clients: &[&str]) -> Self {
        let clients: Vec<String> =
            clients.iter().map(|client| format!("{client}:{}", secret(client))).collect();
        let script = format!("export OPENID_CLIENTS='{}'\n{SCRIPT}", clients.join(" "));
        Self(ScriptServer::start(&script, "openid_server.sh", "openid_packages.json"))
    }

    /// It as an issuer of a server, found by discovery.
    pub fn configured(&self) -> config::Issuer {
        config::Issuer {
            required_scopes: vec!["sql".to_owned()],
            ..discovered(&format!("http://{}", self.0.address()))
        }
    }

    /// A token of a client, which is told by its name, good for ten minutes of the machine's clock.
    pub async fn token(&self, client: &str) -> String {
        let known = BASE64_STANDARD.encode(format!("{client}:{}", secret(client)));
        let headers =
            format!("Authorization: Basic {known}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        let answer = self.post("/token", &headers, "grant_type=client_credentials&scope=sql").await;
        // Whether the body comes in chunks is the provider's business; it is one object on one line.
        let body = answer.lines().find(|line| line.starts_with('{')).expect("an answer of a token endpoint");
        let body: Value = serde_json::from_str(body).expect("an answer of a token endpoint");
        let token = body.get("access_token").and_then(Value::as_str);
        token.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Gives it another key, with which it signs from now on; those before are published beside it.
    pub async fn rotate(&self) {
        self.post("/test/rotate", "", "").await;
    }

    /// Publishes the newest key alone.
    pub async fn withdraw(&self) {
        self.post("/test/withdraw", "", "").await;
    }

    async fn post(&self, path: &str, headers: &str, body: &str) -> String {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.0.address(),
            body.len()
        );
        let answer = ask(self.0.address(), request.as_bytes()).await.expect("the provider answers");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }
}

fn secret(client: &str) -> String {
    format!("the-secret-of-{client}-which-is-long-enough")
}
