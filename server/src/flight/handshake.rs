//! Handshake: the login itself.
//!
//! Basic credentials are exchanged for a short-lived bearer token, which stands in the initial
//! metadata of the answer (Go, Java, C++ read it there) and in its payload. A bearer credential
//! is checked and nothing is handed out for it: JDBC and ODBC ask whether their token holds.
//! Tools that know users and passwords only send the user `token` and their token as password.

use arrow_flight::{HandshakeRequest, HandshakeResponse};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::HeaderMap;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::Door;
use super::arrivals::{address_of, certificate_of};
use super::call::described;
use crate::config::Secret;
use crate::error::{Error, Result};
use crate::identity::Credentials;

/// The answer's stream.
pub(crate) type Stream = BoxStream<'static, std::result::Result<HandshakeResponse, Status>>;

impl Door {
    pub(crate) async fn login(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Stream>> {
        let under_way = self.leaving.begin()?;
        let (address, certificate) = (address_of(request.extensions()), certificate_of(request.extensions()));
        let headers = request.into_parts().0.into_headers();
        let credentials = Credentials::from_headers(&headers)?;
        let now = self.clock.now();
        let (credentials, granted) = if credentials.is_password() {
            let token =
                self.logins.exchange(credentials, described(&headers, address).origin(), now).await?.token;
            (Credentials::bearer(Secret::new(token.reveal())), Some(token))
        } else {
            let own = credentials.own_token().filter(|_| is_basic(&headers));
            let own = own.map(|token| Secret::new(token.reveal()));
            (credentials, own)
        };
        let snapshot = self.warehouse.snapshot().await?;
        let credentials = credentials.with_certificate(certificate);
        let identity = self.verifier.admit(credentials, &snapshot, now).await?;
        let payload = granted.as_ref().map(|token| Bytes::copy_from_slice(token.reveal().as_bytes()));
        let answer = HandshakeResponse { protocol_version: 0, payload: payload.unwrap_or_default() };
        let mut response = Response::new(futures::stream::iter([Ok(answer)]).boxed());
        if let Some(token) = granted {
            response.metadata_mut().insert("authorization", bearer(&token)?);
        }
        // JDBC sets its catalog by the next call, and must have a cookie by then
        let call = self.call_of(identity, snapshot.epoch(), (&headers, address), under_way)?;
        call.set_cookie(response.metadata_mut())?;
        Ok(response)
    }
}

/// Whether the credential came as a user and a password. When the user is `token` the password
/// is the token itself, and the driver expects it back as its bearer.
fn is_basic(headers: &HeaderMap) -> bool {
    let value = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.trim_start().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic "))
}

fn bearer(token: &Secret) -> Result<AsciiMetadataValue> {
    let mut value: AsciiMetadataValue =
        format!("Bearer {}", token.reveal()).parse().map_err(Error::internal)?;
    value.set_sensitive(true);
    Ok(value)
}
