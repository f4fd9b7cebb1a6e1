//! The command line of `weir`: what each subcommand does, and how its failures are told.
//!
//! `weir sql` is an ordinary Flight SQL client: it knows of the server what any client knows.
//! `weir token`, `weir user` and `weir catalog` work on the files of a server's data directory,
//! for whoever may read and write them.

use std::io::Write;
use std::process::ExitCode;

mod accounts;
pub mod arguments;
mod catalog;
pub(crate) mod connection;
mod failure;
mod output;
mod settings;
mod sql;
pub(crate) mod statements;

pub use arguments::{Arguments, Command, DemoOptions};
pub(crate) use failure::Failure;

/// Does what the arguments say; a failure is one sentence on standard error and exit code 1.
pub async fn run(arguments: Arguments) -> ExitCode {
    match dispatch(arguments.command).await {
        Ok(()) | Err(Failure::PipeClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            // nobody is left to tell when standard error is closed
            let _told = writeln!(std::io::stderr().lock(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(options) => crate::demo::run(options).await,
        Command::Serve(options) => {
            let config = settings::load(options.config.as_deref())?;
            crate::telemetry::start(&config.log)?;
            Ok(crate::app::serve(config).await?)
        }
        Command::Sql(options) => sql::run(options).await,
        Command::Token(options) => accounts::print_token(options).await,
        Command::User(user) => accounts::change_user(user).await,
        Command::Catalog(catalog) => catalog::run(catalog).await,
        Command::Config(options) => settings::print(options),
    }
}
