//! A session kept in a bearer, for clients without cookies that take up the `authorization` of an answer: ADBC does.
//!
//! The answer to a call that changes the session brings a bearer of the server's own, in which the settings lie beside the
//! credential that the call came with, both sealed. The client sends it from then on; the credential is taken out of it and
//! verified as if it had come by itself, with every call, so the bearer is worth what the credential is worth and ends with
//! it. Nothing is held for it here, and any server of the catalog reads it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use weir_catalog::{Epoch, PrincipalId};

use super::seal::{Purpose, Seal};
use super::session_cookie::text;
use super::ticket::{Carried, Content, Token};
use crate::clock::Clock;
use crate::config::Secret;
use crate::error::{Condition, Error, Result};
use crate::session::SessionSettings;

/// How such a bearer begins.
const PREFIX: &str = "weir_session_";
/// The longest that is handed out; more would not fit into the headers of a call.
const BYTES_MAX: usize = 8 * 1024;
/// How the ADBC driver calls itself: its connections each take up the `authorization` of an answer.
const ADBC: &str = "ADBC Flight SQL Driver";
/// The header by which other clients say that they do.
const ASKED_FOR: &str = "session_by_bearer";

/// Takes a session's bearer out of the headers of a call and puts the credential that it carries in its place, unless the
/// call brought one of its own.
pub(crate) fn taken_out(seal: &Seal, clock: &dyn Clock, headers: &mut HeaderMap) -> Result<Option<Token>> {
    let (ours, others): (Vec<_>, Vec<_>) =
        headers.get_all(AUTHORIZATION).iter().cloned().partition(|value| sealed_text(value).is_some());
    let bearer = match ours.as_slice() {
        [] => return Ok(None),
        [one] => one,
        _ => return Err(does_not_hold()),
    };
    let sealed = sealed_text(bearer).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let sealed = sealed.ok_or_else(does_not_hold)?;
    let token = Token::open_anybodys(seal, Purpose::SessionBearer, &sealed, clock.now());
    let token = token.map_err(|_| does_not_hold())?;
    headers.remove(AUTHORIZATION);
    for value in others.iter().cloned().chain(others.is_empty().then(|| credential_in(&token)).flatten()) {
        headers.append(AUTHORIZATION, value);
    }
    Ok(Some(token))
}

/// The settings that `token` keeps for `principal`.
pub(crate) fn settings_in(token: &Token, principal: PrincipalId) -> Option<SessionSettings> {
    match token.content().ok()? {
        Content::Carried(carried) if token.belongs_to(principal) => Some(carried.session.clone().into()),
        _ => None,
    }
}

/// Whether a client takes up the `authorization` of an answer, as far as its headers say.
pub(crate) fn is_taken_up(headers: &HeaderMap) -> bool {
    let agent = headers.get("user-agent").and_then(|value| value.to_str().ok());
    agent.is_some_and(|agent| agent.starts_with(ADBC))
        || text(headers, ASKED_FOR).is_some_and(|said| said == "true")
}

/// The credential of a call, as it came; none where it came in another header.
pub(crate) fn credential_of(headers: &HeaderMap) -> Option<Secret> {
    headers.get(AUTHORIZATION)?.to_str().ok().map(Secret::new)
}

/// The `authorization` that keeps `settings` beside the credential; none where it would be too long.
pub(crate) fn authorization(
    seal: &Seal,
    principal: PrincipalId,
    settings: &SessionSettings,
    credential: Option<&Secret>,
) -> Result<Option<String>> {
    let credential = credential.map(|credential| credential.reveal().to_owned());
    let content = Content::Carried(Carried { session: settings.into(), credential });
    let sealed = Token::new(principal, Epoch(0), None, content)?.seal(seal, Purpose::SessionBearer)?;
    let text = format!("Bearer {PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed));
    Ok((text.len() <= BYTES_MAX).then_some(text))
}

/// What stands after the prefix, where a header holds a bearer of a session.
fn sealed_text(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
    token.trim().strip_prefix(PREFIX).filter(|_| scheme.eq_ignore_ascii_case("bearer"))
}

fn credential_in(token: &Token) -> Option<HeaderValue> {
    let Ok(Content::Carried(Carried { credential: Some(credential), .. })) = token.content() else {
        return None;
    };
    let mut value: HeaderValue = credential.parse().ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn does_not_hold() -> Error {
    Error::new(Condition::Unauthenticated, "the token of this session does not hold")
        .with_hint("sign in again, with the token or password that you began with")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;
    use crate::clock::SystemClock;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    fn values(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str().unwrap()).collect()
    }

    fn out(seal: &Seal, headers: &mut HeaderMap) -> Result<Option<Token>> {
        taken_out(seal, &SystemClock, headers)
    }

    #[test]
    fn the_credential_stands_where_its_session_stood() {
        let (seal, alice, bob) = (Seal::new([3; 32]), PrincipalId::fresh(), PrincipalId::fresh());
        let settings = SessionSettings { catalog: "sales".to_owned(), ..SessionSettings::default() };
        let secret = Secret::new("Bearer a.b.c");
        let text = authorization(&seal, alice, &settings, Some(&secret)).unwrap().unwrap();
        assert!(!text.contains("a.b.c") && !text.contains("sales"));

        let mut alone = headers(&[&text]);
        let token = out(&seal, &mut alone).unwrap().unwrap();
        assert_eq!(values(&alone), ["Bearer a.b.c"]);
        assert_eq!(settings_in(&token, alice), Some(settings));
        assert_eq!(settings_in(&token, bob), None);

        let mut beside = headers(&["Bearer d.e.f", &text]);
        assert!(out(&seal, &mut beside).unwrap().is_some());
        assert_eq!(values(&beside), ["Bearer d.e.f"], "a call's own credential goes before");

        let mut without = headers(&["Bearer d.e.f", "Bearer g.h.i"]);
        assert!(out(&seal, &mut without).unwrap().is_none());
        assert_eq!(values(&without).len(), 2, "what is not ours is left to be refused");

        let none = authorization(&seal, alice, &SessionSettings::default(), None).unwrap().unwrap();
        let mut forwarded = headers(&[&none]);
        assert!(out(&seal, &mut forwarded).unwrap().is_some());
        assert!(values(&forwarded).is_empty());
    }

    #[test]
    fn what_was_not_sealed_for_it_is_refused() {
        let (seal, alice) = (Seal::new([3; 32]), PrincipalId::fresh());
        let settings = SessionSettings::default();
        let text = authorization(&seal, alice, &settings, None).unwrap().unwrap();
        let cookie = super::super::session_cookie::set_cookie(&seal, alice, &settings).unwrap();
        let cookie = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
        let foreign = authorization(&Seal::new([4; 32]), alice, &settings, None).unwrap().unwrap();
        for wrong in
            [format!("{text}A"), format!("Bearer {PREFIX}"), format!("Bearer {PREFIX}{cookie}"), foreign]
        {
            let refusal = out(&seal, &mut headers(&[&wrong])).unwrap_err();
            assert_eq!(refusal.condition(), Condition::Unauthenticated, "{wrong}");
        }
        assert!(out(&seal, &mut headers(&[&text, &text])).is_err(), "two of them");
        let long = Secret::new("Bearer ".to_owned() + &"x".repeat(BYTES_MAX));
        assert_eq!(authorization(&seal, alice, &settings, Some(&long)).unwrap(), None);
    }

    #[test]
    fn clients_that_take_it_up_are_known_by_what_they_say() {
        let said = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            is_taken_up(&headers)
        };
        assert!(said("user-agent", "ADBC Flight SQL Driver 1.13.0 grpc-go/1.76.0"));
        assert!(said("session_by_bearer", "true"));
        assert!(!said("session_by_bearer", "false") && !said("user-agent", "grpc-java-netty/1.7"));
    }
}
