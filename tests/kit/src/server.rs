//! [`TestServer`]: the whole server in the test's own process, on a port of its own, with a data
//! directory that goes when the test ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_server::app::App;
use weir_server::clock::{Clock, HandMovedClock};
use weir_server::config::Config;

use crate::client::{Client, Told};
use crate::rows::Rows;
use crate::runtime::task;

/// The account administrator of each test server.
pub const ADMIN: &str = "admin";

/// How long a token of a test lives, on the server's clock.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// What a server is to be like.
#[derive(Debug)]
pub struct Setup {
    /// When its clock stands still.
    pub time: DateTime<Utc>,
    /// Its settings, without the data directory.
    pub config: Config,
}

impl Default for Setup {
    fn default() -> Self {
        let time = Utc.with_ymd_and_hms(2026, 1, 15, 12, 0, 0).single().expect("a time");
        Self { time, config: Config::default() }
    }
}

/// A server that serves.
#[derive(Debug)]
pub struct TestServer {
    directory: TempDir,
    app: Arc<App>,
    address: SocketAddr,
    clock: Arc<HandMovedClock>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl TestServer {
    /// A fresh server: administrator `admin`, users `alice`, `bob`, `carol`, group `hr` with
    /// `carol` in it, nobody with any grant.
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    /// A fresh server with other settings.
    pub async fn start_with(setup: Setup) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Self::start_in(directory, setup).await;
        for sql in [
            "CREATE USER alice",
            "CREATE USER bob",
            "CREATE USER carol",
            "CREATE GROUP hr",
            "ALTER GROUP hr ADD USER carol",
        ] {
            server.done(ADMIN, sql).await;
        }
        server
    }

    /// A server on a data directory of before.
    pub async fn start_in(directory: TempDir, setup: Setup) -> Self {
        let clock = HandMovedClock::new(setup.time);
        let mut config = setup.config;
        let external = directory.path().join("external");
        std::fs::create_dir_all(&external).expect("a folder of external tables");
        config.server.data_directory = directory.path().join("data");
        if config.server.drain == Config::default().server.drain {
            config.server.drain = weir_server::config::Period::seconds(1);
        }
        config.catalog.initial_admin = Some(ADMIN.to_owned());
        if config.storage.external_roots.is_empty() {
            config.storage.external_roots = vec![external];
        }
        let app = App::build(config, Arc::clone(&clock) as Arc<dyn Clock>).await;
        let app = Arc::new(app.expect("the server can be built"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let stop = CancellationToken::new();
        let serving = task({
            let (app, stop) = (Arc::clone(&app), stop.clone());
            async move { app.serve(listener, stop).await.expect("the server serves") }
        });
        Self { directory, app, address, clock, stop, serving }
    }

    /// Stops as on SIGTERM, books flushed; the data directory remains.
    pub async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.serving.await.expect("the server ended");
        self.directory
    }

    /// All its parts.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Its clock.
    pub fn clock(&self) -> &HandMovedClock {
        &self.clock
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder under which external tables may lie.
    pub fn external(&self) -> PathBuf {
        self.directory.path().join("external")
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A token of the local issuer.
    pub fn token(&self, user: &str) -> String {
        self.token_living(user, TOKEN_LIFE)
    }

    /// A token of the local issuer that lives for `life`.
    pub fn token_living(&self, user: &str, life: Duration) -> String {
        let issuer = self.app.local_issuer().expect("a local issuer");
        issuer.sign(user, life, self.clock.now()).expect("a token").token.reveal().to_owned()
    }

    /// A client without credentials.
    pub fn anonymous(&self) -> Client {
        Client::anonymous(self.address)
    }

    /// A client of `user`.
    pub fn client(&self, user: &str) -> Client {
        self.anonymous().with_token(&self.token(user))
    }

    /// Asks as `user`.
    pub async fn sql(&self, user: &str, text: &str) -> Told<Rows> {
        self.client(user).statement(text).await
    }

    /// Asks as `user`, who must get an answer; its rows as a multiset.
    pub async fn rows(&self, user: &str, text: &str) -> Vec<String> {
        match self.sql(user, text).await {
            Ok(rows) => rows.sorted(),
            Err(refusal) => panic!("{user}: {text}\n{refusal:?}"),
        }
    }

    /// Asks as `user`, who must be refused; the text.
    pub async fn refused(&self, user: &str, text: &str) -> String {
        match self.sql(user, text).await {
            Ok(rows) => panic!("{user}: {text}\nwas answered: {:?}", rows.lines()),
            Err(refusal) => refusal.text,
        }
    }

    /// Changes something as `user`, who must be able to.
    pub async fn done(&self, user: &str, text: &str) -> i64 {
        match self.client(user).update(text).await {
            Ok(count) => count,
            Err(refusal) => panic!("{user}: {text}\n{refusal:?}"),
        }
    }

    /// Changes many things as the administrator, one statement after the other, separated by
    /// `;` at the end of a line.
    pub async fn prepare(&self, script: &str) {
        for statement in script.split(";\n").map(str::trim).filter(|text| !text.is_empty()) {
            self.done(ADMIN, statement.trim_end_matches(';')).await;
        }
    }

    /// The folder of a managed table's files.
    pub async fn folder(&self, table: &str) -> PathBuf {
        let snapshot = self.app.metastore().snapshot().await.expect("a snapshot");
        let mut parts = table.split('.');
        let mut part = || parts.next().expect("three parts");
        let name = weir_catalog::ObjectName::new(part(), part(), part()).expect("a name");
        let found = snapshot.table(&name).unwrap_or_else(|| panic!("no table {table}"));
        match &found.kind {
            weir_catalog::TableKind::Managed { location } => self.data().join("tables").join(location),
            weir_catalog::TableKind::External { location } => {
                let url = url::Url::parse(location).expect("a URL");
                url.to_file_path().expect("a path")
            }
            weir_catalog::TableKind::View(_) => panic!("{table} is a view"),
        }
    }

    /// The data directory's parent, where a test may put its files.
    pub fn ground(&self) -> &Path {
        self.directory.path()
    }
}
