//! [`Certificates`]: what the door shows of itself over TLS, read again when its files change.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::ClientFiles;
use crate::connections::NewestTls;
use crate::error::{Condition, Error, Result};
use crate::identity::ClientAuthorities;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A certificate and its key, in PEM, and what is asked of clients.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those that lead to a root.
    pub certificate_pem: Vec<u8>,
    /// Its private key.
    pub key_pem: Vec<u8>,
    /// Whose client certificates are believed; without it none is asked for.
    pub clients: Option<ClientFiles>,
}

/// What the door's handshakes go by.
pub(super) struct Offered {
    pub(super) config: Arc<ServerConfig>,
    pub(super) clients: Option<Arc<ClientAuthorities>>,
    /// The same certificate for doors that ask for none of their clients'.
    plain: Arc<ServerConfig>,
}

/// The newest of what handshakes go by.
pub(super) type NewestOffer = watch::Receiver<Arc<Offered>>;

/// The certificate in use.
pub struct Certificates {
    read: Box<dyn Fn() -> Result<Tls> + Send>,
    known: Tls,
    offered: watch::Sender<Arc<Offered>>,
    plain: watch::Sender<Arc<ServerConfig>>,
}

impl Certificates {
    /// What `read` gives now. It is asked again and again while the door is open.
    pub fn new(read: impl Fn() -> Result<Tls> + Send + 'static) -> Result<Self> {
        let known = read()?;
        let offered = Offered::new(&known)?;
        let plain = watch::Sender::new(Arc::clone(&offered.plain));
        Ok(Self { read: Box::new(read), known, offered: watch::Sender::new(Arc::new(offered)), plain })
    }

    /// The newest certificate, for connections to other doors: nothing is asked of their clients.
    pub(crate) fn newest(&self) -> NewestTls {
        self.plain.subscribe()
    }

    /// The newest of what this door's handshakes go by.
    pub(super) fn newest_offer(&self) -> NewestOffer {
        self.offered.subscribe()
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
                changed => changed.and_then(|found| Ok((Offered::new(&found)?, found))),
            };
            match changed {
                Ok((offered, found)) => {
                    tracing::info!(
                        "the files of TLS changed: the certificate holds for new connections, authorities and lists for all"
                    );
                    self.plain.send_replace(Arc::clone(&offered.plain));
                    self.offered.send_replace(Arc::new(offered));
                    self.known = found;
                }
                Err(error) => {
                    tracing::error!(%error, "the files of TLS cannot be used as they are now; those before stay in use")
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

impl Offered {
    fn new(tls: &Tls) -> Result<Self> {
        let clients = tls.clients.as_ref().map(ClientAuthorities::new).transpose()?.map(Arc::new);
        let plain = server_config(tls, None)?;
        let config = match &clients {
            Some(clients) => server_config(tls, Some(clients))?,
            None => Arc::clone(&plain),
        };
        Ok(Self { config, clients, plain })
    }
}

fn server_config(tls: &Tls, clients: Option<&ClientAuthorities>) -> Result<Arc<ServerConfig>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&tls.certificate_pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(unusable)?;
    let key = PrivateKeyDer::from_pem_slice(&tls.key_pem).map_err(unusable)?;
    let config = match clients {
        Some(clients) => ServerConfig::builder().with_client_cert_verifier(clients.verifier()),
        None => ServerConfig::builder().with_no_client_auth(),
    };
    let mut config = config.with_single_cert(chain, key).map_err(unusable)?;
    if clients.is_some() {
        // A session that is taken up again would not be asked for its certificate: each connection shows its own.
        (config.session_storage, config.send_tls13_tickets) = (Arc::new(NoServerSessionStorage {}), 0);
    }
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn unusable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Condition::InvalidConfiguration, "the certificate or key cannot be used").caused_by(cause)
}
