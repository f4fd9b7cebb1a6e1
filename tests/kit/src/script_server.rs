//! [`ScriptServer`]: another's server that a shell script starts on the loopback.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that a script starts. It goes with this value.
#[derive(Debug)]
pub(crate) struct ScriptServer {
    address: SocketAddr,
    /// Closing it is what ends the server.
    input: Option<ChildStdin>,
    child: Child,
}

impl ScriptServer {
    /// Starts `script`, which installs the packages that the file `packages` of this crate names, and whose first line is the
    /// port. A machine that lacks what it needs fails the test with one sentence of the script's.
    pub(crate) fn start(script: &str, name: &str, packages: &str) -> Self {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(packages);
        let mut child = Command::new("sh")
            .args(["-c", script, name])
            .arg(packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh can be started");
        let input = child.stdin.take();
        let mut said = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut said).expect("the script says its port");
        let port: u16 = said.trim().parse().unwrap_or_else(|_| panic!("{name} started no server: {said:?}"));
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), input, child }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ScriptServer {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ended = self.child.wait();
    }
}

/// Sends a request that says `Connection: close`, and gives the whole answer.
pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(request).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    Ok(answer)
}
