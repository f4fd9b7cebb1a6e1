//! `weir demo`: a sample warehouse with people and policies, shown at work, then served.
//!
//! The server comes first; everything after goes through its door, with tokens, as any client's
//! calls do. Rows of tables are the exception: they are written as Delta commits.
//!
//! ```text
//! listen ─▶ build the parts ─▶ serve ───────────────────────────────▶ stop
//!                                └─▶ sample ─▶ connections file ─▶ show ─▶ --once
//! ```

mod connections;
mod layout;
mod people;
mod sample;
mod show;
pub mod tpch;
mod visitor;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use weir_catalog::PrincipalKind;

use crate::app::{self, App};
use crate::client::{DemoOptions, Failure};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::error::{Condition, Error, Result};
use connections::Connections;
use layout::Paint;
use show::{Show, say};
use visitor::Visitor;

/// The administrator who makes the sample.
const ADMIN: &str = "admin";
/// Only what goes wrong. The reader of Delta logs reports each missing log, though a table that is
/// about to be made has none; its errors come back as errors.
const QUIET: &str = "warn,buoyant_kernel=off,deltalake_core::kernel::transaction=off";
/// Everybody who gets a token.
const USERS: [&str; 4] = ["alice", "bob", "carol", ADMIN];

/// Builds the sample where it is missing, shows it, and serves it until the process is told to
/// stop (with `--once` not that long).
pub(crate) async fn run(options: DemoOptions) -> Result<(), Failure> {
    let config = configuration(&options)?;
    crate::telemetry::start(&config.log)?;
    let listener = config.server.listen().await.map_err(|error| {
        error.with_hint(
            "stop the program that listens there (another weir?), or choose another port with --address",
        )
    })?;
    let address = listener.local_addr().map_err(Error::internal)?;
    config.create_directories().map_err(|error| {
        error.with_hint("make it writable for this user, or name another with --data-dir")
    })?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let started = clock.now();
    let app = App::build(config, Arc::clone(&clock)).await?;
    check_ours(&app, &options.data_dir).await?;
    let stop = app::stop_signal()?;
    let connections = Connections::new(&app, address)?;
    let demo = Demo { app: &app, options: &options, connections, clock, started };
    let shown = async {
        let shown = tokio::select! {
            shown = demo.perform() => shown,
            () = stop.cancelled() => say("stopped before the end; the following start goes on from here"),
        };
        demo.wait(shown, &stop).await
    };
    let (served, shown) = tokio::join!(app.serve(listener, stop.clone()), shown);
    shown?;
    Ok(served?)
}

fn configuration(options: &DemoOptions) -> Result<Config> {
    let mut config = Config::in_directory(&options.data_dir);
    config.server.flight_address = options.address;
    config.catalog.initial_admin = Some(ADMIN.to_owned());
    config.log.filter = QUIET.to_owned();
    config
        .check()
        .map_err(|error| error.with_hint("choose an address of this machine, such as 127.0.0.1:32010"))?;
    Ok(config)
}

/// A data directory of another server is not ours to fill.
async fn check_ours(app: &App, directory: &Path) -> Result<()> {
    let snapshot = app.metastore().snapshot().await?;
    let admin = snapshot.principal_by_name(ADMIN);
    if admin.is_some_and(|admin| admin.account_admin && admin.kind == PrincipalKind::User) {
        return Ok(());
    }
    Err(Error::new(
        Condition::InvalidConfiguration,
        format!("the directory `{}` holds the warehouse of another server", directory.display()),
    )
    .with_hint("name another directory with --data-dir"))
}

struct Demo<'a> {
    app: &'a App,
    options: &'a DemoOptions,
    connections: Connections,
    clock: Arc<dyn Clock>,
    started: DateTime<Utc>,
}

impl Demo<'_> {
    /// Everything up to the last printed line.
    async fn perform(&self) -> Result<(), Failure> {
        let show = Show::new(Paint::new(std::io::stdout().is_terminal()));
        let admin = self.enter(ADMIN).await?;
        let (admin, made) = self.sample(admin).await?;
        let time = self.elapsed();
        let place = self.options.data_dir.display();
        show.title(&match made {
            true => format!("Weir: a sample warehouse, made in {time} under {place}"),
            false => format!("Weir: the sample warehouse under {place}, opened in {time}"),
        })?;
        show.warehouse(&sample::inventory(self.app).await?)?;
        if let Some(path) = &self.options.connections_file {
            self.connections.write(path)?;
        }
        let mut people =
            [self.enter("alice").await?, self.enter("bob").await?, self.enter("carol").await?, admin];
        show.play(&mut people, self.clock.now().date_naive()).await?;
        show.connections(&self.connections, &self.local())?;
        say("")?;
        let time = self.elapsed();
        match self.options.once {
            true => say(&format!("shown in {time}; without --once the server goes on")),
            false => say(&format!("shown in {time}; serving on {} until Ctrl-C", self.connections.url)),
        }
    }

    async fn enter(&self, user: &'static str) -> Result<Visitor, Failure> {
        Visitor::enter(&self.connections.url, user, self.connections.token(user)?).await
    }

    /// Builds the sample if it is not there; whether it was built.
    async fn sample(&self, mut admin: Visitor) -> Result<(Visitor, bool), Failure> {
        let snapshot = self.app.metastore().snapshot().await.map_err(Error::from)?;
        if sample::is_complete(&snapshot)? {
            return Ok((admin, false));
        }
        say("making the sample warehouse: people, policies, TPC-H at scale 0.1 …")?;
        sample::build(self.app, &mut admin).await?;
        Ok((admin, true))
    }

    /// After the show: waits for the signal, or ends the serving.
    async fn wait(&self, shown: Result<(), Failure>, stop: &CancellationToken) -> Result<(), Failure> {
        if shown.is_ok() && !self.options.once && !stop.is_cancelled() {
            stop.cancelled().await;
            // nobody may be reading any more
            let _told = say("stopping: running statements may end, the books are flushed");
        }
        stop.cancel();
        shown
    }

    /// The same in a terminal.
    fn local(&self) -> String {
        let mut command = "weir sql --as bob".to_owned();
        if self.connections.url != "grpc://127.0.0.1:32010" {
            command.push_str(&format!(" --url {}", self.connections.url));
        }
        if self.options.data_dir != Path::new("weir-data") {
            command.push_str(&format!(" --data-dir {}", self.options.data_dir.display()));
        }
        command.push_str(" \"SELECT * FROM hr.people.my_team LIMIT 5\"");
        command
    }

    /// Since the start of the program.
    fn elapsed(&self) -> String {
        let millis = (self.clock.now() - self.started).num_milliseconds().max(0);
        format!("{}.{:02} s", millis / 1000, millis % 1000 / 10)
    }
}
