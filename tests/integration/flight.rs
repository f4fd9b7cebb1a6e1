//! The protocol as drivers meet it: one wire schema everywhere, each change made once, values
//! bound by position.

mod answers;
mod grafana;
mod ingest;
mod parameters;
mod receipts;
mod schemas;
mod writes;
