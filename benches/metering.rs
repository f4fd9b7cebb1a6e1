//! What do metering and the books cost? A poll through a metered stream beside a bare one, and the
//! end of a statement that waits until its record is durable.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use criterion::{Criterion, Throughput};
use futures::{Stream, StreamExt};
use tokio::runtime::Builder;
use weir_benches::Result;
use weir_benches::warehouse::{ADMIN, SampleWarehouse};
use weir_meter::Meter;
use weir_server::query::gauges::StatementGauges;
use weir_server::query::history::StatementType;
use weir_server::query::record::{QueryRecord, RecordSink};

/// Batches of one measured stream.
const BATCHES: u64 = 1024;
/// Statements that end at the same time.
const TOGETHER: usize = 16;

/// As many items as it is told, for nothing.
struct Items(u64);

impl Stream for Items {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, _context: &mut TaskContext<'_>) -> Poll<Option<u64>> {
        let left = self.0;
        self.0 = left.saturating_sub(1);
        Poll::Ready((left > 0).then_some(black_box(left)))
    }
}

fn main() -> std::process::ExitCode {
    let mut criterion = Criterion::default().configure_from_args();
    streams(&mut criterion);
    match records(&mut criterion) {
        Ok(()) => {
            criterion.final_summary();
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn drain(mut stream: impl Stream<Item = u64> + Unpin) -> u64 {
    futures::executor::block_on(async {
        let mut sum = 0_u64;
        while let Some(item) = stream.next().await {
            sum = sum.wrapping_add(item);
        }
        sum
    })
}

/// Time is for [`BATCHES`] polls.
fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batches");
    group.throughput(Throughput::Elements(BATCHES));
    group.bench_function("bare", |bencher| bencher.iter(|| drain(Items(BATCHES))));
    let statement = Meter::new();
    group.bench_function("metered", |bencher| {
        bencher.iter(|| drain(statement.stream(Items(BATCHES))));
    });
    // a leaf within a statement: two meters take turns
    let leaf = Meter::new();
    group.bench_function("metered/leaf", |bencher| {
        bencher.iter(|| statement.enter(|| drain(leaf.stream(Items(BATCHES)))));
    });
    // the same meter again: no clock is read
    group.bench_function("metered/again", |bencher| {
        bencher.iter(|| leaf.enter(|| drain(leaf.stream(Items(BATCHES)))));
    });
    group.finish();
}

fn records(criterion: &mut Criterion) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let warehouse = runtime.block_on(SampleWarehouse::over(directory.path().to_owned(), 0.0))?;
    let context = runtime.block_on(warehouse.context(ADMIN))?;
    let sink = Arc::clone(warehouse.app().ledger()) as Arc<dyn RecordSink>;
    let record = || {
        let received = QueryRecord::received(&context, "SELECT 1", None, Arc::clone(&sink));
        received.commanded(StatementType::Select, StatementGauges::new())
    };
    criterion.bench_function("record/durable", |bencher| {
        bencher.to_async(&runtime).iter(|| async { record().finish().await });
    });
    criterion.bench_function("record/durable/16_together", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { futures::future::join_all((0..TOGETHER).map(|_| record().finish())).await });
    });
    Ok(())
}
