//! The log: set up once, written to standard error. It carries no token and no value of a row.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{self, Log};
use crate::error::Result;

/// Starts logging as configured. A second start in one process changes nothing.
pub fn start(config: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|cause| {
        config::refused(format!("`log.filter` is `{}`: {cause}", config.filter)).with_hint(
            "a level such as `info`, or levels of parts such as `info,weir_server::identity=debug`",
        )
    })?;
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    let told = filter_fn(may_tell).with_max_level_hint(LevelFilter::TRACE);
    let lines = lines.with_filter(filter.and(told));
    if tracing_subscriber::registry().with(lines).try_init().is_err() {
        tracing::debug!("the log was started before");
    }
    // Some libraries print rows, to standard output too, where they are told that somebody listens at their level `trace`.
    log::set_max_level(log::LevelFilter::Info);
    Ok(())
}

/// Libraries tell plans with their constants, frames with their headers and statements with their values at the levels
/// for debugging: whatever is asked for, of those only our own parts tell anything.
fn may_tell(event: &Metadata<'_>) -> bool {
    *event.level() <= Level::INFO || event.target().starts_with("weir")
}
