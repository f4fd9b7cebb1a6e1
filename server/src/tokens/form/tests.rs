//! What clients send, and what they should not.

#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use axum::http::HeaderValue;
use axum::response::IntoResponse;

use super::*;

fn headers(authorization: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    for value in authorization {
        headers.append(AUTHORIZATION, value.parse().unwrap());
    }
    headers
}

fn basic_of(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

/// Who asks and for whom, in one line.
fn told(asked: &Asked) -> String {
    let client = |client: &ClientSecret| format!("{}/{}", client.id, client.secret.reveal());
    match &asked.request {
        TokenRequest::ClientCredentials(asking) => client(asking),
        TokenRequest::Exchange { actor: Actor::Client(acting), subject } => {
            format!("{} for {}", client(acting), subject.reveal())
        }
        TokenRequest::Exchange { actor: Actor::Token(acting), subject } => {
            format!("{} for {}", acting.reveal(), subject.reveal())
        }
    }
}

fn good(authorization: &[&str], body: &str) -> String {
    match read(&headers(authorization), body.as_bytes()) {
        Ok(asked) => told(&asked),
        Err(problem) => format!("{problem:?}"),
    }
}

/// The status and what is said.
fn bad(authorization: &[&str], body: &str) -> String {
    match read(&headers(authorization), body.as_bytes()) {
        Ok(asked) => told(&asked),
        Err(problem) => {
            let said = format!("{problem:?}");
            format!("{} {said}", problem.into_response().status().as_u16())
        }
    }
}

const SUBJECT: &str = "subject_token=user&subject_token_type=urn:ietf:params:oauth:token-type:access_token";
const ACTOR: &str = "actor_token=app&actor_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt";

fn exchange_of(rest: &str) -> String {
    format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&{SUBJECT}&{rest}")
}

#[test]
fn clients_show_themselves_by_header_or_form() {
    let grant = "grant_type=client_credentials";
    assert_eq!(good(&[&basic_of("app", "s")], grant), "app/s");
    assert_eq!(good(&[&basic_of("my+app%3A1", "a%2Bb%26c")], grant), "my app:1/a+b&c");
    assert_eq!(good(&[&basic_of("a=b&c", "s")], grant), "a=b&c/s");
    assert_eq!(good(&[], &format!("{grant}&client_id=app&client_secret=s")), "app/s");
    assert_eq!(good(&[], &format!("{grant}&client_id=app&client_secret=s&audience=weir")), "app/s");
}

#[test]
fn drivers_send_parameters_without_a_value_and_empty_clients() {
    let grant = "code=&grant_type=client_credentials";
    assert_eq!(good(&[&basic_of("app", "s")], grant), "app/s");
    let body = exchange_of(&format!("{ACTOR}&code="));
    assert_eq!(good(&[&basic_of("", "")], &body), "app for user");
    assert_eq!(good(&[], &body), "app for user");
    assert_eq!(good(&[&basic_of("app", "s")], &exchange_of("")), "app/s for user");
}

#[test]
fn a_client_shows_itself_once_and_whole() {
    let grant = "grant_type=client_credentials";
    let app = basic_of("app", "s");
    let cases: &[(&[&str], &str, &str)] = &[
        (&[], "", "401"),
        (&[], "&client_id=app", "401"),
        (&[], "&client_secret=s", "401"),
        (&[&app, &app], "", "twice"),
        (&[&app], "&client_id=app&client_secret=s", "two ways"),
        (&[&app], "&client_id=app", "two ways"),
        (&["Bearer a.b.c"], "", "401"),
        (&["Basic !!!"], "", "401"),
        (&["Basic"], "", "401"),
        (&[&basic_of("app", "")], "", "401"),
        (&[&basic_of("", "s")], "", "401"),
        (&[&basic_of("", "")], "", "401"),
    ];
    for (authorization, more, said) in cases {
        let told = bad(authorization, &format!("{grant}{more}"));
        assert!(told.starts_with("40") && told.contains(said), "{authorization:?} {more}: {told}");
    }
    let both = bad(&[&app], &exchange_of(ACTOR));
    assert!(both.contains("in one way"), "{both}");
}

#[test]
fn parameters_occur_once_and_mean_something() {
    let app = basic_of("app", "s");
    let grant = "grant_type=client_credentials";
    let cases = [
        (format!("{grant}&{grant}"), "grant_type occurs twice"),
        (format!("{grant}&scope=&scope="), "scope occurs twice"),
        (format!("{grant}&scope=sql"), "invalid_scope"),
        (format!("{grant}&resource=https://x/"), "invalid_target"),
        (format!("{grant}&audience=other"), "invalid_target"),
        (format!("{grant}&{SUBJECT}"), "subject_token means nothing"),
        (format!("{grant}&refresh_token=x"), "refresh_token means nothing"),
        (format!("{grant}&client_assertion=x"), "client_assertion means nothing"),
        (format!("{grant}&Weir%20Pat=x"), "a parameter means nothing"),
        ("grant_type=password&username=alice&password=x".to_owned(), "unsupported_grant_type"),
        ("grant_type=authorization_code&code=x".to_owned(), "unsupported_grant_type"),
        ("grant_type=CLIENT_CREDENTIALS".to_owned(), "unsupported_grant_type"),
        ("scope=sql".to_owned(), "grant_type is missing"),
        (String::new(), "grant_type is missing"),
        (exchange_of("requested_token_type=urn:ietf:params:oauth:token-type:saml2"), "requested_token_type"),
        (
            exchange_of("requested_token_type=urn:ietf:params:oauth:token-type:refresh_token"),
            "requested_token",
        ),
        (exchange_of("subject_token=other"), "subject_token occurs twice"),
        (exchange_of("actor_token_type=urn:ietf:params:oauth:token-type:jwt"), "belong together"),
        (exchange_of("scope=a"), "invalid_scope"),
    ];
    for (body, said) in cases {
        let told = bad(&[&app], &body);
        assert!(told.starts_with("40") && told.contains(said), "{body}: {told}");
    }
    for kind in
        ["urn:ietf:params:oauth:token-type:saml1", "urn:ietf:params:oauth:token-type:refresh_token", "jwt"]
    {
        let body = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=user&subject_token_type={kind}"
        );
        let told = bad(&[&app], &body);
        assert!(told.contains("subject_token_type may be"), "{kind}: {told}");
    }
}

#[test]
fn only_forms_are_read() {
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let mut headers = headers(&[]);
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        let problem = read(&headers, b"grant_type=client_credentials").err().unwrap();
        assert_eq!(problem.into_response().status().as_u16(), 415, "{content_type}");
    }
    let mut headers = headers(&[&basic_of("app", "s")]);
    headers.insert(CONTENT_TYPE, "Application/X-WWW-Form-Urlencoded; charset=UTF-8".parse().unwrap());
    assert!(read(&headers, b"grant_type=client_credentials").is_ok());
}
