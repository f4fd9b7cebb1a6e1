//! `[server]`: the door for Flight SQL, its TLS, and the data directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::quantity::Period;
use super::section::section;
use super::{reason, refused};
use crate::error::Result;

section! {
    /// The door for Flight SQL clients, its TLS, and the data directory.
    Server {
        /// Address and port of the Flight SQL door. Port 0 takes any free port.
        flight_address: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 32010)),
        /// Directory for everything the server keeps: the catalog, managed tables, keys, journals.
        /// Relative paths start at the directory in which the server is started.
        data_directory: PathBuf = PathBuf::from("weir-data"),
        /// PEM file with the server's certificate chain; with it and the key the door speaks TLS only.
        tls_certificate: Option<PathBuf> = None => "\"/etc/weir/server.pem\"",
        /// PEM file with the private key of the certificate.
        tls_key: Option<PathBuf> = None => "\"/etc/weir/server.key\"",
        /// Allow an address that other machines can reach without TLS. Tokens then cross the network
        /// readable by all: only behind a proxy that speaks TLS.
        allow_plaintext_on_public_address: bool = false,
        /// How long running statements may go on once the server is told to stop.
        drain: Period = Period::seconds(10),
    }
}

impl Server {
    pub(super) fn check(&self) -> Result<()> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => {
                return Err(refused("`server.tls_certificate` is set without `server.tls_key`")
                    .with_hint("TLS needs both files"));
            }
            (None, Some(_)) => {
                return Err(refused("`server.tls_key` is set without `server.tls_certificate`")
                    .with_hint("TLS needs both files"));
            }
            _ => {}
        }
        let public = !self.flight_address.ip().is_loopback();
        if public && !self.is_tls() && !self.allow_plaintext_on_public_address {
            return Err(refused(format!(
                "`server.flight_address` {} can be reached from other machines, and TLS is off: tokens would \
                 cross the network readable",
                self.flight_address
            ))
            .with_hint(
                "set `server.tls_certificate` and `server.tls_key`, or listen on 127.0.0.1, or, behind a proxy \
                 that speaks TLS, set `server.allow_plaintext_on_public_address = true`",
            ));
        }
        Ok(())
    }

    /// Whether the door speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls_certificate.is_some() && self.tls_key.is_some()
    }

    /// The certificate chain and its key in PEM, where the door speaks TLS.
    pub fn tls_files(&self) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let certificate = read(certificate, "server.tls_certificate", "CERTIFICATE")?;
                Ok(Some((certificate, read(key, "server.tls_key", "PRIVATE KEY")?)))
            }
            _ => Ok(None),
        }
    }

    /// Takes the door's address, or says who might have it.
    pub async fn listen(&self) -> Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::bind(self.flight_address).await.map_err(|cause| {
            let hint = if cause.kind() == std::io::ErrorKind::AddrInUse {
                "stop the program that listens there (another weir?), or choose another port with \
                 `server.flight_address` or WEIR_SERVER__FLIGHT_ADDRESS"
            } else {
                "choose another address with `server.flight_address` or WEIR_SERVER__FLIGHT_ADDRESS"
            };
            refused(format!("cannot listen on {}: {}", self.flight_address, reason(&cause))).with_hint(hint)
        })
    }
}

fn read(path: &Path, key: &str, holds: &str) -> Result<Vec<u8>> {
    let pem = std::fs::read(path).map_err(|cause| {
        refused(format!("cannot read `{}`, named by `{key}`: {}", path.display(), reason(&cause)))
    })?;
    if !String::from_utf8_lossy(&pem).contains(&format!("{holds}-----")) {
        return Err(refused(format!(
            "`{}`, named by `{key}`, holds no {} in PEM",
            path.display(),
            holds.to_lowercase()
        )));
    }
    Ok(pem)
}
