//! A throw-away PostgreSQL server for tests: [`PostgresServer`].
//!
//! `postgres_server.sh` beside this file finds PostgreSQL, starts it as an unprivileged user in a
//! directory of its own on a free port of the loopback, and removes everything when this process
//! ends, however it ends. A machine without PostgreSQL fails the test with one sentence.

#![expect(clippy::panic, reason = "a server that does not start is a failed test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, query};

const SCRIPT: &str = include_str!("postgres_server.sh");

/// How often a start is tried on another port, which somebody may have taken meanwhile.
const ATTEMPTS: usize = 5;

/// The password of its one user, `weir`.
const PASSWORD: &str = "weir";

/// A PostgreSQL server that goes with this value.
#[derive(Debug)]
pub struct PostgresServer {
    port: u16,
    databases: AtomicU32,
    /// Closing it is what ends the server.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    keeper: Child,
}

impl PostgresServer {
    /// The one server of this process, made when first asked for. It takes databases and is not killed.
    pub fn of_this_process() -> &'static Self {
        static SERVER: OnceLock<PostgresServer> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// A server of the caller's own, to be killed and started again.
    pub fn start() -> Self {
        let mut words = String::new();
        for _ in 0..ATTEMPTS {
            match Self::try_start() {
                Ok(server) => return server,
                Err(last) => words = last,
            }
        }
        panic!("the PostgreSQL server of the tests did not start: {words}")
    }

    fn try_start() -> Result<Self, String> {
        let said = |error: std::io::Error| error.to_string();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = port.map_err(said)?.port();
        let mut keeper = Command::new("sh")
            .args(["-c", SCRIPT, "postgres_server.sh", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(said)?;
        let (Some(orders), Some(answers)) = (keeper.stdin.take(), keeper.stdout.take()) else {
            return Err("its program has no pipes".to_owned());
        };
        let mut server = Self {
            port,
            databases: AtomicU32::new(0),
            orders: Some(orders),
            answers: BufReader::new(answers),
            keeper,
        };
        if server.answer().map_err(said)? == "ready" {
            return Ok(server);
        }
        let mut words = String::new();
        server.answers.read_to_string(&mut words).map_err(said)?;
        if let Some(mut errors) = server.keeper.stderr.take() {
            errors.read_to_string(&mut words).map_err(said)?;
        }
        Err(words)
    }

    fn answer(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn order(&mut self, word: &str, answer: &str) {
        let Some(orders) = &mut self.orders else { panic!("the PostgreSQL server has ended") };
        let told = writeln!(orders, "{word}").and_then(|()| orders.flush());
        let answered = told.and_then(|()| self.answer());
        assert!(
            answered.as_ref().is_ok_and(|line| line == answer),
            "the PostgreSQL server was told to {word} and answered {answered:?}"
        );
    }

    /// Stops it as a crash would, its connections with it. Its files stay.
    pub fn kill(&mut self) {
        self.order("kill", "killed");
    }

    /// Starts it again, on the same port and files.
    pub fn restart(&mut self) {
        self.order("start", "ready");
    }

    /// The URL of a database of that name, whether it is there or not.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://weir:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection to a database.
    pub async fn connect(url: &str) -> PgConnection {
        match PgConnection::connect(url).await {
            Ok(connection) => connection,
            Err(error) => panic!("the PostgreSQL server of the tests does not answer: {error}"),
        }
    }

    /// Makes a fresh database; its URL.
    pub async fn database(&self) -> String {
        let name = format!("fresh_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = Self::connect(&self.url("postgres")).await;
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        if let Err(error) = query(create).execute(&mut connection).await {
            panic!("a database of the tests could not be made: {error}");
        }
        self.url(&name)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.orders.take());
        // The files are gone when the keeper is; one that cannot be waited for is no failure of the test.
        let _ended = self.keeper.wait();
    }
}
