//! The log: set up once, written to standard error. It carries no token and no value of a row.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

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
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    if log.try_init().is_err() {
        tracing::debug!("the log was started before");
    }
    Ok(())
}
