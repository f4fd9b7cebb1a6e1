//! [`Traces`]: a span for each statement, sent to a collector in the protocol of OpenTelemetry.
//!
//! A statement's span is made when the books hear of its end, from the same record: so traces and history tell the same,
//! and a running statement costs nothing more. Below it lie `wait`, `plan` and `execute`. Its parent is the span that the
//! client named in the header `traceparent`, whose decision about keeping the trace holds too.
//!
//! Names of attributes are those of OpenTelemetry's conventions for databases where there is one. No text of a statement,
//! no name of a user or a table and nothing of a row is in a span; figures of scans are left out where a table of the
//! statement is under strict protection, since whoever may look into the collector need not be allowed to read the table.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Span, SpanContext, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};

use crate::config;
use crate::error::{Error, Result};
use crate::query::history::{ExecutionStatus, FinishedRecord, Protection, elapsed};
use crate::query::record::Listener;

/// Where spans go.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    timeout: Duration,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

impl Traces {
    /// The way to the configured collector, which need not be there yet; none where none is configured.
    pub fn open(config: &config::Traces) -> Result<Option<Arc<Self>>> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint)
            .with_timeout(config.timeout.duration())
            .build()
            .map_err(Error::internal)?;
        Ok(Some(Arc::new(Self::over(exporter, config))))
    }

    fn over(exporter: impl SpanExporter + 'static, config: &config::Traces) -> Self {
        let service = Resource::builder_empty()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.share)));
        let provider = SdkTracerProvider::builder()
            .with_resource(service)
            .with_sampler(sampler)
            .with_batch_exporter(Told { exporter, refused: AtomicBool::new(false) })
            .build();
        let tracer = provider.tracer("weir");
        Self { provider, tracer, timeout: config.timeout.duration() }
    }

    /// Sends what is left; the last call. What cannot be sent within the collector's time is lost.
    pub async fn close(self: Arc<Self>) {
        let closing = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(self.timeout));
        if !matches!(closing.await, Ok(Ok(()))) {
            tracing::warn!("the last spans could not be sent to the collector of traces");
        }
    }

    fn tell(&self, record: &FinishedRecord) {
        let name = record.statement_type.map_or("NONE", |kind| kind.name());
        let (start, end) = (record.started_at.into(), record.ended_at.into());
        let parent = match &record.client_span {
            Some(span) => Context::new().with_remote_span_context(span.clone()),
            None => Context::new(),
        };
        let mut span = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_start_time::<SystemTime>(start)
            .start_with_context(&self.tracer, &parent);
        if span.is_recording() {
            span.set_attributes(attributes(record));
            if record.status == ExecutionStatus::Failed {
                span.set_status(Status::error(""));
            }
            self.tell_parts(record, span.span_context());
        }
        span.end_with_timestamp(end);
    }

    /// The parts of the statement's time, one behind the other; those of no length are left out.
    fn tell_parts(&self, record: &FinishedRecord, statement: &SpanContext) {
        let within = Context::new().with_remote_span_context(statement.clone());
        let whole = elapsed(record.started_at, record.ended_at);
        let waited = record.readings.waiting_at_capacity.min(whole);
        let planned = (waited + record.compilation).min(whole);
        let begin = SystemTime::from(record.started_at);
        let ends = [("wait", Duration::ZERO, waited), ("plan", waited, planned), ("execute", planned, whole)];
        for (name, from, until) in ends.into_iter().filter(|(_, from, until)| from < until) {
            let part = self.tracer.span_builder(name).with_start_time(begin + from);
            part.start_with_context(&self.tracer, &within).end_with_timestamp(begin + until);
        }
    }
}

/// What a span says of its statement.
fn attributes(record: &FinishedRecord) -> Vec<KeyValue> {
    let readings = &record.readings;
    let mut said = vec![
        KeyValue::new("db.system.name", "weir"),
        KeyValue::new("weir.statement.id", record.statement_id.to_string()),
        KeyValue::new("weir.statement.status", record.status.name()),
        count("db.response.returned_rows", readings.rows_produced),
        count("weir.returned_bytes", readings.bytes_produced),
        count("weir.written_rows", readings.rows_written),
        KeyValue::new("weir.client_wait_seconds", readings.result_fetch.as_secs_f64()),
        KeyValue::new("weir.from_result_cache", record.from_result_cache),
    ];
    said.extend(record.statement_type.map(|kind| KeyValue::new("db.operation.name", kind.name())));
    said.extend(condition(record).map(|name| KeyValue::new("error.type", name.to_owned())));
    if record.protection == Protection::Standard {
        let scans = &readings.scans;
        said.extend([
            KeyValue::new("weir.filtering_cpu_seconds", readings.filtering_cpu.as_secs_f64()),
            KeyValue::new("weir.other_cpu_seconds", readings.other_cpu.as_secs_f64()),
            count("weir.spilled_bytes", readings.spilled_bytes),
            count("weir.scan.rows", scans.rows_output),
            count("weir.scan.files_read", scans.files_read),
            count("weir.scan.files_pruned", scans.files_pruned),
            count("weir.scan.cache_hit_bytes", scans.cache_hit_bytes),
            count("weir.scan.cache_miss_bytes", scans.cache_miss_bytes),
        ]);
    }
    said
}

fn count(name: &'static str, number: u64) -> KeyValue {
    KeyValue::new(name, i64::try_from(number).unwrap_or(i64::MAX))
}

/// The name of the error's condition, which stands in brackets before its text; the text may name what only the caller may
/// know.
fn condition(record: &FinishedRecord) -> Option<&str> {
    let (name, _) = record.error_message.as_deref()?.strip_prefix('[')?.split_once(']')?;
    Some(name)
}

/// Sends spans, and says in the log when the collector begins to refuse them and when it takes them again.
#[derive(Debug)]
struct Told<E> {
    exporter: E,
    refused: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let before = self.refused.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !before => {
                tracing::warn!(%error, "the collector of traces does not take spans; they are lost")
            }
            Ok(()) if before => tracing::info!("the collector of traces takes spans again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl Listener for Traces {
    fn heard(&self, record: &FinishedRecord) {
        self.tell(record);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::sync::mpsc;

    use chrono::TimeDelta;
    use futures::FutureExt;

    use super::*;
    use crate::query::history::sample;
    use crate::query::record::{Overheard, Receipt, RecordSink};

    #[derive(Debug)]
    struct Kept(mpsc::Sender<SpanData>);

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            batch.into_iter().for_each(|span| self.0.send(span).unwrap());
            Ok(())
        }
    }

    #[derive(Debug)]
    struct Silent;

    impl RecordSink for Silent {
        fn recorded(&self, _: FinishedRecord) -> Receipt {
            async { Ok(()) }.boxed()
        }

        fn checkpoint(&self, _: FinishedRecord) {}
    }

    /// The spans of `record`, the statement's own first.
    async fn spans(record: FinishedRecord, config: config::Traces) -> Vec<SpanData> {
        let (sender, spans) = mpsc::channel();
        let traces = Arc::new(Traces::over(Kept(sender), &config));
        let traced = Overheard { books: Arc::new(Silent), listeners: vec![Arc::<Traces>::clone(&traces)] };
        traced.checkpoint(record.clone());
        drop(traced.recorded(record));
        traces.close().await;
        let mut spans: Vec<_> = spans.try_iter().collect();
        spans.sort_by_key(|span| span.span_kind != SpanKind::Server);
        spans
    }

    fn record() -> FinishedRecord {
        let wall = TimeDelta::milliseconds(30);
        let mut record = sample::record("quentin", "2026-01-01T10:00:00Z", wall, Duration::from_millis(4));
        record.readings.waiting_at_capacity = Duration::from_millis(7);
        record
    }

    fn said(span: &SpanData, name: &str) -> Option<String> {
        let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name)?;
        Some(found.value.to_string())
    }

    #[tokio::test]
    async fn parts_of_a_statement_fill_its_time_in_their_order() {
        let record = record();
        let begin = SystemTime::from(record.started_at);
        let spans = spans(record, config::Traces::default()).await;
        let (statement, parts) = spans.split_first().unwrap();
        assert_eq!((statement.name.as_ref(), statement.start_time), ("SELECT", begin));
        let ms = |time: SystemTime| time.duration_since(begin).unwrap().as_millis();
        let told: Vec<_> =
            parts.iter().map(|part| (part.name.as_ref(), ms(part.start_time), ms(part.end_time))).collect();
        assert_eq!(told, [("wait", 0, 7), ("plan", 7, 8), ("execute", 8, 30)]);
        assert!(parts.iter().all(|part| part.parent_span_id == statement.span_context.span_id()));
    }

    #[tokio::test]
    async fn figures_are_told_and_nothing_of_whose_they_are() {
        let mut record = record();
        record.status = ExecutionStatus::Failed;
        record.error_message = Some("[DIVIDE_BY_ZERO] of 4711 · SQLSTATE: 22012".to_owned());
        let spans = spans(record.clone(), config::Traces::default()).await;
        let statement = spans.first().unwrap();
        assert_eq!(said(statement, "weir.scan.files_read").as_deref(), Some("3"));
        assert_eq!(said(statement, "error.type").as_deref(), Some("DIVIDE_BY_ZERO"));
        assert_eq!(said(statement, "weir.statement.id"), Some(record.statement_id.to_string()));
        assert_eq!(statement.status, Status::error(""));
        let text = format!("{spans:?}");
        for private in ["quentin", "SELECT *", "main.default", "4711"] {
            assert!(!text.contains(private), "{private} in {text}");
        }
    }

    #[tokio::test]
    async fn strict_protection_leaves_no_figure_of_a_scan() {
        let strict = FinishedRecord { protection: Protection::Strict, ..record() };
        let spans = spans(strict, config::Traces::default()).await;
        let statement = spans.first().unwrap();
        assert!(said(statement, "db.response.returned_rows").is_some());
        let scans = statement.attributes.iter().filter(|attribute| {
            let name = attribute.key.as_str();
            name.contains("scan") || name.contains("cpu") || name.contains("spill")
        });
        assert_eq!(scans.count(), 0, "{statement:?}");
    }

    #[tokio::test]
    async fn client_decides_for_its_trace_and_the_share_for_the_others() {
        let none = config::Traces { share: 0.0, ..config::Traces::default() };
        assert_eq!(spans(record(), none.clone()).await, []);
        let of_client = |sampled: bool| {
            let flags = opentelemetry::TraceFlags::default().with_sampled(sampled);
            let (trace, span) = (7_u128.into(), 9_u64.into());
            let state = opentelemetry::trace::TraceState::NONE;
            let client_span = Some(SpanContext::new(trace, span, flags, true, state));
            FinishedRecord { client_span, ..record() }
        };
        let kept = spans(of_client(true), none).await;
        assert_eq!(kept.len(), 4);
        assert!(kept.iter().all(|span| span.span_context.trace_id().to_bytes() == 7_u128.to_be_bytes()));
        assert_eq!(kept.first().unwrap().parent_span_id.to_bytes(), 9_u64.to_be_bytes());
        assert_eq!(spans(of_client(false), config::Traces::default()).await, []);
    }
}
