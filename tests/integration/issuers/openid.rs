//! A provider that others wrote, whose keys rotate while clients are at work. Run where there is Node.js (`make npm`).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use tonic::Code;
use weir_server::clock::{Clock, SystemClock};
use weir_testkit::{OpenIdServer, block_on};

use super::{code, name, server_of, with};

const CLIENTS: usize = 16;
const ROTATIONS: usize = 6;
/// Statements with tokens of a new key before the next one comes.
const STATEMENTS: usize = 150;

#[test]
fn keys_rotate_while_clients_are_at_work_and_none_is_refused() {
    block_on(async {
        let provider = OpenIdServer::start(&["alice", "bob", "stranger"]);
        let server = server_of(provider.configured()).await;
        // Tokens tell of the machine's time.
        server.clock().advance(SystemClock.now() - server.clock().now());
        let first = provider.token("alice").await;
        assert_eq!(name(&with(&server, &first)).await.unwrap(), "alice");
        assert_eq!(code(&with(&server, &provider.token("stranger").await)).await, Code::Unauthenticated);
        let (done, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = async |user: &str| {
            while !ends.load(Ordering::Relaxed) {
                let client = with(&server, &provider.token(user).await);
                for _ in 0..3 {
                    assert_eq!(name(&client).await.unwrap(), user);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let rotate = async {
            for _ in 0..ROTATIONS {
                // Keys are looked for again when those at hand are some seconds old.
                server.clock().advance(TimeDelta::seconds(11));
                provider.rotate().await;
                let before = done.load(Ordering::Relaxed);
                while done.load(Ordering::Relaxed) < before + STATEMENTS {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            ends.store(true, Ordering::Relaxed);
        };
        let users = (0..CLIENTS).map(|at| work(if at % 2 == 0 { "alice" } else { "bob" }));
        tokio::join!(join_all(users), rotate);
        // All the keys are published still; those before the newest go.
        assert_eq!(name(&with(&server, &first)).await.unwrap(), "alice");
        let newest = provider.token("bob").await;
        provider.withdraw().await;
        server.clock().advance(TimeDelta::minutes(6));
        for _ in 0..200 {
            assert_eq!(name(&with(&server, &newest)).await.unwrap(), "bob");
            if name(&with(&server, &first)).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(code(&with(&server, &first)).await, Code::Unauthenticated);
        assert_eq!(name(&with(&server, &newest)).await.unwrap(), "bob");
    });
}
