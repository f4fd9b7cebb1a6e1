//! Spans of statements, as a collector gets them from a server.

use weir_server::config::{Config, Traces};
use weir_testkit::{ADMIN, ReceivedSpan, Setup, TestServer, TraceCollector, block_on};

/// A server whose spans go to `endpoint`.
async fn server(endpoint: &str) -> TestServer {
    let traces = Traces { endpoint: Some(endpoint.to_owned()), ..Traces::default() };
    TestServer::start_with(Setup { config: Config { traces, ..Config::default() }, ..Setup::default() }).await
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[test]
fn statement_is_a_span_below_that_of_its_client() {
    block_on(async {
        let mut collector = TraceCollector::start().await;
        let server = server(&collector.endpoint).await;
        server.prepare("CREATE TABLE main.default.t AS SELECT 41 AS secret;\n").await;
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let client = server.client(ADMIN).with_header("traceparent", parent.as_str());
        client.statement("SELECT secret + 1 FROM main.default.t").await.unwrap();
        client.statement("SELECT secret FROM main.default.unknown").await.unwrap_err();
        let unkept = server.client(ADMIN).with_header("traceparent", format!("00-{TRACE}-{SPAN}-00"));
        unkept.statement("SELECT 1").await.unwrap();
        server.stop().await;

        let spans = collector.received();
        assert!(spans.iter().all(|received| received.service == "weir"), "{spans:?}");
        assert!(spans.iter().any(|received| received.span.name == "CREATE"), "{spans:?}");
        let trace = u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes();
        let span = u64::from_str_radix(SPAN, 16).unwrap().to_be_bytes();
        let of_client: Vec<&ReceivedSpan> =
            spans.iter().filter(|received| received.span.parent_span_id == span).collect();
        assert_eq!(of_client.len(), 2, "{spans:?}");
        assert!(of_client.iter().all(|received| received.span.trace_id == trace));
        let said = |name: &str| -> Vec<_> {
            of_client.iter().map(|received| received.attribute(name).unwrap_or_default()).collect()
        };
        assert_eq!(said("weir.statement.status"), ["FINISHED", "FAILED"]);
        assert_eq!(said("db.response.returned_rows"), ["1", "0"]);
        assert_eq!(said("weir.scan.files_read"), ["1", "0"]);
        assert_eq!(said("error.type"), ["", "TABLE_OR_VIEW_NOT_FOUND"]);
        let text = format!("{spans:?}");
        for private in [ADMIN, "secret", "unknown"] {
            assert!(!text.contains(private), "{private} in {text}");
        }
    });
}

#[test]
fn collector_that_is_not_there_stops_nothing() {
    block_on(async {
        let gone = TraceCollector::start().await.endpoint.clone();
        let server = server(&gone).await;
        assert_eq!(server.rows(ADMIN, "SELECT 1").await, ["1"]);
        let asked = server.rows(
            ADMIN,
            "SELECT execution_status FROM system.query.history WHERE statement_text = 'SELECT 1'",
        );
        assert_eq!(asked.await, ["FINISHED"]);
        server.stop().await;
    });
}

#[test]
fn malformed_parent_costs_the_client_nothing() {
    block_on(async {
        let mut collector = TraceCollector::start().await;
        let server = server(&collector.endpoint).await;
        let client = server.client(ADMIN).with_header("traceparent", "00-xyz");
        client.statement("SELECT 1").await.unwrap();
        server.stop().await;
        let spans = collector.received();
        let selects = spans.iter().filter(|received| received.span.name == "SELECT");
        assert!(selects.map(|received| received.span.parent_span_id.len()).eq([0]), "{spans:?}");
    });
}
