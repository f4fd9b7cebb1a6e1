//! The span in which a client calls, as the header `traceparent` names it (W3C Trace Context).

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The caller's span; none where the header is missing or no such header: a client's mistake in it costs the client its
/// connection to the trace and nothing else.
pub(super) fn of_headers(headers: &HeaderMap) -> Option<SpanContext> {
    if !headers.contains_key("traceparent") {
        return None;
    }
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "test data is known")]

    use super::*;

    fn read(text: &str) -> Option<SpanContext> {
        let headers = [(http::HeaderName::from_static("traceparent"), text.parse().unwrap())];
        of_headers(&headers.into_iter().collect())
    }

    #[test]
    fn header_of_the_standard_names_trace_span_and_whether_it_is_kept() {
        let kept = read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(kept.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(kept.span_id().to_string(), "00f067aa0ba902b7");
        assert!(kept.is_remote() && kept.is_sampled());
        assert!(!read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap().is_sampled());
    }

    #[test]
    fn what_is_no_such_header_names_none() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-further",
            "00-é-00f067aa0ba902b7-01",
            &"0".repeat(10_000),
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
