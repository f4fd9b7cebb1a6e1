//! The only test scaffolding: a server in the test's own process, its clock, its tokens, a client
//! with a method for each way in, Delta tables whose files are known, rows as text.
//!
//! Nothing here decides what is right: it prepares, asks and compares. What fails in it fails
//! the test, so it panics where a product would return an error. `README.md` beside `src` lists
//! what there is.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "scaffolding of tests: a failed step is a failed test"
)]

mod archive;
mod azure_server;
mod client;
mod delta;
mod google_server;
pub mod hostile;
mod identity_provider;
mod openid_server;
mod program;
mod rows;
mod runtime;
mod s3_server;
mod script_server;
mod server;
mod slt;
mod tokens;
mod trace_collector;
mod walk;
mod ways;

pub use archive::unpack;
pub use azure_server::AzureServer;
pub use client::{Client, Prepared, Refusal, Told, descriptor, messages};
pub use delta::{OtherWriter, commit_file, data_files, logged, read_parquet_folder, write_commit};
pub use google_server::{GoogleRequest, GoogleServer};
pub use identity_provider::{IdentityProvider, Published, discovered};
pub use openid_server::OpenIdServer;
pub use program::Program;
pub use rows::{Rows, text_of};
pub use runtime::{block_on, task};
pub use s3_server::{Fault, FaultyStore, S3Server};
pub use server::{ADMIN, Setup, TestServer};
pub use slt::Script;
pub use tokens::ForeignIssuer;
pub use trace_collector::{ReceivedSpan, TraceCollector};
pub use walk::Walk;
pub use ways::Way;
pub use weir_catalog::store::suite::PostgresServer;
