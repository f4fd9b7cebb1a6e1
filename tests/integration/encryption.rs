//! The door with TLS and without, for clients of either kind and for neither; certificates that change.

use std::path::Path;
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::CommandStatementQuery;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use weir_server::config::Config;
use weir_testkit::{Client, Program, Setup, TestServer, block_on};

/// A certificate for `localhost` and its key.
fn write_certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("server.key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("server.pem"), made.cert.pem()).unwrap();
    made.cert.pem()
}

async fn server_with_tls(folder: &Path) -> TestServer {
    let mut config = Config::default();
    config.server.tls_certificate = Some(folder.join("server.pem"));
    config.server.tls_key = Some(folder.join("server.key"));
    // Its users would be made in the clear; `admin` is there from the start.
    TestServer::start_in(tempfile::tempdir().unwrap(), Setup { config, ..Setup::default() }).await
}

/// A client that trusts `certificate`; an error where the handshake fails.
async fn over_tls(server: &TestServer, certificate: &str) -> Result<Client, tonic::transport::Error> {
    let tls =
        ClientTlsConfig::new().domain_name("localhost").ca_certificate(Certificate::from_pem(certificate));
    let endpoint = Endpoint::from_shared(format!("https://{}", server.address())).unwrap();
    let channel = endpoint.tls_config(tls).unwrap().connect().await?;
    let token = server.token("admin");
    Ok(Client::over(FlightServiceClient::new(channel)).with_token(&token))
}

async fn answer(server: &TestServer, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[test]
fn a_server_with_tls_answers_clients_in_the_clear_with_how_to_connect() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let certificate = write_certificate(folder.path());
        let server = server_with_tls(folder.path()).await;
        let admin = over_tls(&server, &certificate).await.unwrap();
        assert_eq!(admin.statement("SELECT current_user()").await.unwrap().value(), "admin");
        let query = CommandStatementQuery { query: "SELECT 1".to_owned(), transaction_id: None };
        for client in [server.client("admin"), server.anonymous()] {
            let told = [
                client.info(&query).await.unwrap_err(),
                client.prepare("SELECT 1").await.unwrap_err(),
                client.act("CloseSession", Vec::new()).await.unwrap_err(),
                client.update("CREATE USER mallory").await.unwrap_err(),
            ];
            for refusal in told {
                assert_eq!(refusal.code, Code::FailedPrecondition, "{refusal:?}");
                assert!(refusal.text.contains("grpc+tls://") && refusal.text.contains("useEncryption=true"));
            }
        }
        let users = admin
            .statement(
                "SELECT count(*) FROM system.query.history WHERE statement_text LIKE 'CREATE USER mallory%'",
            )
            .await;
        assert_eq!(users.unwrap().value(), "0", "nothing that came in the clear was run");
    });
}

#[test]
fn a_server_without_tls_ends_a_handshake_with_an_alert() {
    block_on(async {
        let server = TestServer::start().await;
        // A record of a handshake, as every client with TLS begins.
        assert_eq!(answer(&server, &[0x16, 0x03, 0x01, 0x00, 0x05, 0x01]).await, [0x15, 3, 3, 0, 2, 2, 0x28]);
        let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let failure = over_tls(&server, &stranger.cert.pem()).await.unwrap_err();
        let mut causes = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(&failure);
        while let Some(next) = cause {
            causes.push_str(&next.to_string());
            cause = next.source();
        }
        assert!(causes.contains("HandshakeFailure"), "{causes}");
        assert_eq!(server.rows("alice", "SELECT 1").await, ["1"]);
    });
}

#[test]
fn browsers_are_told_and_silent_or_senseless_connections_hold_nobody_up() {
    block_on(async {
        let server = TestServer::start().await;
        let page = answer(&server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let page = String::from_utf8(page).unwrap();
        assert!(page.starts_with("HTTP/1.1 400") && page.contains("Flight SQL"), "{page}");
        let mut open = Vec::new();
        for _ in 0..200 {
            open.push(TcpStream::connect(server.address()).await.unwrap());
        }
        for bytes in [&b"\0\0\0"[..], b"PRI * HTTP/2.0\r\n", b"\x16", b"SSH-2.0-x\r\n"] {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            open.push(stream);
        }
        assert_eq!(server.rows("alice", "SELECT 1").await, ["1"]);
    });
}

#[test]
fn a_certificate_that_changes_holds_for_new_connections() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let first = write_certificate(folder.path());
        let server = server_with_tls(folder.path()).await;
        let before = over_tls(&server, &first).await.unwrap();
        assert_eq!(before.statement("SELECT 1").await.unwrap().value(), "1");
        // Files that cannot be used leave the one before in use.
        std::fs::write(folder.path().join("server.pem"), "no certificate").unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        over_tls(&server, &first).await.unwrap();
        let second = write_certificate(folder.path());
        let mut renewed = None;
        for _ in 0..100 {
            renewed = over_tls(&server, &second).await.ok();
            if renewed.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let after = renewed.expect("the new certificate is shown");
        assert_eq!(after.statement("SELECT 1").await.unwrap().value(), "1");
        over_tls(&server, &first).await.unwrap_err();
        assert_eq!(before.statement("SELECT 1").await.unwrap().value(), "1", "connections that stood go on");
    });
}

#[test]
fn a_certificate_for_development_is_made_and_trusted_by_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("weir.toml");
    let data = folder.path().join("data");
    let text = format!(
        "[server]\nflight_address = \"127.0.0.1:0\"\ndata_directory = \"{}\"\ntls_self_signed = true\n\
         [catalog]\ninitial_admin = \"admin\"\n",
        data.display()
    );
    std::fs::write(&config, text).unwrap();
    let program = Program::serve(&config);
    let address = program.address();
    let url = format!("grpc+tls://{address}");
    let certificate = data.join("tls/server.pem");
    let (config, certificate) = (config.to_str().unwrap(), certificate.to_str().unwrap());
    let ask = |more: &[&str]| {
        let mut arguments = vec!["sql", "--as", "admin", "--config", config];
        arguments.extend(more);
        arguments.push("SELECT current_user() AS me");
        Program::output(&arguments)
    };
    let told = ask(&["--url", &url, "--ca", certificate]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("admin"), "{told:?}");
    // Who does not know the certificate does not trust it, and who asks in the clear is told how to ask.
    let untrusted = ask(&["--url", &url]);
    assert!(!untrusted.status.success());
    assert!(String::from_utf8_lossy(&untrusted.stderr).contains("--ca"), "{untrusted:?}");
    let clear = ask(&["--url", &format!("grpc://{address}")]);
    assert!(String::from_utf8_lossy(&clear.stderr).contains("grpc+tls://"), "{clear:?}");
    let key = std::fs::metadata(data.join("tls/server.key")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
    program.terminate();
}
