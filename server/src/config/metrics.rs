//! `[metrics]`: the door for figures.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::section::section;
use super::{door, refused};
use crate::error::Result;

section! {
    /// Figures for operators, in the text format of Prometheus, at `http://ADDRESS/metrics`.
    Metrics {
        /// Address and port of the door for figures. Without it there is none.
        address: Option<SocketAddr> = None => "\"127.0.0.1:9464\"",
        /// Allow an address that other machines can reach. Nobody is asked for a token there: the figures are
        /// counts over all users, without names, but they tell how much the server does and reads.
        allow_public_address: bool = false,
    }
}

impl Metrics {
    pub(super) fn check(&self) -> Result<()> {
        let Some(address) = self.address else { return Ok(()) };
        if address.ip().is_loopback() || self.allow_public_address {
            return Ok(());
        }
        let text = format!("`metrics.address` {address} can be reached from other machines without a token");
        Err(refused(text).with_hint("listen on 127.0.0.1, or set `metrics.allow_public_address = true`"))
    }

    /// Takes the door's address, if there is to be one.
    pub async fn listen(&self) -> Result<Option<TcpListener>> {
        door::listen("metrics", self.address).await
    }
}
