//! `weir config`, and how the other subcommands find a server's files.

use std::io::Write;
use std::path::Path;

use super::Failure;
use super::arguments::{ConfigOptions, Place};
use crate::config::Config;
use crate::error::Result;

/// The configuration of a file and the environment.
pub(super) fn load(file: Option<&Path>) -> Result<Config> {
    Config::load(file)
}

/// The configuration of the server whose files are meant.
pub(super) fn of_place(place: &Place) -> Result<Config> {
    let mut config = Config::load(place.config.as_deref())?;
    if let Some(directory) = &place.data_dir {
        config.server.data_directory.clone_from(directory);
    }
    Ok(config)
}

/// Prints the effective configuration, or the documented defaults.
pub(super) fn print(options: ConfigOptions) -> Result<(), Failure> {
    let text =
        if options.reference { Config::reference()? } else { load(options.config.as_deref())?.to_toml()? };
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
