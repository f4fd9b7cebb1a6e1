//! Attribution: inner and outer, threads, tasks, early drops and panics.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion::arrow::array::{Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{ColumnarValue, LogicalPlanBuilder, Volatility, create_udf};
use datafusion::physical_plan::displayable;
use datafusion::prelude::{SessionConfig, col};
use futures::{Stream, StreamExt};

use crate::stack::thread_cpu_ns;
use crate::{Meter, current, inherit, install_tracer};

const STEP: Duration = Duration::from_millis(20);
/// What the bookkeeping itself and a coarse clock may add or miss.
const SLACK: Duration = Duration::from_millis(5);

/// Uses this thread's CPU for as long as asked and returns how long that really was.
fn burn(for_at_least: Duration) -> Duration {
    let start = thread_cpu_ns();
    let mut sink = 0_u64;
    loop {
        for step in 0..1000_u64 {
            sink = std::hint::black_box(sink.wrapping_mul(31).wrapping_add(step));
        }
        let used = Duration::from_nanos(thread_cpu_ns() - start);
        if used >= for_at_least {
            return used;
        }
    }
}

fn assert_close(actual: Duration, expected: Duration) {
    assert!(actual.abs_diff(expected) <= SLACK, "{actual:?} is not close to {expected:?}");
}

#[test]
fn inner_work_is_charged_to_the_inner_meter_only() {
    let (outer, inner) = (Meter::new(), Meter::new());
    let start = thread_cpu_ns();
    outer.enter(|| {
        burn(STEP);
        inner.enter(|| burn(STEP * 3));
        burn(STEP);
    });
    let total = Duration::from_nanos(thread_cpu_ns() - start);
    assert_close(inner.cpu(), STEP * 3);
    assert_close(outer.cpu(), STEP * 2);
    assert_close(inner.cpu() + outer.cpu(), total);
}

#[test]
fn entering_the_current_meter_again_counts_once() {
    let meter = Meter::new();
    meter.enter(|| meter.enter(|| meter.clone().enter(|| burn(STEP))));
    assert_close(meter.cpu(), STEP);
    assert!(current().is_none());
}

#[test]
fn a_meter_between_two_uses_of_another_is_told_apart() {
    let (a, b) = (Meter::new(), Meter::new());
    a.enter(|| b.enter(|| a.enter(|| burn(STEP))));
    assert_close(a.cpu(), STEP);
    assert!(b.cpu() <= SLACK);
}

#[test]
fn bytes_go_to_the_innermost_meter() {
    let (outer, inner) = (Meter::new(), Meter::new());
    outer.enter(|| {
        current().unwrap().add_cache_miss(7);
        inner.enter(|| current().unwrap().add_cache_hit(3));
    });
    assert_eq!((outer.cache_hit_bytes(), outer.cache_miss_bytes()), (0, 7));
    assert_eq!((inner.cache_hit_bytes(), inner.cache_miss_bytes()), (3, 0));
}

#[test]
fn waiting_costs_nothing() {
    let meter = Meter::new();
    meter.enter(|| std::thread::sleep(STEP * 2));
    assert!(meter.cpu() <= SLACK);
}

#[test]
fn a_panic_leaves_the_stack_as_it_was() {
    let (outer, inner) = (Meter::new(), Meter::new());
    outer.enter(|| {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            inner.enter(|| {
                burn(STEP);
                panic!("on purpose");
            })
        }));
        assert!(caught.is_err());
        assert!(current().unwrap().is(&outer));
        burn(STEP);
    });
    assert!(current().is_none());
    // Unwinding is charged to the inner meter as well.
    assert!(inner.cpu() >= STEP);
    assert!(outer.cpu() >= STEP);
}

#[test]
fn inherited_work_is_charged_on_another_thread() {
    let meter = Meter::new();
    let work = meter.enter(|| inherit(|| burn(STEP)));
    std::thread::spawn(work).join().unwrap();
    assert_close(meter.cpu(), STEP);
}

/// Burns on every poll, and when dropped.
struct Costly;

impl Stream for Costly {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<()>> {
        burn(STEP);
        Poll::Ready(Some(()))
    }
}

impl Drop for Costly {
    fn drop(&mut self) {
        burn(STEP);
    }
}

#[tokio::test]
async fn each_poll_of_a_stream_and_its_drop_are_charged() {
    let (outer, inner) = (Meter::new(), Meter::new());
    let stream = inner.stream(Costly);
    outer
        .future(async move {
            let mut stream = Box::pin(stream);
            stream.next().await;
            burn(STEP);
            stream.next().await;
        })
        .await;
    assert_close(inner.cpu(), STEP * 3);
    assert_close(outer.cpu(), STEP);
}

#[tokio::test]
async fn a_future_dropped_between_polls_leaves_nothing_behind() {
    let meter = Meter::new();
    let mut future = Box::pin(meter.future(async {
        burn(STEP);
        futures::future::pending::<()>().await;
    }));
    assert!(futures::poll!(future.as_mut()).is_pending());
    drop(future);
    assert!(current().is_none());
    assert_close(meter.cpu(), STEP);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_operators_spawn_is_charged_to_the_plan_that_spawned_it() {
    assert!(install_tracer());
    assert!(install_tracer(), "installing twice is harmless");

    let burned_ns = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&burned_ns);
    let costly = create_udf(
        "costly",
        vec![DataType::Int64],
        DataType::Int64,
        Volatility::Volatile,
        Arc::new(move |arguments: &[ColumnarValue]| {
            let used = burn(STEP);
            counter.fetch_add(u64::try_from(used.as_nanos()).unwrap(), Ordering::Relaxed);
            Ok(arguments.first().unwrap().clone())
        }),
    );

    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false)]));
    let partition = |from: i64| {
        let column = Int64Array::from_iter_values(from..from + 10);
        vec![RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)]).unwrap()]
    };
    let table = MemTable::try_new(Arc::clone(&schema), vec![partition(0), partition(10)]).unwrap();
    let logical = LogicalPlanBuilder::scan("t", provider_as_source(Arc::new(table)), None)
        .unwrap()
        .project(vec![costly.call(vec![col("x")]).alias("y")])
        .unwrap()
        .distinct()
        .unwrap()
        .build()
        .unwrap();
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(SessionConfig::new().with_target_partitions(2))
        .build();
    let plan = state.create_physical_plan(&logical).await.unwrap();
    assert!(displayable(plan.as_ref()).indent(false).to_string().contains("RepartitionExec"));

    let meter = Meter::new();
    let mut rows = 0;
    for partition in 0..2 {
        let stream = meter.enter(|| plan.execute(partition, state.task_ctx())).unwrap();
        let mut stream = meter.stream(stream);
        while let Some(batch) = stream.next().await {
            rows += batch.unwrap().num_rows();
        }
    }
    let burned = Duration::from_nanos(burned_ns.load(Ordering::Relaxed));
    assert_eq!(rows, 20);
    assert!(burned >= STEP * 2);
    assert!(meter.cpu() >= burned, "{:?} of {burned:?} charged", meter.cpu());
    assert!(meter.cpu() <= burned + Duration::from_secs(1));
}
