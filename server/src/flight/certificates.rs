//! [`Certificates`]: what the door shows of itself over TLS, read again when its files change.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::connections::NewestTls;
use crate::error::{Condition, Error, Result};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A certificate and its key, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those that lead to a root.
    pub certificate_pem: Vec<u8>,
    /// Its private key.
    pub key_pem: Vec<u8>,
}

/// The certificate in use.
pub struct Certificates {
    read: Box<dyn Fn() -> Result<Tls> + Send>,
    known: Tls,
    sender: watch::Sender<Arc<ServerConfig>>,
}

impl Certificates {
    /// What `read` gives now. It is asked again and again while the door is open.
    pub fn new(read: impl Fn() -> Result<Tls> + Send + 'static) -> Result<Self> {
        let known = read()?;
        let sender = watch::Sender::new(server_config(&known)?);
        Ok(Self { read: Box::new(read), known, sender })
    }

    /// The newest, for new connections.
    pub(crate) fn newest(&self) -> NewestTls {
        self.sender.subscribe()
    }

    /// Takes up what `read` gives until `stop`. What cannot be used leaves the one before in use.
    pub(super) async fn keep(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                let found = (self.read)();
                (self, found)
            });
            let Ok((kept, found)) = looked.await else { return };
            self = kept;
            let changed = match found {
                Ok(found) if found == self.known => continue,
                changed => changed.and_then(|found| Ok((server_config(&found)?, found))),
            };
            match changed {
                Ok((config, found)) => {
                    tracing::info!("the certificate changed, and holds for new connections");
                    self.sender.send_replace(config);
                    self.known = found;
                }
                Err(error) => {
                    tracing::error!(%error, "the certificate cannot be renewed; the one before stays in use")
                }
            }
        }
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn server_config(tls: &Tls) -> Result<Arc<ServerConfig>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&tls.certificate_pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(unusable)?;
    let key = PrivateKeyDer::from_pem_slice(&tls.key_pem).map_err(unusable)?;
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn unusable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Condition::InvalidConfiguration, "the certificate or key cannot be used").caused_by(cause)
}
