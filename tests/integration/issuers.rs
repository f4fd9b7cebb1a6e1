//! Issuers that publish their keys: discovery, rotation, what is believed of what they answer, and what is not.

mod openid;

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::json;
use tonic::Code;
use weir_server::clock::Clock;
use weir_server::config::{Config, Issuer};
use weir_testkit::{Client, IdentityProvider, Published, Refusal, Setup, TestServer, block_on};

async fn server_of(issuer: Issuer) -> TestServer {
    let mut config = Config::default();
    config.identity.issuers = vec![issuer];
    TestServer::start_with(Setup { config, ..Setup::default() }).await
}

fn with(server: &TestServer, token: &str) -> Client {
    server.anonymous().with_token(token)
}

async fn name(client: &Client) -> Result<String, Refusal> {
    Ok(client.statement("SELECT current_user()").await?.value())
}

async fn code(client: &Client) -> Code {
    name(client).await.expect_err("it is refused").code
}

#[test]
fn keys_are_found_by_discovery_and_rotate_while_the_server_runs() {
    block_on(async {
        let mut provider = IdentityProvider::start().await;
        let server = server_of(provider.configured()).await;
        let now = server.clock().now();
        let token = |provider: &IdentityProvider, key: &str| provider.token(key, "alice", now, &json!({}));
        let first = with(&server, &token(&provider, "first"));
        // However many come at once, the keys are fetched once.
        let told = join_all((0..20).map(|_| name(&first))).await;
        assert!(told.iter().all(|told| told.as_deref() == Ok("alice")), "{told:?}");
        assert_eq!(provider.fetches(), 1);
        provider.rotate("second", 2);
        let second = with(&server, &token(&provider, "second"));
        // A key that is not known yet is looked for, but not within seconds of the last look.
        assert_eq!(code(&second).await, Code::Unauthenticated);
        assert_eq!(provider.fetches(), 1);
        server.clock().advance(TimeDelta::seconds(11));
        let told = join_all((0..20).map(|_| name(&second))).await;
        assert!(told.iter().all(|told| told.as_deref() == Ok("alice")), "{told:?}");
        assert_eq!((provider.fetches(), name(&first).await.as_deref()), (2, Ok("alice")));
        // A key that is withdrawn holds for minutes at most.
        provider.publish_keys(1);
        server.clock().advance(TimeDelta::minutes(6));
        name(&second).await.unwrap();
        for _ in 0..200 {
            if name(&first).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(code(&first).await, Code::Unauthenticated);
        assert_eq!(name(&second).await.unwrap(), "alice");
        assert_eq!(provider.fetches(), 3);
    });
}

#[test]
fn a_provider_that_is_gone_is_waited_for_and_its_keys_are_kept_for_an_hour() {
    block_on(async {
        let provider = IdentityProvider::start().await;
        provider.answer_document(Published::Status(503));
        let server = server_of(provider.configured()).await;
        let alice = with(&server, &provider.token("first", "alice", server.clock().now(), &json!({})));
        let refusal = name(&alice).await.unwrap_err();
        assert_eq!(refusal.code, Code::Unavailable, "{refusal:?}");
        assert!(
            refusal.text.contains("try again later") && !refusal.text.contains("127.0.0.1"),
            "{refusal:?}"
        );
        // Others are served meanwhile.
        assert_eq!(name(&server.client("bob")).await.unwrap(), "bob");
        provider.publish_document(&provider.issuer, &format!("{}/keys", provider.issuer));
        server.clock().advance(TimeDelta::seconds(11));
        assert_eq!(name(&alice).await.unwrap(), "alice");
        provider.answer_keys(Published::Status(500));
        for _ in 0..5 {
            server.clock().advance(TimeDelta::minutes(11));
            assert_eq!(name(&alice).await.unwrap(), "alice");
        }
        server.clock().advance(TimeDelta::minutes(11));
        assert_eq!(code(&alice).await, Code::Unavailable);
    });
}

#[test]
fn names_of_keys_that_nobody_has_cost_no_fetches() {
    block_on(async {
        let mut provider = IdentityProvider::start().await;
        let server = server_of(provider.configured()).await;
        let now = server.clock().now();
        name(&with(&server, &provider.token("first", "alice", now, &json!({})))).await.unwrap();
        for number in 0..30 {
            provider.rotate(&format!("never published {number}"), 0);
            let token = provider.token(&format!("never published {number}"), "alice", now, &json!({}));
            assert_eq!(code(&with(&server, &token)).await, Code::Unauthenticated);
        }
        assert_eq!(provider.fetches(), 1);
        let stranger = IdentityProvider::start().await;
        let foreign = stranger.token("first", "alice", now, &json!({"iss": provider.issuer}));
        provider.publish_keys(31);
        assert_eq!(code(&with(&server, &foreign)).await, Code::Unauthenticated);
        assert_eq!(
            code(&with(&server, &stranger.token("first", "alice", now, &json!({})))).await,
            Code::Unauthenticated
        );
        assert_eq!(stranger.fetches(), 0, "nobody is asked who is not configured");
    });
}

#[test]
fn what_a_provider_should_not_say_is_not_believed() {
    block_on(async {
        let provider = IdentityProvider::start().await;
        let server = server_of(provider.configured()).await;
        let alice = with(&server, &provider.token("first", "alice", server.clock().now(), &json!({})));
        let keys = format!("{}/keys", provider.issuer);
        let document = |issuer: &str, keys: &str| {
            Published::Text(json!({"issuer": issuer, "jwks_uri": keys}).to_string())
        };
        for published in [
            document("http://127.0.0.1:1/realm", &keys),
            document(&format!("{}/", provider.issuer), &keys),
            document(&provider.issuer, "http://keys.example.com/keys"),
            document(&provider.issuer, "file:///etc/passwd"),
            document(&provider.issuer, &keys.replace("http://", "http://user:password@")),
            Published::MovedTo(format!("{}/.well-known/openid-configuration", provider.issuer)),
            Published::Text("<html>".to_owned()),
            Published::Text(" ".repeat(2 * 1024 * 1024)),
        ] {
            provider.answer_document(published.clone());
            server.clock().advance(TimeDelta::seconds(11));
            assert_eq!(code(&alice).await, Code::Unavailable, "{published:?}");
        }
        provider.answer_document(document(&provider.issuer, &keys));
        let private =
            json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "first", "x": "AA", "d": "AA"}]});
        for published in [
            Published::Text(private.to_string()),
            Published::Text(json!({"keys": {}}).to_string()),
            Published::MovedTo(keys.clone()),
            Published::Late(Duration::from_secs(30), String::new()),
        ] {
            provider.answer_keys(published.clone());
            server.clock().advance(TimeDelta::seconds(11));
            assert_eq!(code(&alice).await, Code::Unavailable, "{published:?}");
        }
        // A key that is a shared secret is passed over, not taken for a public one.
        provider.publish_keys(1);
        server.clock().advance(TimeDelta::seconds(11));
        assert_eq!(name(&alice).await.unwrap(), "alice");
    });
}

#[test]
fn a_token_needs_the_scopes_that_are_required_and_is_told_which() {
    block_on(async {
        let provider = IdentityProvider::start().await;
        let required = vec!["sql".to_owned(), "data:read".to_owned()];
        let server = server_of(Issuer { required_scopes: required, ..provider.configured() }).await;
        let now = server.clock().now();
        let asked =
            async |claims| name(&with(&server, &provider.token("first", "alice", now, &claims))).await;
        for claims in [
            json!({"scope": "openid sql data:read"}),
            json!({"scp": ["data:read", "sql"]}),
            json!({"scp": "sql data:read"}),
        ] {
            assert_eq!(asked(claims).await.unwrap(), "alice");
        }
        for (claims, lacks) in [
            (json!({}), "`sql`"),
            (json!({"scope": "sql"}), "`data:read`"),
            (json!({"scope": "sqlx data:read"}), "`sql`"),
            (json!({"scope": "SQL data:read"}), "`sql`"),
            (json!({"scp": []}), "`sql`"),
        ] {
            let refusal = asked(claims).await.unwrap_err();
            assert_eq!(refusal.code, Code::Unauthenticated);
            assert!(refusal.text.contains(lacks), "{refusal:?}");
        }
        for claims in
            [json!({"scope": {"sql": true}}), json!({"scp": ["sql", "data:read", 7]}), json!({"scope": 1})]
        {
            assert_eq!(asked(claims).await.unwrap_err().code, Code::Unauthenticated);
        }
    });
}
