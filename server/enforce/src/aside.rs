//! Long work that never waits, aside from what a thread does for others.
//!
//! A statement is planned in one go, and a large one takes its time. The threads that plan are those that answer: while
//! one of them plans, another takes over everything else that it had to do, so that not even a planner on each of them
//! keeps the server from answering.

use std::future::poll_fn;
use std::pin::pin;

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does `work`; what else this thread had to do goes on meanwhile.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Does each stretch of `work`, from one wait to the next, [aside](aside()).
pub async fn stretches_aside<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| aside(|| work.as_mut().poll(context))).await
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    /// Long enough for any machine; a thread that nobody relieves waits this long, then fails.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn what_a_planning_thread_had_to_do_goes_on() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let (answer, answered) = channel();
            let (started, begun) = tokio::sync::oneshot::channel();
            let planning = tokio::spawn(stretches_aside(async move {
                started.send(()).unwrap();
                answered.recv_timeout(PATIENCE)
            }));
            let other = tokio::spawn(async move {
                begun.await.unwrap();
                answer.send("healthy").unwrap();
            });
            assert_eq!(planning.await.unwrap(), Ok("healthy"));
            other.await.unwrap();
        });
    }

    #[test]
    fn a_runtime_of_one_thread_plans_in_place() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(stretches_aside(async { aside(|| 7) })), 7);
        assert_eq!(aside(|| 7), 7);
    }
}
