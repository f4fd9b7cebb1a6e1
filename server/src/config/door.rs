//! Taking the address of a door that is there only where the configuration names one.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::{reason, refused};
use crate::error::Result;

/// Listens on the address that stands under `address` in `section`, if one does.
pub(super) async fn listen(section: &str, address: Option<SocketAddr>) -> Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    TcpListener::bind(address).await.map(Some).map_err(|cause| {
        let variable = format!("WEIR_{}__ADDRESS", section.to_uppercase());
        refused(format!("cannot listen on {address}: {}", reason(&cause)))
            .with_hint(format!("choose another address with `{section}.address` or {variable}"))
    })
}
