//! The server's log: no value of a row, no token and no password, however much it is asked to tell.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_testkit::{Client, Program, block_on};

/// What may stand in no line.
const CANARIES: [&str; 4] = ["CANARY", "98765432", "pass-4711", "param-4712"];

fn configuration(ground: &Path) -> PathBuf {
    let file = ground.join("weir.toml");
    let data = ground.join("data");
    let text = format!(
        "[server]\nflight_address = \"127.0.0.1:0\"\ndata_directory = \"{}\"\n[catalog]\ninitial_admin = \"admin\"\n[tokens]\naddress = \"127.0.0.1:0\"\n[log]\nfilter = \"trace\"\n",
        data.display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// Rows and masked values with canaries, made of what does not show them: every letter of a canary is spelt.
const GROUND: [&str; 10] = [
    "CREATE USER alice",
    "CREATE TABLE main.default.t (id INT, name STRING, amount INT)",
    "INSERT INTO main.default.t SELECT i, concat('CAN', 'ARY-', cast(i AS STRING)), 98765 * 1000 + 432 * i FROM (VALUES (1), (0), (5)) v(i)",
    "CREATE FUNCTION main.default.few(id INT) RETURNS BOOLEAN RETURN id < 5",
    "CREATE FUNCTION main.default.hidden(v STRING) RETURNS STRING RETURN '***'",
    "ALTER TABLE main.default.t SET ROW FILTER main.default.few ON (id)",
    "ALTER TABLE main.default.t ALTER COLUMN name SET MASK main.default.hidden",
    "GRANT USE CATALOG ON CATALOG main TO alice",
    "GRANT USE SCHEMA ON SCHEMA main.default TO alice",
    "GRANT SELECT, MODIFY ON TABLE main.default.t TO alice",
];

async fn make_ground(admin: &Client) {
    for sql in GROUND {
        admin.update(sql).await.unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}"));
    }
}

async fn attack(alice: &Client) {
    for sql in [
        "SELECT * FROM main.default.t",
        "SELECT id FROM main.default.t WHERE CAST(name AS INT) > 0",
        "SELECT 10 / id FROM main.default.t",
        "SELECT CAST(concat(name, cast(amount AS STRING)) AS INT) FROM main.default.t",
        "EXPLAIN ANALYZE SELECT max(name), max(amount) FROM main.default.t",
        "SELECT name, max(amount) AS m FROM main.default.t GROUP BY name ORDER BY m DESC LIMIT 2",
        "UPDATE main.default.t SET amount = 1 / (id - 1)",
        "SELECT regexp_replace('a', concat('(', cast(amount AS STRING)), 'y') FROM main.default.t",
        "SELECT arrow_cast(cast(amount AS DECIMAL(38, 0)) * 100000000000, 'UInt64') FROM main.default.t",
        "SELECT * FROM main.default.no_such_table",
        "SELECT FROM WHERE",
    ] {
        // Answered or refused: it is the log that is looked at.
        drop(alice.statement(sql).await);
        drop(alice.update(sql).await);
    }
    let value: arrow::array::ArrayRef =
        std::sync::Arc::new(arrow::array::StringArray::from(vec!["param-4712"]));
    let values = arrow::array::RecordBatch::try_from_iter([("1", value)]).unwrap();
    drop(alice.bound("SELECT * FROM main.default.t WHERE CAST(? AS INT) = id", &values).await);
}

/// Secrets that are wrong, in the wrong place or in the wrong form, at the door for tokens.
async fn ask_for_tokens(program: &Program) {
    let said = program.log();
    let place = said.iter().find_map(|line| line.split_once("tokens at http://")?.1.split_once('/'));
    let (address, _) = place.unwrap_or_else(|| panic!("no door in {said:?}"));
    let basic = "Authorization: Basic YWxpY2U6cGFzcy00NzEx\r\n";
    for (line, header, body) in [
        (
            "POST /oauth/token",
            "",
            "grant_type=client_credentials&client_id=admin&client_secret=weir_pat_CANARY",
        ),
        (
            "POST /oauth/token",
            "",
            "grant_type=client_credentials&client_id=pass-4711&client_secret=param-4712",
        ),
        ("POST /oauth/token", basic, "grant_type=client_credentials"),
        ("POST /oauth/token", basic, "grant_type=CANARY&CANARY=CANARY&pass-4711=1"),
        ("POST /oauth/token?client_secret=CANARY", basic, "grant_type=client_credentials"),
        ("GET /CANARY", basic, ""),
    ] {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: weir\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\
             Connection: close\r\n{header}\r\n{body}"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(!CANARIES.iter().any(|canary| answer.contains(canary)), "{answer}");
    }
}

#[test]
fn a_log_that_tells_everything_tells_no_value_and_no_secret() {
    block_on(async {
        let ground = tempfile::tempdir().unwrap();
        let file = configuration(ground.path());
        let program = Program::serve(&file);
        make_ground(&program.client(&file, "admin")).await;
        attack(&program.client(&file, "alice")).await;
        let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.forged-token";
        for stranger in [
            Client::anonymous(program.address()).with_token(forged),
            Client::anonymous(program.address()).with_header("authorization", "Basic YWxpY2U6cGFzcy00NzEx"),
        ] {
            assert!(stranger.statement("SELECT 1").await.is_err());
        }
        ask_for_tokens(&program).await;
        let lines = program.log();
        assert!(lines.iter().any(|line| line.contains("DEBUG") || line.contains("TRACE")), "{lines:?}");
        for line in &lines {
            for secret in CANARIES.into_iter().chain([forged, "YWxpY2U6cGFzcy00NzEx", "eyJ"]) {
                assert!(!line.contains(secret), "{secret} in the log: {line}");
            }
        }
    });
}
