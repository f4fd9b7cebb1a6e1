//! Which meter is current on a thread.
//!
//! Each thread keeps a stack of meters and the reading of its CPU clock at the last switch. A switch (push or pop) gives
//! the difference to whoever was on top. Entering the meter that is on top already changes nothing and reads no clock:
//! nested operators of one plan cost no system calls.

use std::cell::RefCell;

use rustix::time::{ClockId, clock_gettime};

use crate::readings::Meter;

thread_local! {
    static STACK: RefCell<Stack> = const { RefCell::new(Stack { meters: Vec::new(), since_ns: 0 }) };
}

struct Stack {
    meters: Vec<Meter>,
    /// The thread's CPU clock when the top of the stack last changed.
    since_ns: u64,
}

impl Stack {
    fn charge_top(&mut self) {
        let now_ns = thread_cpu_ns();
        if let Some(top) = self.meters.last() {
            top.add_cpu_ns(now_ns.saturating_sub(self.since_ns));
        }
        self.since_ns = now_ns;
    }
}

/// The innermost meter on this thread.
pub fn current() -> Option<Meter> {
    STACK.try_with(|stack| stack.try_borrow().ok()?.meters.last().cloned()).ok().flatten()
}

/// Binds a closure to the meter that is current now, to be run on another thread.
pub fn inherit<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let meter = current();
    move || match meter {
        Some(meter) => meter.enter(work),
        None => work(),
    }
}

/// Leaves the meter when dropped, on unwinding too.
#[must_use]
pub(crate) struct Entered {
    pushed: bool,
}

/// Makes `meter` the current one until the guard is dropped. Guards are dropped in the reverse order of their making
/// because they never leave the stack frame that made them.
pub(crate) fn push(meter: &Meter) -> Entered {
    let pushed = STACK
        .try_with(|stack| {
            let mut stack = stack.borrow_mut();
            if stack.meters.last().is_some_and(|top| top.is(meter)) {
                return false;
            }
            stack.charge_top();
            stack.meters.push(meter.clone());
            true
        })
        // The thread is ending and its locals are gone: there is nothing left to charge.
        .unwrap_or(false);
    Entered { pushed }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.pushed {
            return;
        }
        // The popped meter is dropped after the borrow ends.
        let _left = STACK.try_with(|stack| {
            let mut stack = stack.borrow_mut();
            stack.charge_top();
            stack.meters.pop()
        });
    }
}

/// CPU time this thread has used since it started.
pub(crate) fn thread_cpu_ns() -> u64 {
    let reading = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(reading.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(reading.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
