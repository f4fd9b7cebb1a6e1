//! The program `weir`: reads its arguments and does what they say.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use weir_server::client::{self, Arguments};

/// Batches are freed on other threads than they were made on, by the hundred thousand.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Deeply nested statements are planned by recursion, on these threads.
const STACK_BYTES: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("error: the process has a TLS provider already");
        return ExitCode::FAILURE;
    }
    let arguments = Arguments::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build() {
        Ok(runtime) => runtime.block_on(client::run(arguments)),
        Err(cause) => {
            eprintln!("error: cannot start threads: {cause}");
            ExitCode::FAILURE
        }
    }
}
