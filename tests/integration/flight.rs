//! The protocol as drivers meet it: one wire schema everywhere, each change made once, values
//! bound by position.

mod answers;
mod conformance;
mod draining;
mod grafana;
mod holdings;
mod ingest;
mod metadata;
mod parameters;
mod polls;
mod receipts;
mod schemas;
mod sessions;
mod writes;
