//! [`ClientAuthorities`]: whose client certificates are believed; [`ShownCertificate`]: one that a connection showed, as a
//! credential of the calls on it.
//!
//! The handshake proves possession of the key and checks chain, time, purpose and revocation. Which part of a certificate names
//! the principal is configured, one part for all; it must be there exactly once, so that nobody is named by a part that was
//! overlooked when the certificate was made. The certificate's end is looked at with each call; all the rest again once authorities or
//! revocations have changed, and revocations each minute: a connection that stands is worth no more than one that comes.
//!
//! What it does not do: no other field of a certificate is read, and nothing is fetched for one (no OCSP, no distribution points).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::watch;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::crl::CertificateList;
use x509_cert::der::asn1::{ObjectIdentifier, PrintableStringRef};
use x509_cert::der::{self, Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::rejection::Rejection;
use crate::config::{ClientFiles, ClientName, ClientsWithout, refused};
use crate::error::{Error, Result};

/// The extension of a list that is about a part of its authority's certificates (RFC 5280, section 5.2.5).
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

/// The attribute `CN` of a subject (X.520).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// How long a list of withdrawn certificates that was good is taken for good, in seconds: it may expire while nobody changes it.
const LISTS_GOOD_SECONDS: i64 = 60;

/// Whose client certificates are believed, and which part of them names the principal.
#[derive(Debug)]
pub struct ClientAuthorities {
    verifier: Arc<dyn ClientCertVerifier>,
    has_lists: bool,
    name: ClientName,
}

impl ClientAuthorities {
    /// Those in `files`.
    pub fn new(files: &ClientFiles) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&files.authorities_pem) {
            let authority = authority.map_err(|cause| unusable("server.tls_client_authorities", cause))?;
            roots.add(authority).map_err(|cause| unusable("server.tls_client_authorities", cause))?;
        }
        if roots.is_empty() {
            return Err(refused("the file named by `server.tls_client_authorities` holds no certificate"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if let Some(pem) = &files.revocations_pem {
            let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(pem)
                .collect::<std::result::Result<_, _>>()
                .map_err(|cause| unusable("server.tls_client_revocations", cause))?;
            if lists.is_empty() {
                return Err(refused("the file named by `server.tls_client_revocations` holds no list"));
            }
            check_scopes(&lists)?;
            // Who is on no list that holds now is not let in: an old list does not know of the last withdrawals.
            verifier = verifier.with_crls(lists).enforce_revocation_expiration();
        }
        if files.without == ClientsWithout::Admitted {
            verifier = verifier.allow_unauthenticated();
        }
        let verifier = verifier.build().map_err(|cause| unusable("server.tls_client_revocations", cause))?;
        Ok(Self { verifier, has_lists: files.revocations_pem.is_some(), name: files.name })
    }

    /// What decides about certificates in handshakes.
    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    fn holds(&self, chain: &[CertificateDer<'_>], now: DateTime<Utc>) -> bool {
        let since_1970 = (now - DateTime::UNIX_EPOCH).to_std();
        match (chain.split_first(), since_1970) {
            (Some((leaf, rest)), Ok(since_1970)) => {
                let now = UnixTime::since_unix_epoch(since_1970);
                self.verifier.verify_client_cert(leaf, rest, now).is_ok()
            }
            _ => false,
        }
    }
}

/// Refuses two lists for the same certificates: the first would be asked, whichever is newer.
fn check_scopes(lists: &[CertificateRevocationListDer<'_>]) -> Result<()> {
    let mut known = Vec::new();
    for list in lists {
        let list = CertificateList::from_der(list)
            .map_err(|cause| unusable("server.tls_client_revocations", cause))?;
        let mut extensions = list.tbs_cert_list.crl_extensions.into_iter().flatten();
        let part = extensions.find(|extension| extension.extn_id == ISSUING_DISTRIBUTION_POINT);
        let scope = (list.tbs_cert_list.issuer, part.map(|part| part.extn_value));
        if known.contains(&scope) {
            let message =
                "the file named by `server.tls_client_revocations` holds two lists of one authority";
            return Err(refused(message).with_hint("leave the newest alone in it"));
        }
        known.push(scope);
    }
    Ok(())
}

fn unusable(key: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    refused(format!("the file named by `{key}` cannot be used: {cause}")).caused_by(cause)
}

/// A certificate that a client showed when its connection began, and proved to have the key of.
#[derive(Debug, Clone)]
pub struct ShownCertificate {
    chain: Arc<[CertificateDer<'static>]>,
    said: Result<Said, Rejection>,
    /// Which authorities last found it good, and when, in seconds since 1970; of the handshake, never.
    good: Arc<watch::Sender<(Arc<ClientAuthorities>, i64)>>,
    /// Those that are asked now.
    now: Arc<ClientAuthorities>,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    name: String,
    /// When the first certificate of its chain ends.
    expires_at: DateTime<Utc>,
}

impl ShownCertificate {
    /// The first of `chain`, which a handshake found good by `authorities`.
    pub(crate) fn new(chain: &[CertificateDer<'static>], authorities: Arc<ClientAuthorities>) -> Self {
        let said = Said::read(chain, authorities.name);
        let good = Arc::new(watch::Sender::new((Arc::clone(&authorities), i64::MIN)));
        Self { chain: chain.into(), said, good, now: authorities }
    }

    /// The same before the authorities of now.
    #[must_use]
    pub(crate) fn before(self, authorities: Arc<ClientAuthorities>) -> Self {
        Self { now: authorities, ..self }
    }

    /// Whom it names and until when, if it is good at `now`.
    pub(super) fn named(&self, now: DateTime<Utc>) -> Result<(&str, DateTime<Utc>), Rejection> {
        let said = self.said.as_ref().map_err(Clone::clone)?;
        if said.expires_at <= now {
            return Err(Rejection::Certificate("it has expired: connect with another"));
        }
        let at = now.timestamp();
        let (by, looked_at) = self.good.borrow().clone();
        let lists_are_due = self.now.has_lists && at.saturating_sub(looked_at) >= LISTS_GOOD_SECONDS;
        if !Arc::ptr_eq(&by, &self.now) || lists_are_due {
            if !self.now.holds(&self.chain, now) {
                return Err(Rejection::Certificate(
                    "it was withdrawn, its authority is not believed any more, or no list of withdrawn certificates holds now: connect \
                 with another, or ask whoever runs the server",
                ));
            }
            self.good.send_replace((Arc::clone(&self.now), at));
        }
        Ok((&said.name, said.expires_at))
    }
}

impl Said {
    fn read(chain: &[CertificateDer<'_>], part: ClientName) -> Result<Self, Rejection> {
        // reason: what is wrong with a certificate is for its authority to find out
        Self::of(chain, part).unwrap_or(Err(Rejection::Certificate("it cannot be read: have another made")))
    }

    /// None where the chain or what names the principal in it cannot be read.
    fn of(chain: &[CertificateDer<'_>], part: ClientName) -> der::Result<Result<Self, Rejection>> {
        let chain = chain.iter().map(|der| Certificate::from_der(der)).collect::<der::Result<Vec<_>>>()?;
        let leaf = chain.first().ok_or(der::ErrorKind::Failed)?;
        let ends = chain.iter().map(|certificate| certificate.tbs_certificate.validity.not_after);
        let expires_at = ends.map(|end| DateTime::from(end.to_system_time())).min();
        let expires_at = expires_at.ok_or(der::ErrorKind::Failed)?;
        Ok(match <[String; 1]>::try_from(names(leaf, part)?) {
            Ok([name]) if !name.is_empty() => Ok(Self { name, expires_at }),
            _ => Err(Rejection::Certificate(part.hint())),
        })
    }
}

/// All that stands in that part.
fn names(certificate: &Certificate, part: ClientName) -> der::Result<Vec<String>> {
    let certificate = &certificate.tbs_certificate;
    if part == ClientName::CommonName {
        let attributes = certificate.subject.0.iter().flat_map(|relative| relative.0.iter());
        return attributes.filter(|attribute| attribute.oid == COMMON_NAME).map(common_name).collect();
    }
    let alternatives = certificate.get::<SubjectAltName>()?.map(|(_, alternatives)| alternatives.0);
    let named = alternatives.into_iter().flatten().filter_map(|name| match (part, name) {
        (ClientName::Uri, GeneralName::UniformResourceIdentifier(name))
        | (ClientName::Email, GeneralName::Rfc822Name(name))
        | (ClientName::Dns, GeneralName::DnsName(name)) => Some(name.to_string()),
        _ => None,
    });
    Ok(named.collect())
}

/// Of the kinds of text that RFC 5280 asks authorities to write; what older ones mean differs from reader to reader.
fn common_name(attribute: &AttributeTypeAndValue) -> der::Result<String> {
    match attribute.value.tag() {
        Tag::PrintableString => Ok(attribute.value.decode_as::<PrintableStringRef<'_>>()?.to_string()),
        _ => attribute.value.decode_as(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use rcgen::{
        CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
        SerialNumber, date_time_ymd,
    };

    use super::*;

    #[test]
    fn two_lists_of_one_authority_are_refused() {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let authorities_pem = params.self_signed(&key).unwrap().pem().into_bytes();
        let issuer = Issuer::new(params, key);
        let list = |number: u64| {
            let list = CertificateRevocationListParams {
                this_update: date_time_ymd(2020, 1, 1),
                next_update: date_time_ymd(2090, 1, 1),
                crl_number: SerialNumber::from(number),
                issuing_distribution_point: None,
                revoked_certs: Vec::new(),
                key_identifier_method: KeyIdMethod::Sha256,
            };
            list.signed_by(&issuer).unwrap().pem().unwrap()
        };
        let files = |lists: String| ClientFiles {
            authorities_pem: authorities_pem.clone(),
            revocations_pem: Some(lists.into_bytes()),
            name: ClientName::CommonName,
            without: ClientsWithout::Refused,
        };
        assert!(ClientAuthorities::new(&files(list(1))).is_ok());
        let refused = ClientAuthorities::new(&files(list(1) + &list(2))).unwrap_err();
        assert!(refused.to_string().contains("two lists of one authority"), "{refused}");
    }
}
