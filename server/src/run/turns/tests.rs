//! Turns: users one after the other, bounds, and who leaves the line.

#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::error::Kind;

const SOON: Duration = Duration::from_secs(10);

fn turns(running: usize, waiting: usize, waiting_of_user: usize) -> Arc<Turns> {
    Arc::new(Turns::new(TurnLimits { running, running_of_user: running, waiting, waiting_of_user }))
}

fn user(number: u128) -> PrincipalId {
    uuid::Uuid::from_u128(number).to_string().parse().unwrap()
}

/// A statement of a user that waits and tells its name when it runs; it runs until it is told to end.
fn waiting(
    turns: &Arc<Turns>,
    of: u128,
    name: &'static str,
    ran: &tokio::sync::mpsc::UnboundedSender<(&'static str, Turn)>,
) -> JoinHandle<()> {
    let (turns, ran) = (Arc::clone(turns), ran.clone());
    tokio::spawn(async move {
        let turn = turns.next(user(of), &CancellationToken::new(), None).await.unwrap();
        ran.send((name, turn)).unwrap();
    })
}

async fn until_waiting(turns: &Turns, count: usize) {
    timeout(SOON, async {
        while turns.waiting() != count {
            sleep(Duration::from_millis(1)).await;
        }
        // They stand in the line once they have been polled.
        sleep(Duration::from_millis(5)).await;
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn users_run_by_turns() {
    let turns = turns(1, 100, 100);
    let first = turns.now(user(9)).unwrap();
    assert!(turns.now(user(9)).is_none());
    let (ran, mut runs) = tokio::sync::mpsc::unbounded_channel();
    for (position, (of, name)) in
        [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")].into_iter().enumerate()
    {
        waiting(&turns, of, name, &ran);
        until_waiting(&turns, position + 1).await;
    }
    drop(first);
    let mut order = Vec::new();
    for _ in 0..6 {
        let (name, turn) = timeout(SOON, runs.recv()).await.unwrap().unwrap();
        order.push(name);
        // Whoever is next in the line of the user has come to the end of the line of all.
        sleep(Duration::from_millis(5)).await;
        drop(turn);
    }
    assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
    assert_eq!((turns.running(), turns.waiting()), (0, 0));
    assert!(turns.now(user(9)).is_some());
}

#[tokio::test]
async fn the_line_is_bounded_for_all_and_for_each() {
    let turns = turns(1, 3, 2);
    let _running = turns.now(user(9)).unwrap();
    let (ran, _runs) = tokio::sync::mpsc::unbounded_channel();
    for (position, of) in [1, 1, 2].into_iter().enumerate() {
        if position == 2 {
            let refused = turns.next(user(1), &CancellationToken::new(), None).await.unwrap_err();
            assert_eq!(refused.kind(), Kind::Exhausted, "the third of one user");
        }
        waiting(&turns, of, "w", &ran);
        until_waiting(&turns, position + 1).await;
    }
    let refused = turns.next(user(3), &CancellationToken::new(), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Exhausted, "the fourth of all");
    assert_eq!(turns.waiting(), 3, "who was refused does not count");
}

#[tokio::test]
async fn who_is_stopped_or_has_no_time_leaves_the_line() {
    let turns = turns(1, 10, 10);
    let running = turns.now(user(9)).unwrap();
    let stop = CancellationToken::new();
    let stopped = turns.next(user(1), &stop, None);
    stop.cancel();
    assert_eq!(stopped.await.unwrap_err().kind(), Kind::Cancelled);
    let late = turns.next(user(1), &CancellationToken::new(), Some(Duration::from_millis(5))).await;
    assert_eq!(late.unwrap_err().kind(), Kind::Timeout);
    assert_eq!(turns.waiting(), 0);
    drop(running);
    assert!(turns.now(user(9)).is_some(), "no slot is lost");
}

#[tokio::test]
async fn a_user_with_all_of_theirs_leaves_room_for_others() {
    let limits = TurnLimits { running: 3, running_of_user: 2, waiting: 10, waiting_of_user: 10 };
    let turns = Arc::new(Turns::new(limits));
    let unread: Vec<_> = (0..2).map(|_| turns.now(user(1)).unwrap()).collect();
    assert!(turns.now(user(1)).is_none(), "a slot is free, and not for this one");
    let (ran, mut runs) = tokio::sync::mpsc::unbounded_channel();
    waiting(&turns, 1, "third", &ran);
    until_waiting(&turns, 1).await;
    let others = turns.now(user(2)).unwrap();
    drop(others);
    assert!(runs.try_recv().is_err(), "another's slot is not for this one either");
    drop(unread);
    let (name, _turn) = timeout(SOON, runs.recv()).await.unwrap().unwrap();
    assert_eq!((name, turns.running(), turns.waiting()), ("third", 1, 0));
}

#[tokio::test]
async fn as_many_are_described_as_may_run_and_another_user_waits_for_none() {
    let turns = turns(1, 3, 2);
    let (go_on, gone_on) = tokio::sync::oneshot::channel::<()>();
    let stop = CancellationToken::new();
    let first = turns.describing(user(1), (&stop, None), async {
        gone_on.await.unwrap();
        Ok("first")
    });
    let second = turns.describing(user(1), (&stop, None), async { Ok("second") });
    let others = async {
        let impatient = turns.describing(user(1), (&stop, Some(Duration::ZERO)), async { Ok("third") });
        assert_eq!(impatient.await.unwrap_err().condition(), Condition::StatementTimeout);
        assert_eq!(turns.describing(user(2), (&stop, None), async { Ok("other") }).await.unwrap(), "other");
        assert!(turns.now(user(1)).is_some());
        go_on.send(()).unwrap();
    };
    let all = async { tokio::join!(biased; first, second, others) };
    let (first, second, ()) = timeout(SOON, all).await.unwrap();
    assert_eq!((first.unwrap(), second.unwrap()), ("first", "second"));
}
