//! [`Credential`]: a raw secret as it came in, and how it is read from a call's headers.
//!
//! Read are `authorization` (`Bearer`, `Basic`) and `x-forwarded-access-token`; beside them stands the certificate that the
//! connection showed. Headers that
//! only name somebody (`x-forwarded-user`, `x-forwarded-email`) are never read: anyone can write
//! them. Neither type has `Debug`; both end in the verifier.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::client_certificate::ShownCertificate;
use super::rejection::Rejection;
use crate::config::Secret;
use crate::error::Result;

/// The header in which a proxy hands on its visitor's token.
const FORWARDED: &str = "x-forwarded-access-token";

/// With this user, the password is a token: for tools that know users and passwords only.
const TOKEN_USER: &str = "token";

/// Clients pad base64 or do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret somebody presented.
pub enum Credential {
    /// A signed token.
    Bearer(Secret),
    /// A local user's name and password.
    Basic {
        /// The name, exact.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Everything one call presented.
#[derive(Default)]
pub struct Credentials {
    pub(super) own: Option<Credential>,
    pub(super) forwarded: Option<Secret>,
    pub(super) certificate: Option<ShownCertificate>,
}

impl Credentials {
    /// Reads the headers of a call. Whatever is malformed or doubled is refused, not skipped.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self> {
        let own = single(headers, AUTHORIZATION.as_str())?.map(parse_authorization).transpose()?;
        let forwarded = single(headers, FORWARDED)?.map(parse_token).transpose()?;
        Ok(Self { own, forwarded, certificate: None })
    }

    /// A call with nothing but this token.
    pub fn bearer(token: Secret) -> Self {
        Self { own: Some(Credential::Bearer(token)), ..Self::default() }
    }

    /// A call of a service that hands on a user's token.
    pub fn forwarded(own: Secret, user: Secret) -> Self {
        Self { own: Some(Credential::Bearer(own)), forwarded: Some(user), certificate: None }
    }

    /// The same of a call on a connection that showed this certificate.
    #[must_use]
    pub fn with_certificate(self, certificate: Option<ShownCertificate>) -> Self {
        Self { certificate, ..self }
    }

    /// The caller's own token, if it presented one.
    pub fn own_token(&self) -> Option<&Secret> {
        match &self.own {
            Some(Credential::Bearer(token)) => Some(token),
            Some(Credential::Basic { .. }) | None => None,
        }
    }

    /// Whether this is a user with a password, for [`Login::exchange`](super::Login::exchange).
    pub fn is_password(&self) -> bool {
        matches!(self.own, Some(Credential::Basic { .. }))
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Rejection::Header("it occurs twice"));
    }
    value.to_str().map(Some).map_err(|_| Rejection::Header("it is not plain text"))
}

fn parse_authorization(value: &str) -> Result<Credential, Rejection> {
    let (scheme, rest) = value.trim().split_once(' ').ok_or(Rejection::Header("it names no scheme"))?;
    if scheme.eq_ignore_ascii_case("bearer") {
        parse_token(rest).map(Credential::Bearer)
    } else if scheme.eq_ignore_ascii_case("basic") {
        parse_basic(rest.trim())
    } else {
        Err(Rejection::Header("its scheme is neither Bearer nor Basic"))
    }
}

fn parse_token(value: &str) -> Result<Secret, Rejection> {
    let token = value.trim();
    if token.is_empty() || token.contains(char::is_whitespace) || token.contains(',') {
        return Err(Rejection::Header("it does not hold one token"));
    }
    Ok(Secret::new(token))
}

fn parse_basic(encoded: &str) -> Result<Credential, Rejection> {
    let bytes = BASE64.decode(encoded).map_err(|_| Rejection::Header("it is not base64"))?;
    let text = String::from_utf8(bytes).map_err(|_| Rejection::Header("it is not UTF-8"))?;
    let (user, password) = text.split_once(':').ok_or(Rejection::Header("it lacks a colon"))?;
    if user == TOKEN_USER {
        return parse_token(password).map(Credential::Bearer);
    }
    if user.is_empty() {
        return Err(Rejection::Header("it names no user"));
    }
    Ok(Credential::Basic { user: user.to_owned(), password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> Result<Credentials> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Credentials::from_headers(&map)
    }

    fn token(headers: &[(&'static str, &str)]) -> String {
        match read(headers).ok().and_then(|read| read.own) {
            Some(Credential::Bearer(token)) => token.reveal().to_owned(),
            _ => "no token".to_owned(),
        }
    }

    fn basic(value: &str) -> Option<(String, String)> {
        match read(&[("authorization", value)]).ok()?.own? {
            Credential::Basic { user, password } => Some((user, password.reveal().to_owned())),
            Credential::Bearer(_) => None,
        }
    }

    #[test]
    fn scheme_is_read_in_any_case() {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(token(&[("authorization", &format!("{scheme} a.b.c"))]), "a.b.c");
        }
    }

    #[test]
    fn basic_is_read_padded_and_unpadded() {
        let expected = Some(("ab".to_owned(), "pw".to_owned()));
        assert_eq!(basic("Basic YWI6cHc="), expected);
        assert_eq!(basic("basic YWI6cHc"), expected);
    }

    #[test]
    fn password_may_hold_colons() {
        let value = format!("Basic {}", BASE64.encode("alice:a:b:"));
        assert_eq!(basic(&value), Some(("alice".to_owned(), "a:b:".to_owned())));
    }

    #[test]
    fn user_token_carries_a_token_as_password() {
        let value = format!("Basic {}", BASE64.encode("token:a.b.c"));
        assert_eq!(token(&[("authorization", &value)]), "a.b.c");
    }

    #[test]
    fn forwarded_token_is_read_and_names_of_users_are_not() {
        let read = read(&[
            ("x-forwarded-user", "admin"),
            ("x-forwarded-email", "admin@example.com"),
            ("x-forwarded-access-token", "a.b.c"),
        ])
        .ok()
        .unwrap();
        assert!(read.own.is_none());
        assert_eq!(read.forwarded.unwrap().reveal(), "a.b.c");
    }

    #[test]
    fn doubled_and_malformed_headers_are_refused() {
        let bad: &[&[(&'static str, &str)]] = &[
            &[("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c")],
            &[("x-forwarded-access-token", "a"), ("x-forwarded-access-token", "b")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearer a.b.c, Bearer d.e.f")],
            &[("authorization", "Negotiate abc")],
            &[("authorization", "Basic !!!")],
            &[("authorization", "Basic bm9jb2xvbg==")],
            &[("authorization", "Basic OnB3")],
            &[("x-forwarded-access-token", "")],
        ];
        for headers in bad {
            assert!(read(headers).is_err(), "{headers:?}");
        }
    }
}
