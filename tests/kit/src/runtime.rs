//! Threads for a test: as the program has them, with room for deeply nested statements.

use std::future::Future;

use tokio::task::JoinHandle;

const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Runs a test's future to its end, on threads of its own.
pub fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = threads();
    let ended = runtime.block_on(async { task(future).await });
    // what a test left running does not outlive it
    runtime.shutdown_background();
    match ended {
        Ok(output) => output,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// Threads like those of the program.
pub(crate) fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .expect("threads for the test")
}

/// Runs `future` beside the test.
pub fn task<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}
