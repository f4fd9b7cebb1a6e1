//! [`Program`]: the real `weir`, as a process that can be told to stop, or killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tokio::sync::watch;

use crate::client::Client;

/// A running `weir serve`.
#[derive(Debug)]
pub struct Program {
    child: Child,
    address: SocketAddr,
    log: watch::Receiver<Vec<String>>,
}

fn keep(lines: impl Iterator<Item = std::io::Result<String>>, said: &watch::Sender<Vec<String>>) {
    lines.map_while(Result::ok).for_each(|line| said.send_modify(|said| said.push(line)));
}

/// Where cargo puts the program: beside the folder of the running test.
fn path() -> PathBuf {
    let test = std::env::current_exe().expect("the running test");
    let folder = test.parent().and_then(Path::parent).expect("the folder of built programs");
    let program = folder.join("weir");
    assert!(
        program.is_file(),
        "the program {} is missing: run `cargo build --bin weir` before this test",
        program.display()
    );
    program
}

impl Program {
    /// Runs `weir` with these arguments to its end.
    pub fn output(arguments: &[&str]) -> Output {
        Self::command(arguments).output().expect("weir can be started")
    }

    /// `weir` with these arguments, and nothing of the environment that speaks to it.
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(path());
        command.args(arguments).stdin(Stdio::null()).env_remove("WEIR_URL").env_remove("WEIR_TOKEN");
        command
    }

    /// `weir serve` with this configuration, once it says where it listens.
    pub fn serve(config: &Path) -> Self {
        let mut child = Self::command(&["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("weir can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("its standard error")).lines();
        let mut said = Vec::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else { panic!("weir ended: {}", said.join("\n")) };
            let found = line.rsplit_once("://").and_then(|(_, address)| address.trim().parse().ok());
            match found {
                Some(address) => break address,
                None => said.push(line),
            }
        };
        // a full pipe would stop the server
        let (writes, log) = watch::channel(said);
        let output = BufReader::new(child.stdout.take().expect("its standard output")).lines();
        let printed = writes.clone();
        std::thread::spawn(move || keep(output, &printed));
        std::thread::spawn(move || keep(lines, &writes));
        Self { child, address, log }
    }

    /// What it has written to its log so far, and to standard output, line by line.
    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client with a token that `weir token` signs.
    pub fn client(&self, config: &Path, user: &str) -> Client {
        let output = Self::command(&["token", user, "--config"]).arg(config).output().expect("weir token");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "weir token {user}: {told}");
        let token = String::from_utf8(output.stdout).expect("a token");
        Client::anonymous(self.address).with_token(token.trim())
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ended");
    }

    /// Tells it to stop, as `kill` does, and waits until it has.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("kill can be run");
        assert!(told.success(), "the process is gone already");
        self.child.wait().expect("it ended")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // a test that failed leaves no server behind; one that ended is gone already
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}
