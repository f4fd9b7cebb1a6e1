//! [`TraceCollector`]: takes spans on loopback as a collector of OpenTelemetry does, for tests to read.

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

/// One span with what its service is called.
#[derive(Debug, Clone)]
pub struct ReceivedSpan {
    /// The service's name.
    pub service: String,
    /// The span.
    pub span: Span,
}

impl ReceivedSpan {
    /// An attribute's value as text; none where it is missing.
    pub fn attribute(&self, name: &str) -> Option<String> {
        text_of(&self.span.attributes, name)
    }
}

/// A collector that serves until it is dropped.
#[derive(Debug)]
pub struct TraceCollector {
    /// Where it takes spans.
    pub endpoint: String,
    received: UnboundedReceiver<ReceivedSpan>,
    serving: JoinHandle<()>,
}

impl TraceCollector {
    /// A collector on a free port.
    pub async fn start() -> Self {
        let (sender, received) = unbounded_channel();
        let take = move |body: Bytes| {
            let request = ExportTraceServiceRequest::decode(body).expect("spans in the protocol");
            for spans in request.resource_spans {
                let attributes = spans.resource.map(|resource| resource.attributes).unwrap_or_default();
                let service = text_of(&attributes, "service.name").expect("a service");
                for span in spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    let _test_ended = sender.send(ReceivedSpan { service: service.clone(), span });
                }
            }
            async { StatusCode::OK }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().expect("its address"));
        let routes = Router::new().route("/v1/traces", post(take));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { endpoint, received, serving }
    }

    /// All spans that came in so far.
    pub fn received(&mut self) -> Vec<ReceivedSpan> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }
}

impl Drop for TraceCollector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn text_of(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(is) => is.to_string(),
        other => panic!("an attribute of another kind: {other:?}"),
    })
}
