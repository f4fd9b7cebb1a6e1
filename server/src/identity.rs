//! Who is calling: from a raw credential to a verified [`Identity`].
//!
//! ```text
//! headers ──Credentials::from_headers──▶ Credentials ──Verifier::verify──▶ Identity
//!            certificate of the connection ──with_certificate──▲
//!            user and password ──Login::exchange──▶ short-lived token of the local issuer
//!            client and secret ──TokenService::give──▶ the same, also for a user for whom the client acts
//! ```
//!
//! INVARIANT: [`Identity`] is made by [`Verifier::verify`], or for one EXECUTE AS from such an identity and
//! the catalog's permission for it; by nothing else. It comes from tokens whose signature,
//! issuer, audience, time and principal hold at the time of the call, or from a client's certificate that does. There is no anonymous
//! caller and no implicit administrator; headers that merely name a user are never read.

mod access_tokens;
mod claims;
mod client_certificate;
mod credential;
mod grounds;
mod groups;
mod issuer;
mod jwks;
mod local_issuer;
mod login;
mod published_keys;
mod rejection;
mod throttle;
mod token_service;
mod verifier;

pub(crate) use access_tokens::{ACCESS_TOKEN_PREFIX, access_token_digest};
pub use client_certificate::{ClientAuthorities, ShownCertificate};
pub use credential::{Credential, Credentials};
pub use issuer::Issuer;
pub(crate) use local_issuer::AUDIENCE;
pub use local_issuer::{LocalIssuer, SignedToken};
pub use login::Login;
pub use rejection::Rejection;
pub use token_service::{Actor, ClientSecret, Refusal, TokenRequest, TokenService};
pub use verifier::{Identity, Verifier};
