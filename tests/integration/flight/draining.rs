//! A server that is told to stop: what runs ends, what comes is told where to go.

use arrow_flight::HandshakeRequest;
use arrow_flight::sql::CommandStatementQuery;
use futures::TryStreamExt;
use tonic::Code;
use weir_server::config::{Config, Period};
use weir_testkit::{Setup, TestServer, block_on, task};

use crate::limits::get;

#[test]
fn what_runs_ends_and_what_comes_is_told_where_to_go() {
    block_on(async {
        let mut config = Config::default();
        config.server.drain = Period::minutes(30);
        let figures = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        config.metrics.address = Some(figures);
        config.server.drain_hint = Some("ask grpc://two.example:32010".to_owned());
        let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
        let (alice, late) = (server.client("alice"), server.client("alice"));
        let many: Vec<String> = (0..300).map(|n| format!("({n})")).collect();
        let sql = format!(
            "SELECT a.c, b.c AS d FROM (VALUES {v}) a(c), (VALUES {v}) b(c), (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) e(c)",
            v = many.join(", ")
        );
        let command = CommandStatementQuery { query: sql, transaction_id: None };
        let ticket = alice.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let mut rows = alice.open(ticket.clone()).await.unwrap();
        let mut count = rows.try_next().await.unwrap().unwrap().num_rows();
        assert!(get(figures, "/health").await.starts_with("HTTP/1.1 200"));
        let stopping = task(server.stop());
        let refusal = loop {
            // Told to stop a moment ago, it may still take a call in.
            if let Err(refusal) = late.statement("SELECT 1").await {
                break refusal;
            }
        };
        let hello = late.request(futures::stream::iter([HandshakeRequest::default()]));
        let refused = [
            refusal,
            alice.info(&command).await.unwrap_err(),
            alice.fetch(ticket).await.unwrap_err(),
            alice.update("SELECT 1").await.unwrap_err(),
            alice.act("GetSessionOptions", Vec::new()).await.unwrap_err(),
            late.raw().handshake(hello).await.unwrap_err().into(),
        ];
        for refusal in refused {
            assert_eq!(refusal.code, Code::Unavailable, "{refusal:?}");
            assert!(refusal.text.contains("hint: ask grpc://two.example:32010"), "{refusal:?}");
        }
        let health = get(figures, "/health").await;
        assert!(health.starts_with("HTTP/1.1 503") && health.ends_with("being stopped\n"), "{health}");
        assert!(get(figures, "/metrics").await.starts_with("HTTP/1.1 200"));
        while let Some(batch) = rows.try_next().await.unwrap() {
            count += batch.num_rows();
        }
        assert_eq!(count, 300 * 300 * 10);
        stopping.await.unwrap();
    });
}
