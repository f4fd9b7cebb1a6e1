//! Personal access tokens: who makes, lists and drops them, what they may, and where their text never stands.

use chrono::TimeDelta;
use tonic::Code;
use weir_testkit::{Client, Refusal, TestServer, block_on};

/// A token's id and text.
async fn made(server: &TestServer, user: &str, statement: &str) -> (String, String) {
    let rows = server.rows(user, statement).await;
    let [row] = rows.as_slice() else { panic!("one row was expected, not {rows:?}") };
    let cells: Vec<&str> = row.split(" | ").collect();
    (cells[0].to_owned(), cells[1].to_owned())
}

fn holder(server: &TestServer, token: &str) -> Client {
    server.anonymous().with_token(token)
}

async fn me(client: &Client) -> Result<String, Refusal> {
    Ok(client.statement("SELECT current_user()").await?.value())
}

async fn code(client: &Client, sql: &str) -> Code {
    client.statement(sql).await.expect_err("it is refused").code
}

#[test]
fn a_token_is_its_owner_until_it_is_dropped_or_expires() {
    block_on(async {
        let server = TestServer::start().await;
        let (id, token) = made(&server, "alice", "CREATE ACCESS TOKEN nightly EXPIRES IN 7 DAYS").await;
        assert!(token.starts_with("weir_pat_") && token.len() > 50, "{token}");
        let app = holder(&server, &token);
        assert_eq!(me(&app).await.unwrap(), "alice");
        let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("token:{token}"));
        let tool = server.anonymous().with_header("authorization", format!("Basic {basic}"));
        assert_eq!(me(&tool).await.unwrap(), "alice");
        // A token that is like it is none, and none is told from another.
        let mut texts = Vec::new();
        for other in
            [token.to_uppercase(), format!("{token}x"), "weir_pat_".to_owned(), token.replace('_', "-")]
        {
            let refusal = me(&holder(&server, &other)).await.unwrap_err();
            assert_eq!(refusal.code, Code::Unauthenticated, "{refusal:?}");
            assert!(!refusal.text.contains(&other));
            texts.push(refusal.text);
        }
        assert_eq!(texts[1], texts[2]);
        server.done("alice", &format!("DROP ACCESS TOKEN '{id}'")).await;
        assert_eq!(code(&app, "SELECT 1").await, Code::Unauthenticated);
        let (_, token) = made(&server, "alice", "CREATE ACCESS TOKEN nightly EXPIRES IN 1 DAY").await;
        let app = holder(&server, &token);
        assert_eq!(me(&app).await.unwrap(), "alice");
        server.clock().advance(TimeDelta::hours(25));
        let refusal = me(&app).await.unwrap_err();
        assert!(refusal.text.contains("expired"), "{refusal:?}");
    });
}

#[test]
fn rights_are_those_of_now() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare("CREATE TABLE main.default.t (id INT);\nCREATE USER dave").await;
        let (_, token) = made(&server, "dave", "CREATE ACCESS TOKEN job").await;
        let app = holder(&server, &token);
        assert_eq!(me(&app).await.unwrap(), "dave");
        assert_eq!(code(&app, "SELECT * FROM main.default.t").await, Code::NotFound);
        server.prepare("GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO dave").await;
        assert_eq!(app.statement("SELECT count(*) FROM main.default.t").await.unwrap().value(), "0");
        server.prepare("ALTER USER dave DISABLE").await;
        assert_eq!(code(&app, "SELECT 1").await, Code::Unauthenticated);
        server.prepare("ALTER USER dave ENABLE").await;
        assert_eq!(me(&app).await.unwrap(), "dave");
        // Whoever gets the name later is somebody else.
        server
            .prepare(
                "REVOKE USE CATALOG, USE SCHEMA, SELECT ON CATALOG main FROM dave;
                 DROP USER dave;
                 CREATE USER dave",
            )
            .await;
        assert_eq!(code(&app, "SELECT 1").await, Code::Unauthenticated);
    });
}

#[test]
fn a_token_for_reading_changes_nothing() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare("CREATE TABLE main.default.t (id INT);\nGRANT IMPERSONATE ON METASTORE TO admin")
            .await;
        let (_, token) = made(&server, "admin", "CREATE ACCESS TOKEN report READ ONLY").await;
        let report = holder(&server, &token);
        assert_eq!(report.statement("SELECT count(*) FROM main.default.t").await.unwrap().value(), "0");
        for sql in [
            "INSERT INTO main.default.t VALUES (1)",
            "DELETE FROM main.default.t",
            "CREATE TABLE main.default.u AS SELECT 1 AS a",
            "CREATE TABLE main.default.u (a INT)",
            "DROP TABLE main.default.t",
            "GRANT SELECT ON TABLE main.default.t TO alice",
            "CREATE USER mallory",
            "REQUEST ACCESS ON TABLE main.default.t",
            "CLEAR CACHE",
            "EXECUTE AS USER alice INSERT INTO main.default.t VALUES (1)",
            "CREATE ACCESS TOKEN more",
        ] {
            for refusal in [report.statement(sql).await.unwrap_err(), report.update(sql).await.unwrap_err()] {
                assert!(
                    matches!(
                        refusal.code,
                        Code::PermissionDenied | Code::Unimplemented | Code::InvalidArgument
                    ),
                    "{sql}: {refusal:?}"
                );
            }
        }
        let rows = arrow::array::RecordBatch::try_from_iter([(
            "id",
            std::sync::Arc::new(arrow::array::Int32Array::from(vec![1])) as arrow::array::ArrayRef,
        )])
        .unwrap();
        let ingest = arrow_flight::sql::CommandStatementIngest {
            table_definition_options: Some(arrow_flight::sql::TableDefinitionOptions {
                if_not_exist: 1,
                if_exists: 2,
            }),
            table: "t".to_owned(),
            ..Default::default()
        };
        let refusal = report.ingest(&ingest, &rows.schema(), vec![rows]).await.unwrap_err();
        assert_eq!(refusal.code, Code::PermissionDenied);
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.default.t").await, ["0"]);
        // As one of two tokens it makes the call one for reading.
        server
            .prepare(
                "CREATE USER erin;\nGRANT USE CATALOG, USE SCHEMA, MODIFY, SELECT ON CATALOG main TO erin",
            )
            .await;
        let (_, own) = made(&server, "erin", "CREATE ACCESS TOKEN own READ ONLY").await;
        let both = holder(&server, &server.token("erin")).with_header("x-forwarded-access-token", own);
        assert_eq!(me(&both).await.unwrap(), "erin");
        assert_eq!(
            both.update("INSERT INTO main.default.t VALUES (1)").await.unwrap_err().code,
            Code::PermissionDenied
        );
    });
}

#[test]
fn tokens_of_others_are_the_admins_business() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare("CREATE SERVICE PRINCIPAL robot").await;
        let (bobs, _) = made(&server, "bob", "CREATE ACCESS TOKEN mine").await;
        let alice = server.client("alice");
        assert_eq!(code(&alice, "CREATE ACCESS TOKEN x FOR bob").await, Code::PermissionDenied);
        // A stranger learns no names.
        let told = [
            alice.statement("CREATE ACCESS TOKEN x FOR bob").await.unwrap_err().text,
            alice.statement("CREATE ACCESS TOKEN x FOR nobody").await.unwrap_err().text,
        ];
        assert_eq!(told[0], told[1]);
        let absent = weir_catalog::AccessTokenId::fresh().to_string();
        let told = [
            alice.update(&format!("DROP ACCESS TOKEN '{bobs}'")).await.unwrap_err(),
            alice.update(&format!("DROP ACCESS TOKEN '{absent}'")).await.unwrap_err(),
        ];
        assert_eq!(told[0].code, Code::NotFound);
        assert_eq!(told[0].text.replace(&bobs, &absent), told[1].text);
        assert_eq!(server.rows("alice", "SHOW ACCESS TOKENS").await, Vec::<String>::new());
        let (_, token) =
            made(&server, "admin", "CREATE ACCESS TOKEN etl FOR robot EXPIRES IN 365 DAYS").await;
        assert_eq!(me(&holder(&server, &token)).await.unwrap(), "robot");
        // Nobody acts as another user by rank, and a group does nothing.
        for sql in ["CREATE ACCESS TOKEN x FOR hr", "CREATE ACCESS TOKEN x FOR bob"] {
            assert_eq!(code(&server.client("admin"), sql).await, Code::InvalidArgument, "{sql}");
        }
        for days in ["0", "366"] {
            let sql = format!("CREATE ACCESS TOKEN x EXPIRES IN {days} DAYS");
            assert_eq!(code(&server.client("bob"), &sql).await, Code::InvalidArgument, "{days}");
        }
        let listed = server.rows("admin", "SHOW ACCESS TOKENS").await;
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().any(|row| row.contains(" | etl | robot | ALL | ")), "{listed:?}");
        assert_eq!(server.rows("bob", "SHOW ACCESS TOKENS").await.len(), 1);
        server.done("admin", &format!("DROP ACCESS TOKEN '{bobs}'")).await;
        assert_eq!(server.rows("bob", "SHOW ACCESS TOKENS").await, Vec::<String>::new());
    });
}

#[test]
fn a_tokens_text_stands_in_its_answer_alone() {
    block_on(async {
        let server = TestServer::start().await;
        let (id, token) = made(&server, "alice", "CREATE ACCESS TOKEN nightly").await;
        let app = holder(&server, &token);
        me(&app).await.unwrap();
        // Who has got hold of one makes no others, and drops none.
        for sql in ["CREATE ACCESS TOKEN longer EXPIRES IN 365 DAYS", &format!("DROP ACCESS TOKEN '{id}'")] {
            assert_eq!(code(&app, sql).await, Code::PermissionDenied, "{sql}");
        }
        let secret = token.trim_start_matches("weir_pat_");
        for sql in [
            "SHOW ACCESS TOKENS",
            "SELECT * FROM system.query.history",
            "SELECT * FROM system.access.audit",
            "SELECT * FROM system.billing.usage",
        ] {
            let shown = server.rows("admin", sql).await.join("\n");
            assert!(!shown.is_empty() && !shown.contains(secret), "{sql}: {shown}");
        }
        let trail = server
            .rows("admin", "SELECT action_name FROM system.access.audit WHERE service_name = 'accounts'")
            .await;
        assert!(trail.iter().any(|action| action == "generateDbToken"), "{trail:?}");
        for file in walk(&server.data()) {
            let bytes = std::fs::read(&file).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "the token's text is in {}", file.display());
        }
    });
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn nobody_has_more_tokens_than_may_be() {
    block_on(async {
        let server = TestServer::start().await;
        let (first, _) = made(&server, "alice", "CREATE ACCESS TOKEN nightly").await;
        for _ in 1..weir_catalog::metastore::ACCESS_TOKENS_MAX {
            made(&server, "alice", "CREATE ACCESS TOKEN nightly").await;
        }
        let refusal = server.client("alice").statement("CREATE ACCESS TOKEN more").await.unwrap_err();
        assert_eq!(refusal.code, Code::ResourceExhausted, "{refusal:?}");
        assert!(refusal.text.starts_with("[RESOURCE_EXHAUSTED]"), "{refusal:?}");
        assert!(refusal.text.contains("DROP ACCESS TOKEN"), "{refusal:?}");
        made(&server, "bob", "CREATE ACCESS TOKEN nightly").await;
        server.done("alice", &format!("DROP ACCESS TOKEN '{first}'")).await;
        made(&server, "alice", "CREATE ACCESS TOKEN more").await;
    });
}
