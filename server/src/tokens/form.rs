//! From the headers and the form of a request to what is asked for. Each parameter stands once or not at all; one without a
//! value counts as left out (RFC 6749, section 3.2); one that means nothing here is refused by its name.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use url::form_urlencoded;

use super::answer::Problem;
use crate::config::Secret;
use crate::identity::{AUDIENCE, Actor, ClientSecret, TokenRequest};

const FORM: &str = "application/x-www-form-urlencoded";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// What is asked for.
pub(super) struct Asked {
    pub(super) request: TokenRequest,
    /// What an exchange calls the token.
    pub(super) issued_type: Option<&'static str>,
}

/// What `headers` and `body` ask for.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Problem> {
    let content_type = single(headers, CONTENT_TYPE.as_str())?.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(FORM) {
        return Err(Problem::content_type());
    }
    let mut form = Form::read(body)?;
    let client = client(headers, &mut form)?;
    let asked = match form.text("grant_type") {
        None => return Err(Problem::request("grant_type is missing")),
        Some(grant) if grant == "client_credentials" => {
            let client = client.ok_or_else(unknown_client)?;
            Asked { request: TokenRequest::ClientCredentials(client), issued_type: None }
        }
        Some(grant) if grant == EXCHANGE => exchange(client, &mut form)?,
        Some(_) => return Err(Problem::grant_type()),
    };
    form.check_target()?;
    form.end()?;
    Ok(asked)
}

fn unknown_client() -> Problem {
    Problem::client(
        "the client shows nothing of itself: send its name and secret, or in an exchange an actor_token",
    )
}

fn exchange(client: Option<ClientSecret>, form: &mut Form) -> Result<Asked, Problem> {
    let actor = form.token("actor_token", "actor_token_type")?;
    let actor = match (client, actor) {
        (Some(client), None) => Actor::Client(client),
        (None, Some(token)) => Actor::Token(token),
        (None, None) => return Err(unknown_client()),
        (Some(_), Some(_)) => {
            let text = "show the acting client in one way: by its secret, or by actor_token";
            return Err(Problem::request(text));
        }
    };
    let subject = form.token("subject_token", "subject_token_type")?;
    let subject = subject.ok_or_else(|| Problem::request("subject_token is missing"))?;
    let issued_type = match form.text("requested_token_type").as_deref() {
        None | Some(ACCESS_TOKEN) => ACCESS_TOKEN,
        Some(JWT) => JWT,
        Some(_) => {
            return Err(Problem::request("requested_token_type may be that of an access token or a JWT"));
        }
    };
    Ok(Asked { request: TokenRequest::Exchange { actor, subject }, issued_type: Some(issued_type) })
}

/// The client's name and secret, from the header or from the form (RFC 6749, section 2.3.1), never from both.
fn client(headers: &HeaderMap, form: &mut Form) -> Result<Option<ClientSecret>, Problem> {
    let shown = match single(headers, AUTHORIZATION.as_str())? {
        None => None,
        Some(value) => basic(value)?,
    };
    let client = match (shown, form.text("client_id"), form.take("client_secret")) {
        (shown, None, None) => shown,
        (None, Some(id), Some(secret)) => Some(ClientSecret { id, secret }),
        (None, _, _) => return Err(Problem::client("client_id and client_secret belong together")),
        (Some(_), _, _) => return Err(Problem::request("the client shows itself in two ways: use one")),
    };
    Ok(client)
}

/// Both parts are encoded like those of a form. Drivers that have neither send both empty.
fn basic(value: &str) -> Result<Option<ClientSecret>, Problem> {
    let malformed =
        || Problem::client("the authorization header must be Basic, with the client's name and secret");
    let (scheme, encoded) = value.trim().split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let bytes = BASE64_STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (id, secret) = text.split_once(':').ok_or_else(malformed)?;
    let (id, secret) = (decoded(id), decoded(secret));
    match (id.is_empty(), secret.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(ClientSecret { id, secret: Secret::new(secret) })),
        _ => Err(malformed()),
    }
}

/// One part of a form: what parsing it as a lone name gives.
fn decoded(part: &str) -> String {
    // A part may hold `=` and `&` only encoded; as they stand they belong to it.
    let part = part.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(part.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::request(format!("the header {name} occurs twice")));
    }
    value.to_str().map(Some).map_err(|_| Problem::request(format!("the header {name} is not plain text")))
}

/// The parameters of a form that have a value, until they are taken.
struct Form(BTreeMap<String, Secret>);

impl Form {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            let name = name.into_owned();
            if fields.contains_key(&name) {
                return Err(Problem::request(format!("{} occurs twice", shown(&name))));
            }
            fields.insert(name, Secret::new(value));
        }
        fields.retain(|_, value| !value.reveal().is_empty());
        Ok(Self(fields))
    }

    fn take(&mut self, name: &str) -> Option<Secret> {
        self.0.remove(name)
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).map(|value| value.reveal().to_owned())
    }

    /// A token and its type, which is told with it and not without.
    fn token(&mut self, name: &str, kind: &str) -> Result<Option<Secret>, Problem> {
        match (self.take(name), self.text(kind)) {
            (None, None) => Ok(None),
            (Some(token), Some(told)) if [ACCESS_TOKEN, JWT, ID_TOKEN].contains(&told.as_str()) => {
                Ok(Some(token))
            }
            (Some(_), Some(_)) => {
                Err(Problem::request(format!("{kind} may be that of an access token, a JWT or an ID token")))
            }
            _ => Err(Problem::request(format!("{name} and {kind} belong together"))),
        }
    }

    fn check_target(&mut self) -> Result<(), Problem> {
        if self.take("scope").is_some() {
            return Err(Problem::scope());
        }
        let elsewhere = self.text("audience").is_some_and(|audience| audience != AUDIENCE);
        if elsewhere || self.take("resource").is_some() { Err(Problem::target()) } else { Ok(()) }
    }

    /// Refuses what was not taken.
    fn end(&self) -> Result<(), Problem> {
        self.0.keys().next().map_or(Ok(()), |name| {
            Err(Problem::request(format!("{} means nothing here: leave it out", shown(name))))
        })
    }
}

/// A parameter's name, where it looks like one: it may be a secret in the wrong place.
fn shown(name: &str) -> &str {
    let plain = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if plain { name } else { "a parameter" }
}

#[cfg(test)]
mod tests;
