//! What the door asks of client certificates, as it stands in files: authorities, revocations, and which part names who asks.

use serde::{Deserialize, Serialize};

/// The part of a client's certificate that holds the principal's exact name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientName {
    /// The common name (CN) of the subject.
    CommonName,
    /// The URI among the subject's alternative names.
    Uri,
    /// The mail address among the subject's alternative names.
    Email,
    /// The DNS name among the subject's alternative names.
    Dns,
}

impl ClientName {
    /// What is wrong with a certificate that names nobody, or several.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::CommonName => "its subject must have exactly one common name (CN): that is who asks",
            Self::Uri => "it must have exactly one URI as an alternative name: that is who asks",
            Self::Email => "it must have exactly one mail address as an alternative name: that is who asks",
            Self::Dns => "it must have exactly one DNS name as an alternative name: that is who asks",
        }
    }
}

/// What becomes of clients without a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientsWithout {
    /// They show who they are otherwise.
    Admitted,
    /// Their handshake fails.
    Refused,
}

/// Whose client certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// Certificates of authorities, in PEM.
    pub authorities_pem: Vec<u8>,
    /// Lists of withdrawn certificates, in PEM; where there are any, each certificate must be looked up in one.
    pub revocations_pem: Option<Vec<u8>>,
    /// Which part names the principal.
    pub name: ClientName,
    /// What becomes of the others.
    pub without: ClientsWithout,
}
