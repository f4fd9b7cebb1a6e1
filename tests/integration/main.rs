//! All promises of Weir that are tested over its real doors, as one program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed step is a failed test"
)]

mod access_tokens;
mod access_views;
mod actions;
mod audit;
mod bad_input;
mod billing;
mod bounds;
mod buckets;
mod catalog_file;
mod changes;
mod claimed_groups;
mod client_certificates;
mod columns;
mod concurrency;
mod describing;
mod digests;
mod documents;
mod encryption;
mod enforcement;
mod faults;
mod flight;
mod floods;
mod foreign_paths;
mod freshness;
mod generated;
mod golden;
mod hostile;
mod impersonation;
mod information_schema;
mod issuers;
mod limits;
mod logs;
mod long_texts;
mod membership;
mod names;
mod policy_decisions;
mod primary_keys;
mod proving;
mod result_cache;
mod scan;
mod scratch_schemas;
mod show_create;
mod slt;
mod soak;
mod stores;
mod table_logs;
mod tidy;
mod tokens;
mod traces;
mod unauthorized;
