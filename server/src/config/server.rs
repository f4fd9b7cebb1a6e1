//! `[server]`: the door for Flight SQL, its TLS, and the data directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::client_files::{ClientFiles, ClientName, ClientsWithout};
use super::quantity::Period;
use super::section::section;
use super::{reason, refused, self_signed};
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
        /// PEM file with the private key of the certificate. Both are read again when they change.
        tls_key: Option<PathBuf> = None => "\"/etc/weir/server.key\"",
        /// For development: the server makes a certificate for this machine by itself, in the folder `tls` of the data
        /// directory. Clients trust it by the file `tls/server.pem` (`weir sql --ca`).
        tls_self_signed: bool = false,
        /// PEM file with the authorities whose client certificates are believed: a client that shows one is who it names. Read again
        /// when it changes, as is the list below.
        tls_client_authorities: Option<PathBuf> = None => "\"/etc/weir/clients.pem\"",
        /// The part of a client certificate that holds the principal's name, exact: `common_name` (of the subject), or `uri`,
        /// `email` or `dns` (of the alternative names). It must be there exactly once.
        tls_client_name: Option<ClientName> = None => "\"common_name\"",
        /// PEM file with the authorities' lists of withdrawn certificates (CRL). With it a certificate is believed only as long
        /// as each authority above it has a list that has not expired.
        tls_client_revocations: Option<PathBuf> = None => "\"/etc/weir/clients.crl\"",
        /// Refuse connections to the Flight SQL door without a client certificate; the credentials of calls on them decide as
        /// ever.
        tls_client_required: bool = false,
        /// Allow an address that other machines can reach without TLS. Tokens then cross the network
        /// readable by all: only behind a proxy that speaks TLS.
        allow_plaintext_on_public_address: bool = false,
        /// How long running statements may go on once the server is told to stop.
        drain: Period = Period::seconds(10),
        /// What clients that call meanwhile are told to do, such as which server to ask; without it, to try again.
        drain_hint: Option<String> = None => "\"ask grpc+tls://two.example:32010\"",
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
            (Some(_), Some(_)) if self.tls_self_signed => {
                return Err(refused(
                    "`server.tls_self_signed` is set beside `server.tls_certificate`: one decides",
                ));
            }
            _ => {}
        }
        self.check_clients()?;
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

    fn check_clients(&self) -> Result<()> {
        match (&self.tls_client_authorities, self.tls_client_name) {
            (Some(_), None) => {
                return Err(refused(
                    "`server.tls_client_authorities` is set without `server.tls_client_name`",
                )
                .with_hint(
                    "say which part of a certificate names who asks: common_name, uri, email or dns",
                ));
            }
            (Some(_), Some(_)) if !self.is_tls() => {
                return Err(refused("`server.tls_client_authorities` is set, and the door speaks no TLS")
                    .with_hint("set `server.tls_certificate` and `server.tls_key`"));
            }
            (Some(_), Some(_)) => return Ok(()),
            (None, _) => {}
        }
        let set = [
            ("tls_client_name", self.tls_client_name.is_some()),
            ("tls_client_revocations", self.tls_client_revocations.is_some()),
            ("tls_client_required", self.tls_client_required),
        ];
        match set.into_iter().find(|(_, is_set)| *is_set) {
            None => Ok(()),
            Some((key, _)) => {
                Err(refused(format!("`server.{key}` is set without `server.tls_client_authorities`"))
                    .with_hint("no client certificate is believed without an authority"))
            }
        }
    }

    /// Whose client certificates are believed, as it stands in the files now; of a server that asks for none, nothing.
    pub fn tls_clients(&self) -> Result<Option<ClientFiles>> {
        let (Some(authorities), Some(name)) = (&self.tls_client_authorities, self.tls_client_name) else {
            return Ok(None);
        };
        let revocations = self.tls_client_revocations.as_deref();
        let revocations = revocations.map(|path| read(path, "server.tls_client_revocations", "X509 CRL"));
        let required = self.tls_client_required;
        Ok(Some(ClientFiles {
            authorities_pem: read(authorities, "server.tls_client_authorities", "CERTIFICATE")?,
            revocations_pem: revocations.transpose()?,
            name,
            without: if required { ClientsWithout::Refused } else { ClientsWithout::Admitted },
        }))
    }

    /// Whether the door speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls_self_signed || self.tls_certificate.is_some() && self.tls_key.is_some()
    }

    /// The certificate that the server makes itself, by which clients trust it; none where it is given one.
    pub fn self_signed_certificate(&self) -> Option<PathBuf> {
        self.tls_self_signed.then(|| self_signed::certificate(&self.data_directory))
    }

    /// The certificate chain and its key in PEM, as they are now; of a server with TLS alone.
    pub fn tls_files(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let (certificate, key) = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            _ => self_signed::files(&self.data_directory)?,
        };
        Ok((
            read(&certificate, "server.tls_certificate", "CERTIFICATE")?,
            read(&key, "server.tls_key", "PRIVATE KEY")?,
        ))
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
