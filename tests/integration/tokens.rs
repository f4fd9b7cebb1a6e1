//! The door for tokens: service principals get one by their secret, apps one for the user who visits them, and nobody more
//! than what was shown is worth.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use weir_catalog::metastore::Delegation;
use weir_server::clock::Clock;
use weir_server::config::{Config, Issuer};
use weir_testkit::{
    ADMIN, Client, IdentityProvider, Published, Refusal, Setup, TestServer, block_on, discovered,
};

mod exchange;

const CLIENT_CREDENTIALS: &str = "grant_type=client_credentials";
const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Bob may read one row of two, the app both; carol reads nothing.
const GROUND: &str = "
CREATE SERVICE PRINCIPAL robot;
CREATE SERVICE PRINCIPAL app;
CREATE SERVICE PRINCIPAL idle;
CREATE TABLE main.default.t (region STRING);
INSERT INTO main.default.t VALUES ('north'), ('south');
CREATE FUNCTION main.default.own(region STRING) RETURNS BOOLEAN RETURN current_user() = 'app' OR region = 'north';
ALTER TABLE main.default.t SET ROW FILTER main.default.own ON (region);
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO bob;
GRANT USE CATALOG, USE SCHEMA, SELECT, MODIFY ON CATALOG main TO app";

struct Ground {
    server: TestServer,
    door: SocketAddr,
}

/// An answer of the door.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    json: Value,
}

impl Answer {
    fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.json["token_type"], "Bearer");
        self.json["access_token"].as_str().unwrap().to_owned()
    }

    fn error(&self) -> (u16, &str) {
        assert!(self.json.get("access_token").is_none(), "{self:?}");
        (self.status, self.json["error"].as_str().unwrap())
    }
}

fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn ground_of(mut config: Config) -> Ground {
    let door = free();
    config.tokens.address = Some(door);
    let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
    server.prepare(GROUND).await;
    let ground = Ground { server, door };
    ground.delegate("app", Delegation::MayActForUsers).await;
    ground
}

async fn ground() -> Ground {
    ground_of(Config::default()).await
}

async fn raw(door: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(door).await.unwrap();
    // Whoever is refused early may find the connection closed while it still writes.
    drop(stream.write_all(request).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap()
}

async fn ask(door: SocketAddr, request: &[u8]) -> Answer {
    let answer = raw(door, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(
        head.contains("cache-control: no-store") && head.contains("content-type: application/json"),
        "{head}"
    );
    Answer { status, json: serde_json::from_str(body).unwrap_or(Value::Null), head }
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /oauth/token HTTP/1.1\r\nHost: weir\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

fn basic(client: &str, secret: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{client}:{secret}")))
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

impl Ground {
    async fn delegate(&self, name: &str, delegation: Delegation) {
        let may = if delegation == Delegation::MayActForUsers { "MAY" } else { "MAY NOT" };
        self.server.prepare(&format!("ALTER SERVICE PRINCIPAL {name} {may} ACT FOR USERS")).await;
    }

    /// The id and text of an access token that `by` makes.
    async fn access_token(&self, by: &str, rest: &str) -> (String, String) {
        let rows = self.server.rows(by, &format!("CREATE ACCESS TOKEN made {rest}")).await;
        let cells: Vec<&str> = rows[0].split(" | ").collect();
        (cells[0].to_owned(), cells[1].to_owned())
    }

    async fn secret(&self, service: &str) -> String {
        self.access_token(ADMIN, &format!("FOR {service}")).await.1
    }

    async fn ask(&self, headers: &str, body: &str) -> Answer {
        ask(self.door, &post(headers, body)).await
    }

    async fn by_secret(&self, client: &str, secret: &str) -> Answer {
        self.ask(&basic(client, secret), CLIENT_CREDENTIALS).await
    }

    async fn exchange(&self, headers: &str, subject: &str) -> Answer {
        self.ask(headers, &format!("{EXCHANGE}&subject_token={subject}&subject_token_type={ACCESS_TOKEN}"))
            .await
    }

    async fn exchange_by(&self, actor: &str, subject: &str) -> Answer {
        let body = format!("{EXCHANGE}&subject_token={subject}&subject_token_type={ACCESS_TOKEN}");
        self.ask("", &format!("{body}&actor_token={actor}&actor_token_type={ACCESS_TOKEN}")).await
    }

    fn holder(&self, token: &str) -> Client {
        self.server.anonymous().with_token(token)
    }
}

async fn me(client: &Client) -> Result<String, Refusal> {
    Ok(client.statement("SELECT current_user()").await?.value())
}

async fn code(client: &Client) -> Code {
    me(client).await.expect_err("it is refused").code
}

#[test]
fn a_service_principal_gets_a_token_by_its_name_and_secret() {
    block_on(async {
        let ground = ground().await;
        let (id, secret) = ground.access_token(ADMIN, "FOR robot").await;
        let answer = ground.by_secret("robot", &secret).await;
        assert_eq!(answer.json["expires_in"], 3600);
        assert!(answer.json.get("issued_token_type").is_none(), "{answer:?}");
        let robot = ground.holder(&answer.token());
        assert_eq!(me(&robot).await.unwrap(), "robot");
        let body = format!("{CLIENT_CREDENTIALS}&client_id=robot&client_secret={secret}");
        assert_eq!(me(&ground.holder(&ground.ask("", &body).await.token())).await.unwrap(), "robot");
        // No token makes another that outlives it.
        let refusal = robot.statement("CREATE ACCESS TOKEN more").await.unwrap_err();
        assert_eq!(refusal.code, Code::PermissionDenied, "{refusal:?}");
        let told = claims(&answer.token());
        assert_eq!((told["sub"].as_str(), told.get("act")), (Some("robot"), None));
        assert!(!told.to_string().contains(&secret), "{told}");
        // It ends with the secret, and at the latest after an hour.
        let second = ground.holder(&ground.by_secret("robot", &secret).await.token());
        ground.server.clock().advance(TimeDelta::seconds(3600 + 31));
        assert!(me(&second).await.unwrap_err().text.contains("expired"));
        let third = ground.holder(&ground.by_secret("robot", &secret).await.token());
        assert_eq!(me(&third).await.unwrap(), "robot");
        ground.server.done(ADMIN, &format!("DROP ACCESS TOKEN '{id}'")).await;
        let refusal = me(&third).await.unwrap_err();
        assert_eq!(refusal.code, Code::Unauthenticated);
        assert!(refusal.text.contains("the access token by which it was asked for is gone"), "{refusal:?}");
    });
}

#[test]
fn a_token_is_never_more_than_its_secret() {
    block_on(async {
        let ground = ground().await;
        let (_, reading) = ground.access_token(ADMIN, "FOR app READ ONLY").await;
        let app = ground.holder(&ground.by_secret("app", &reading).await.token());
        assert_eq!(app.statement("SELECT count(*) FROM main.default.t").await.unwrap().value(), "2");
        let refusal = app.update("INSERT INTO main.default.t VALUES ('east')").await.unwrap_err();
        assert_eq!(refusal.code, Code::PermissionDenied, "{refusal:?}");
        let (_, day) = ground.access_token(ADMIN, "FOR app EXPIRES IN 1 DAY").await;
        ground.server.clock().advance(TimeDelta::minutes(24 * 60 - 10));
        let answer = ground.by_secret("app", &day).await;
        assert_eq!(answer.json["expires_in"], 600);
        let app = ground.holder(&answer.token());
        assert_eq!(me(&app).await.unwrap(), "app");
        // No leeway for clocks beyond the secret's own end, which is ours.
        ground.server.clock().advance(TimeDelta::seconds(601));
        assert_eq!(code(&app).await, Code::Unauthenticated);
        assert_eq!(ground.by_secret("app", &day).await.error(), (401, "invalid_client"));
        // Who is disabled is out with the next call.
        let secret = ground.secret("robot").await;
        let robot = ground.holder(&ground.by_secret("robot", &secret).await.token());
        assert_eq!(me(&robot).await.unwrap(), "robot");
        ground.server.done(ADMIN, "ALTER SERVICE PRINCIPAL robot DISABLE").await;
        assert_eq!(code(&robot).await, Code::Unauthenticated);
    });
}

#[test]
fn whoever_is_no_client_gets_one_answer() {
    block_on(async {
        let ground = ground().await;
        let (robots, apps) = (ground.secret("robot").await, ground.secret("app").await);
        let (_, bobs) = ground.access_token("bob", "").await;
        let (dropped_id, dropped) = ground.access_token(ADMIN, "FOR robot").await;
        ground.server.done(ADMIN, &format!("DROP ACCESS TOKEN '{dropped_id}'")).await;
        let idles = ground.secret("idle").await;
        ground.server.done(ADMIN, "ALTER SERVICE PRINCIPAL idle DISABLE").await;
        let token = ground.server.token("robot");
        let long = "x".repeat(300);
        let cases = [
            ("another's secret", "robot", apps.as_str()),
            ("a user's own", "bob", bobs.as_str()),
            ("a user's for a service principal", "robot", bobs.as_str()),
            ("a service principal's for a user", "bob", robots.as_str()),
            ("nobody", "nobody", robots.as_str()),
            ("another spelling", "Robot", robots.as_str()),
            ("a group", "hr", robots.as_str()),
            ("a wrong secret", "app", "weir_pat_AAAA"),
            ("a token of another kind", "robot", token.as_str()),
            ("a dropped secret", "app", dropped.as_str()),
            ("who is disabled", "idle", idles.as_str()),
            ("a long name", long.as_str(), robots.as_str()),
        ];
        let mut told = Vec::new();
        for (what, client, secret) in cases {
            let answer = ground.by_secret(client, secret).await;
            assert_eq!(answer.error(), (401, "invalid_client"), "{what}");
            assert!(answer.head.contains("www-authenticate: basic"), "{what}: {}", answer.head);
            told.push(answer.json);
        }
        assert!(told.iter().all(|one| one == &told[0]), "{told:?}");
        assert_eq!(
            ground.by_secret("robot", &robots).await.status,
            200,
            "the others' failures are not its own"
        );
    });
}

#[test]
fn guessing_costs_a_growing_wait_and_is_in_the_trail() {
    block_on(async {
        let ground = ground().await;
        let secret = ground.secret("app").await;
        let robots = ground.secret("robot").await;
        for client in ["app", "nobody"] {
            for _ in 0..5 {
                assert_eq!(ground.by_secret(client, "weir_pat_guess").await.error(), (401, "invalid_client"));
            }
            let answer = ground.by_secret(client, "weir_pat_guess").await;
            assert_eq!(answer.error(), (429, "invalid_client"), "{client}");
            assert!(answer.head.contains("retry-after: "), "{}", answer.head);
        }
        assert_eq!(ground.by_secret("app", &secret).await.status, 200, "nobody keeps out who has the secret");
        assert_eq!(
            ground.by_secret("app", "weir_pat_guess").await.status,
            429,
            "nor does that help who guesses"
        );
        assert_eq!(ground.by_secret("robot", &robots).await.status, 200, "another client is not concerned");
        ground.server.clock().advance(TimeDelta::seconds(61));
        let bob = ground.server.token("bob");
        assert_eq!(ground.by_secret("app", &secret).await.status, 200);
        assert_eq!(ground.exchange(&basic("app", &secret), &bob).await.status, 200);
        let trail = "SELECT request_params['full_name_arg'] AS whom, request_params['grant'] AS asked, response.status_code AS code, \
                     source_ip_address AS ip, count(*) AS times FROM system.access.audit \
                     WHERE service_name = 'accounts' AND action_name = 'issueToken' GROUP BY ALL";
        let told = ground.server.rows(ADMIN, trail).await;
        for (line, times) in [
            ("app | client credentials | 200", 2),
            ("robot | client credentials | 200", 1),
            ("bob | token exchange | 200", 1),
        ] {
            assert!(told.contains(&format!("{line} | 127.0.0.1 | {times}")), "{line} in {told:?}");
        }
        let refused = told.iter().filter(|line| !line.contains("| 200 |")).collect::<Vec<_>>();
        assert_eq!(refused.len(), 2, "{told:?}");
        assert!(
            refused.iter().all(|line| line.ends_with("| 5")) && !told.join("").contains("nobody"),
            "{told:?}"
        );
        let all = ground.server.rows(ADMIN, "SELECT * FROM system.access.audit").await.join("\n");
        for hidden in [secret.trim_start_matches("weir_pat_"), "weir_pat_guess", "eyJ"] {
            assert!(!all.contains(hidden), "{hidden}");
        }
    });
}

#[test]
fn refusals_that_anybody_can_cause_do_not_fill_the_trail() {
    block_on(async {
        let ground = ground().await;
        for number in 0..130 {
            let answer = ground.by_secret(&format!("guess {number}"), "weir_pat_guess").await;
            assert_eq!(answer.error(), (401, "invalid_client"));
        }
        let told = ground
            .server
            .rows(ADMIN, "SELECT count(*) FROM system.access.audit WHERE action_name = 'issueToken'");
        assert_eq!(told.await, ["120"]);
        // What is given is told in any case.
        let secret = ground.secret("robot").await;
        assert_eq!(ground.by_secret("robot", &secret).await.status, 200);
        let told = ground
            .server
            .rows(ADMIN, "SELECT count(*) FROM system.access.audit WHERE action_name = 'issueToken'");
        assert_eq!(told.await, ["121"]);
    });
}

#[test]
fn the_door_reads_forms_that_are_posted_and_nothing_else() {
    block_on(async {
        let ground = ground().await;
        let secret = ground.secret("robot").await;
        let form = format!("{CLIENT_CREDENTIALS}&client_id=robot&client_secret={secret}");
        let request = |line: &str, kind: &str, body: &str| {
            let length = body.len();
            format!(
                "{line} HTTP/1.1\r\nHost: weir\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        };
        let kind = "application/x-www-form-urlencoded";
        for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let answer =
                ask(ground.door, request(&format!("{method} /oauth/token"), kind, &form).as_bytes()).await;
            assert_eq!(answer.error(), (405, "invalid_request"), "{method}");
            assert!(answer.head.contains("allow: post"), "{}", answer.head);
        }
        for (line, kind, body, status) in [
            ("POST /oauth/token", "application/json", form.as_str(), 415),
            ("POST /oauth/token", "text/plain", form.as_str(), 415),
            (&format!("POST /oauth/token?{form}"), kind, "", 400),
            (&format!("POST /oauth/token?{CLIENT_CREDENTIALS}"), kind, &form, 400),
            ("POST /", kind, &form, 404),
            ("POST /oauth/token/", kind, &form, 404),
            ("GET /metrics", kind, "", 404),
            ("POST /oauth/token", kind, &format!("{form}&client_id=robot"), 400),
            ("POST /oauth/token", kind, &format!("{form}&scope=all"), 400),
            ("POST /oauth/token", kind, &format!("{form}&x={}", "y".repeat(70_000)), 413),
        ] {
            let answer = ask(ground.door, request(line, kind, body).as_bytes()).await;
            assert_eq!(answer.error().0, status, "{line} {kind}");
            assert!(!answer.json.to_string().contains(&secret), "{answer:?}");
        }
        let twice = format!("{}{}", basic("robot", &secret), basic("robot", &secret));
        assert_eq!(ground.ask(&twice, CLIENT_CREDENTIALS).await.error(), (400, "invalid_request"));
        // Names in headers are nobody's.
        let named = "x-forwarded-user: admin\r\nx-forwarded-access-token: x\r\n";
        assert_eq!(ground.ask(named, CLIENT_CREDENTIALS).await.error(), (401, "invalid_client"));
        // Bytes of no protocol do no harm, and the door stays open.
        for bytes in [
            &b"\x16\x03\x01\x00\x05\x01"[..],
            b"\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &[0xff; 4096],
        ] {
            let mut stream = TcpStream::connect(ground.door).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            drop(stream.read_to_end(&mut answer).await);
            assert!(!String::from_utf8_lossy(&answer).contains("200 OK"), "{answer:?}");
        }
        assert_eq!(ground.ask("", &form).await.status, 200);
    });
}

#[test]
fn a_server_with_tls_takes_no_secret_in_the_clear() {
    block_on(async {
        let mut config = Config::default();
        config.server.tls_self_signed = true;
        config.tokens.address = Some(free());
        let door = config.tokens.address.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let server = TestServer::start_in(directory, Setup { config, ..Setup::default() }).await;
        // Once it answers, all its doors are open.
        assert_eq!(code(&server.client(ADMIN)).await, Code::FailedPrecondition);
        let answer = ask(door, &post(&basic("robot", "weir_pat_x"), CLIENT_CREDENTIALS)).await;
        assert_eq!(answer.error(), (400, "invalid_request"));
        assert!(answer.json["error_description"].as_str().unwrap().contains("speaks https"), "{answer:?}");
    });
}

#[test]
fn there_is_no_door_unless_it_is_configured_and_none_that_could_be_overheard() {
    let refused = |change: fn(&mut Config)| {
        let mut config = Config::default();
        config.tokens.address = Some(SocketAddr::from(([127, 0, 0, 1], 32011)));
        change(&mut config);
        config.check().err().map(|error| error.message().to_owned())
    };
    assert_eq!(Config::default().tokens.address, None);
    assert_eq!(refused(|_| {}), None);
    let told = refused(|config| config.tokens.address = Some(SocketAddr::from(([0, 0, 0, 0], 32011))));
    assert!(told.unwrap().contains("secrets would cross the network readable"));
    // Leave for tokens in the clear is none for secrets.
    let told = refused(|config| {
        config.server.allow_plaintext_on_public_address = true;
        config.tokens.address = Some(SocketAddr::from(([10, 0, 0, 1], 32011)));
    });
    assert!(told.unwrap().contains("TLS is off"));
    assert_eq!(
        refused(|config| {
            config.server.tls_self_signed = true;
            config.tokens.address = Some(SocketAddr::from(([0, 0, 0, 0], 32011)));
        }),
        None
    );
    let told = refused(|config| {
        config.identity.local_issuer = false;
        config.identity.issuers = vec![discovered("https://login.example.com/")];
    });
    assert!(told.unwrap().contains("nothing could be signed"));
}
