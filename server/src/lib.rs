//! Weir: an Arrow Flight SQL warehouse server that enforces the catalog's policies.
//!
//! The modules stand in the order of the way through:
//! door → identity → statement → plan → govern → execute → stream out; books are kept on the way.
//! See `ARCHITECTURE.md` beside `src` for the bird's view and one query walked file by file.

pub mod clock;
pub mod config;
pub mod connections;
pub mod error;
pub mod telemetry;

pub mod app;
pub mod billing;
pub mod client;
pub mod command;
pub mod context;
pub mod demo;
pub mod flight;
pub mod identity;
pub mod location;
pub mod metrics;
pub mod query;
pub mod run;
pub mod session;
pub mod sql;
pub mod system;
pub mod tokens;
pub mod traces;
pub mod ways_in;

pub use error::{Condition, Error, Result};
