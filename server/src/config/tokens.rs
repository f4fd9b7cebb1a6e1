//! `[tokens]`: the door for tokens.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::section::section;
use super::{Identity, Server, door, refused};
use crate::error::Result;

section! {
    /// The door at which service principals get short-lived tokens, for themselves or for a user for whom they act:
    /// `POST https://ADDRESS/oauth/token`. It speaks TLS where the Flight SQL door does.
    Tokens {
        /// Address and port of the door for tokens. Without it there is none. Without TLS it must be one of this
        /// machine: secrets do not cross a network in the clear.
        address: Option<SocketAddr> = None => "\"127.0.0.1:32011\"",
    }
}

impl Tokens {
    pub(super) fn check(&self, server: &Server, identity: &Identity) -> Result<()> {
        let Some(address) = self.address else { return Ok(()) };
        if !identity.local_issuer {
            return Err(refused(
                "`tokens.address` is set and `identity.local_issuer` is off: nothing could be signed",
            )
            .with_hint("turn the local issuer on, or leave the door for tokens out"));
        }
        if address.ip().is_loopback() || server.is_tls() {
            return Ok(());
        }
        let text = format!(
            "`tokens.address` {address} can be reached from other machines, and TLS is off: secrets would cross the \
             network readable"
        );
        Err(refused(text).with_hint(
            "set `server.tls_certificate` and `server.tls_key`, or listen on 127.0.0.1, for a proxy on this machine too",
        ))
    }

    /// Takes the door's address, if there is to be one.
    pub async fn listen(&self) -> Result<Option<TcpListener>> {
        door::listen("tokens", self.address).await
    }
}
