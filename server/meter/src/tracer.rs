//! Spawned work inherits the meter of whoever spawned it.
//!
//! DataFusion's operators spawn tasks and blocking closures through its own `JoinSet`, which passes each of them to one
//! process-wide tracer. Ours wraps them in the meter that is current at that moment.
//!
//! Not covered: work that a library spawns on tokio directly. Code of ours that does so uses [`crate::inherit`].

use std::any::Any;
use std::sync::OnceLock;

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::future::BoxFuture;

use crate::stack::{current, inherit};

struct InheritMeter;

impl JoinSetTracer for InheritMeter {
    fn trace_future(
        &self,
        future: BoxFuture<'static, Box<dyn Any + Send>>,
    ) -> BoxFuture<'static, Box<dyn Any + Send>> {
        match current() {
            Some(meter) => Box::pin(meter.future(future)),
            None => future,
        }
    }

    fn trace_block(
        &self,
        work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>,
    ) -> Box<dyn FnOnce() -> Box<dyn Any + Send> + Send> {
        Box::new(inherit(work))
    }
}

static INSTALLED: OnceLock<bool> = OnceLock::new();

/// Makes tasks that DataFusion spawns inherit the current meter. Call it at the start of a process; further calls change
/// nothing. `false` when another tracer was there first, in which case spawned work is charged to nobody.
pub fn install_tracer() -> bool {
    *INSTALLED.get_or_init(|| set_join_set_tracer(&InheritMeter).is_ok())
}
