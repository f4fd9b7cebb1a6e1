//! A client's session: its settings, kept in a sealed cookie that the client carries.
//!
//! The server remembers nothing, so any server of the catalog can answer the next call. Every
//! answer to a client without a cookie brings one; a client that never sends it back and takes up no
//! bearer either ([`session_bearer`](super::session_bearer)) cannot keep a session, and is told so when it
//! tries to change it. The headers `catalog` and
//! `schema` set where names are looked up for clients without cookies; a cookie goes before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use weir_catalog::{Epoch, PrincipalId};

use super::seal::{Purpose, Seal};
use super::ticket::{Content, Token};
use crate::clock::Clock;
use crate::config::Sessions;
use crate::error::{Error, Result};
use crate::session::SessionSettings;

/// The name that the protocol suggests.
pub(crate) const COOKIE_NAME: &str = "arrow_flight_session_id";

/// What a call brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presented {
    /// No cookie of ours.
    Nothing,
    /// A cookie that does not open for this principal: the client keeps cookies, the session
    /// is a new one.
    Unusable,
    /// A session.
    Session(SessionSettings),
}

/// The session that `metadata` brings for `principal`.
pub(crate) fn presented(
    seal: &Seal,
    clock: &dyn Clock,
    principal: PrincipalId,
    headers: &HeaderMap,
) -> Presented {
    let Some(value) = cookie_value(headers) else { return Presented::Nothing };
    match open(seal, clock, principal, &value) {
        Some(settings) => Presented::Session(settings),
        None => Presented::Unusable,
    }
}

/// The `set-cookie` value that keeps `settings`.
pub(crate) fn set_cookie(seal: &Seal, principal: PrincipalId, settings: &SessionSettings) -> Result<String> {
    let token = Token::new(principal, Epoch(0), None, Content::Session(settings.into()))?;
    let sealed = token.seal(seal, Purpose::Session)?;
    Ok(format!("{COOKIE_NAME}={}; HttpOnly", URL_SAFE_NO_PAD.encode(sealed)))
}

/// The `set-cookie` value that ends a session.
pub(crate) fn clear_cookie() -> String {
    format!("{COOKIE_NAME}=; Max-Age=0")
}

/// What the sessions of a user begin with, where the headers of a call say nothing.
pub(crate) fn settings_of_user(sessions: &Sessions, user: &str) -> SessionSettings {
    let mut settings = SessionSettings {
        double_quoted_identifiers: sessions.double_quoted_identifiers,
        ..SessionSettings::default()
    };
    if let Some(own) = sessions.of(user) {
        settings.double_quoted_identifiers =
            own.double_quoted_identifiers.unwrap_or(settings.double_quoted_identifiers);
        settings.catalog = own.catalog.as_ref().map_or(settings.catalog, |catalog| catalog.to_lowercase());
        settings.schema = own.schema.as_ref().map_or(settings.schema, |schema| schema.to_lowercase());
    }
    settings
}

/// The settings of a call without a session: those that it begins with, and what the headers say.
pub(crate) fn settings_of_headers(headers: &HeaderMap, begun: SessionSettings) -> SessionSettings {
    let mut settings = begun;
    if let Some(catalog) = text(headers, "catalog") {
        settings.catalog = catalog;
    }
    if let Some(schema) = text(headers, "schema") {
        settings.schema = schema;
    }
    if let Some(said) = text(headers, "double_quoted_identifiers") {
        settings.double_quoted_identifiers = said == "true";
    }
    settings
}

/// Whether a call may be answered by a result that is kept: the header `use_cached_result` says `false` where not.
pub(crate) fn takes_kept_results(headers: &HeaderMap) -> bool {
    text(headers, "use_cached_result").is_none_or(|said| said == "true")
}

pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then(|| value.to_lowercase())
}

fn cookie_value(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all("cookie");
    values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE_NAME && !value.is_empty())
        .map(|(_, value)| value.trim_matches('"').to_owned())
}

fn open(seal: &Seal, clock: &dyn Clock, principal: PrincipalId, value: &str) -> Option<SessionSettings> {
    let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
    let token = Token::open(seal, Purpose::Session, &sealed, principal, clock.now()).ok()?;
    match token.content().ok()? {
        Content::Session(session) => Some(session.clone().into()),
        Content::Rows(_)
        | Content::Write(_)
        | Content::Metadata(_)
        | Content::Done(_)
        | Content::Carried(_) => None,
    }
}

/// The error for a client that changes its session but keeps no cookies.
pub(crate) fn session_not_kept() -> Error {
    super::command::refused("sessions without cookies: this client keeps none, so its session's settings")
        .with_hint(
            "turn on the client's cookies, send the header `session_by_bearer` from a client that takes up the \
             `authorization` of an answer, send the headers `catalog` and `schema`, or write names in three parts",
        )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::SessionsOfUser;

    fn with_cookie(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", value.parse().unwrap());
        headers
    }

    #[test]
    fn a_session_comes_back_to_its_principal_alone() {
        let (seal, alice, bob) = (Seal::new([3; 32]), PrincipalId::fresh(), PrincipalId::fresh());
        let settings = SessionSettings { catalog: "sales".to_owned(), ..SessionSettings::default() };
        let set = set_cookie(&seal, alice, &settings).unwrap();
        let pair = set.split(';').next().unwrap();
        let metadata = with_cookie(&format!("other=1; {pair}"));
        assert_eq!(presented(&seal, &SystemClock, alice, &metadata), Presented::Session(settings));
        assert_eq!(presented(&seal, &SystemClock, bob, &metadata), Presented::Unusable);
        let guess = with_cookie(&format!("{COOKIE_NAME}=guess"));
        assert_eq!(presented(&seal, &SystemClock, alice, &guess), Presented::Unusable);
        assert_eq!(presented(&seal, &SystemClock, alice, &HeaderMap::new()), Presented::Nothing);
        let cleared = with_cookie(&format!("{COOKIE_NAME}="));
        assert_eq!(presented(&seal, &SystemClock, alice, &cleared), Presented::Nothing);
    }

    #[test]
    fn the_configuration_says_what_a_users_sessions_begin_with_and_headers_go_before() {
        let of_dbt = SessionsOfUser {
            name: "dbt".to_owned(),
            double_quoted_identifiers: Some(true),
            catalog: Some("Sales".to_owned()),
            schema: None,
        };
        let mut sessions = Sessions { users: vec![of_dbt], ..Sessions::default() };
        assert_eq!(settings_of_user(&sessions, "alice"), SessionSettings::default());
        let begun = settings_of_user(&sessions, "dbt");
        assert_eq!((begun.catalog.as_str(), begun.schema.as_str()), ("sales", "default"));
        assert!(begun.double_quoted_identifiers);
        assert_eq!(settings_of_headers(&HeaderMap::new(), begun.clone()), begun);
        let mut headers = HeaderMap::new();
        headers.insert("double_quoted_identifiers", "false".parse().unwrap());
        assert!(!settings_of_headers(&headers, begun).double_quoted_identifiers);
        sessions.double_quoted_identifiers = true;
        assert!(settings_of_user(&sessions, "alice").double_quoted_identifiers);
    }

    #[test]
    fn headers_say_where_names_are_looked_up() {
        let mut headers = HeaderMap::new();
        headers.insert("catalog", "Sales".parse().unwrap());
        let of_headers = |headers: &HeaderMap| settings_of_headers(headers, SessionSettings::default());
        let settings = of_headers(&headers);
        assert_eq!((settings.catalog.as_str(), settings.schema.as_str()), ("sales", "default"));
        assert!(!settings.double_quoted_identifiers && takes_kept_results(&headers));
        for (said, meant) in [("true", true), ("TRUE", true), ("false", false), ("yes", false)] {
            headers.insert("double_quoted_identifiers", said.parse().unwrap());
            assert_eq!(of_headers(&headers).double_quoted_identifiers, meant, "{said}");
        }
        for (said, takes) in [("true", true), ("FALSE", false), ("off", false)] {
            headers.insert("use_cached_result", said.parse().unwrap());
            assert_eq!(takes_kept_results(&headers), takes, "{said}");
        }
    }
}
