//! `[traces]`: where spans of statements go.

use url::Url;

use super::Period;
use super::refused;
use super::section::section;
use crate::error::Result;

section! {
    /// A span for each statement, sent to a collector in the protocol of OpenTelemetry (OTLP over HTTP). Nothing of a row,
    /// no text of a statement and no name of a user is in it; the id of the statement leads to `system.query.history`.
    Traces {
        /// Where the collector takes spans, with the whole path. Without it none are made. Headers that it asks for stand
        /// in the environment variable OTEL_EXPORTER_OTLP_HEADERS (`name=value,name=value`).
        endpoint: Option<String> = None => "\"http://127.0.0.1:4318/v1/traces\"",
        /// What the server is called there (`service.name`).
        service_name: String = "weir".to_owned(),
        /// The share of statements that get a span, from 0 to 1, where the caller's `traceparent` does not say.
        share: f64 = 1.0,
        /// How long the collector may take for an answer.
        timeout: Period = Period::seconds(10),
    }
}

impl Traces {
    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(refused(format!("`traces.share` is {}", self.share))
                .with_hint("a share is a number from 0 (no statement) to 1 (every one)"));
        }
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let usable = Url::parse(endpoint).is_ok_and(|url| {
            let has_credentials = !url.username().is_empty() || url.password().is_some();
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.path() != "/"
                && !has_credentials
        });
        if usable {
            return Ok(());
        }
        // What it is may hold a password, and is not shown.
        Err(refused("`traces.endpoint` is no address that takes spans").with_hint(
            "an address of http or https with its path and without credentials, such as \
             http://127.0.0.1:4318/v1/traces; credentials stand in OTEL_EXPORTER_OTLP_HEADERS",
        ))
    }
}
