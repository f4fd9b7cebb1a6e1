//! Thread CPU time and bytes read, attributed to a piece of work wherever it runs.
//!
//! Promise: while a [`Meter`] is the innermost one on a thread, every nanosecond of CPU that thread spends is added to it
//! and to nobody else. Entering an inner meter pauses the outer one, so the sum over all meters never exceeds what the
//! threads really used. With [`install_tracer`] tasks and blocking closures that DataFusion's operators spawn inherit
//! the meter that was current when they were spawned.
//!
//! It counts CPU, not waiting: a stream that is pending costs nothing. CPU of a poll becomes visible when the poll
//! returns or an inner meter is entered, not while it runs.
//!
//! It does not know statements, users or prices. Those who do hold a meter per thing they want to tell apart.
//!
//! * `readings`: the counters behind a meter
//! * `stack`: which meter is current on a thread, and the clock
//! * `metered`: streams and futures whose polls are charged
//! * `tracer`: spawned work inherits the meter

mod metered;
mod readings;
mod stack;
mod tracer;

pub use metered::{MeteredFuture, MeteredStream};
pub use readings::Meter;
pub use stack::{current, inherit};
pub use tracer::install_tracer;

#[cfg(test)]
mod tests;
