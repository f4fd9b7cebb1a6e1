//! [`S3Server`]: a throw-away server that speaks S3, and [`FaultyStore`], which stands before it and fails as told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::google_server::unescaped;
use crate::script_server::{ScriptServer, ask};

const SCRIPT: &str = concat!(include_str!("made_once.sh"), include_str!("s3_server.sh"));

/// A server that speaks S3, on the loopback. It goes with this value.
#[derive(Debug)]
pub struct S3Server(ScriptServer);

impl S3Server {
    /// Starts it. A machine that lacks what it needs fails the test with one sentence.
    pub fn start() -> Self {
        Self(ScriptServer::start(SCRIPT, "s3_server.sh", "s3_requirements.txt"))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Makes a bucket.
    pub async fn bucket(&self, name: &str) {
        let head = format!(
            "PUT /{name} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.address()
        );
        let answer = ask(self.address(), head.as_bytes()).await.expect("the server of the S3 tests answers");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.lines().next().is_some_and(|line| line.contains(" 200 ")), "{answer}");
    }
}

/// How a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It answers with this status.
    Status(u16),
    /// It answers with this status where a file of data is to be written, and nothing else fails.
    NoData(u16),
    /// It ends in the middle of its answer.
    Cut,
    /// It answers after so long.
    Late(Duration),
}

/// Stands before a store, hands on what it is asked, and fails as told.
#[derive(Debug)]
pub struct FaultyStore {
    address: SocketAddr,
    fault: watch::Sender<Option<Fault>>,
    left: Arc<AtomicUsize>,
    asked: Arc<watch::Sender<Vec<String>>>,
}

impl FaultyStore {
    /// Before the store at `store`; hands everything on as yet.
    pub async fn before(store: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (fault, told) = watch::channel(None);
        let left = Arc::new(AtomicUsize::new(0));
        let asked = Arc::new(watch::Sender::default());
        let (counted, counting) = (Arc::clone(&left), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (told, left) = (told.clone(), Arc::clone(&counted));
                let asked = Arc::clone(&counting);
                // A connection that breaks is the fault that was asked for, or the client's own.
                tokio::spawn(async move { drop(serve(client, store, (told, left), asked).await) });
            }
        });
        Self { address, fault, left, asked }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Fails with `fault` the next `count` times.
    pub fn fail(&self, count: usize, fault: Fault) {
        self.fault.send_replace(Some(fault));
        self.left.store(count, Ordering::SeqCst);
    }

    /// What it was asked, each as method and path.
    pub fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    /// How many of the faults were not met.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }
}

/// One request, then the connection ends.
async fn serve(
    mut client: TcpStream,
    store: SocketAddr,
    (told, left): (watch::Receiver<Option<Fault>>, Arc<AtomicUsize>),
    asked: Arc<watch::Sender<Vec<String>>>,
) -> std::io::Result<()> {
    let request = request(&mut client).await?;
    let head = String::from_utf8_lossy(&request);
    let asked_for = head.split(" HTTP/").next().unwrap_or_default().to_owned();
    let writes_data = asked_for.starts_with("PUT ") && !unescaped(&asked_for).contains("/_delta_log/");
    asked.send_modify(|asked| asked.push(asked_for));
    if matches!(*told.borrow(), Some(Fault::NoData(_))) && !writes_data {
        return hand_on(client, ask(store, &request).await?).await;
    }
    let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    let fault = if taken { *told.borrow() } else { None };
    if let Some(Fault::Status(status) | Fault::NoData(status)) = fault {
        let answer = format!("HTTP/1.1 {status} Told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return client.write_all(answer.as_bytes()).await;
    }
    if let Some(Fault::Late(time)) = fault {
        tokio::time::sleep(time).await;
    }
    let answer = ask(store, &request).await?;
    let sent = match fault {
        Some(Fault::Cut) => answer.get(..answer.len().saturating_sub(3)),
        _ => None,
    };
    let sent = sent.unwrap_or(&answer).to_vec();
    hand_on(client, sent).await
}

async fn hand_on(mut client: TcpStream, answer: Vec<u8>) -> std::io::Result<()> {
    client.write_all(&answer).await?;
    client.shutdown().await
}

/// The request's head and body, the connection to be closed after it.
async fn request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (head_length, body_length) = loop {
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            break (end, length.and_then(|text| text.trim().parse().ok()).unwrap_or(0_usize));
        }
    };
    while bytes.len() < head_length + 4 + body_length {
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    bytes.splice(head_length..head_length, b"\r\nConnection: close".iter().copied());
    Ok(bytes)
}
