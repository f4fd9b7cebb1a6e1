//! How does cost grow with the files of a table? Tables of 1,000, 10,000 and 100,000 files that are a log and nothing else:
//! opening one for the first time, again, after one commit more, and planning a scan of the twenty files that match.
//!
//! Medians; draws `growth.svg` in the cache directory's `weir` folder.

use std::fmt::Write as _;
use std::path::PathBuf;

use datafusion::prelude::{Expr, col, lit};
use weir_benches::Result;
use weir_benches::log_table::{Ground, IDS, add, first_commit};
use weir_benches::plot::{Line, Plot};
use weir_benches::rounds::{Stopwatch, median};
use weir_scan::{RootName, TableLocation};

const SIZES: [i64; 3] = [1_000, 10_000, 100_000];
const ROUNDS: usize = 15;

fn main() -> std::process::ExitCode {
    weir_benches::finish(measure())
}

/// Milliseconds since the start.
fn millis(begun: &Stopwatch) -> f64 {
    begun.wall().as_secs_f64() * 1e3
}

/// The milliseconds of each step at one size.
struct Costs {
    files: i64,
    steps: Vec<(&'static str, f64)>,
}

async fn costs(ground: &Ground, files: i64) -> Result<Costs> {
    let folder = PathBuf::from(format!("growth_{files}"));
    ground.commit(&folder, 0, &first_commit(files))?;
    let location = TableLocation::new(RootName::new("main")?, &folder.to_string_lossy())?;
    let begun = Stopwatch::start();
    let mut pinned = ground.tables.open(&location).await?;
    let mut steps = vec![("first open", millis(&begun))];
    let middle = files / 2 * IDS;
    let some: Vec<Expr> = (0..100).map(|n| lit(n * (files / 100) * IDS + 1)).collect();
    let filters = [
        (
            "plan, 20 files by a range",
            col("id").gt_eq(lit(middle)).and(col("id").lt(lit(middle + 20 * IDS))),
            20,
        ),
        ("plan, 1 file by a key", col("id").eq(lit(middle + 5)), 1),
        ("plan, 100 files by a list", col("id").in_list(some, false), 100),
    ];
    let (mut again, mut updates) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begun = Stopwatch::start();
        ground.tables.open(&location).await?;
        again.push(millis(&begun));
        ground.commit(&folder, round as u64 + 1, &add(files + round as i64))?;
        let begun = Stopwatch::start();
        pinned = ground.tables.open(&location).await?;
        updates.push(millis(&begun));
    }
    steps.push(("open again", median(&again)));
    steps.push(("open after one commit more", median(&updates)));
    for (name, filter, matching) in filters {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Stopwatch::start();
            let read = ground.plan(&pinned, &filter).await?;
            times.push(millis(&begun));
            if read != matching {
                return Err(format!("{name}: {read} files are read").into());
            }
        }
        steps.push((name, median(&times)));
    }
    Ok(Costs { files, steps })
}

async fn measure() -> Result<()> {
    let ground = Ground::new()?;
    let mut all = Vec::new();
    for files in SIZES {
        all.push(costs(&ground, files).await?);
    }
    let (Some(least), Some(most)) = (all.first(), all.last()) else { return Ok(()) };
    let mut text = String::from("| step |");
    for costs in &all {
        write!(text, " {} files |", costs.files)?;
    }
    text.push_str(" growth |\n|---|---|---|---|---|\n");
    for (place, (name, first)) in least.steps.iter().enumerate() {
        write!(text, "| {name} |")?;
        for costs in &all {
            let time = costs.steps.get(place).map_or(f64::NAN, |(_, time)| *time);
            write!(text, " {time:.2} ms |")?;
        }
        let last = most.steps.get(place).map_or(f64::NAN, |(_, time)| *time);
        writeln!(text, " {:.1} |", last / first)?;
    }
    println!("{text}");
    let lines = least.steps.iter().enumerate().skip(1).map(|(place, (name, _))| Line {
        name: (*name).to_owned(),
        points: all
            .iter()
            .filter_map(|costs| Some((costs.files as f64, costs.steps.get(place)?.1)))
            .collect(),
    });
    let plot = Plot {
        title: "What a statement pays before it reads, by files of the table".to_owned(),
        across: "files of the table".to_owned(),
        up: "milliseconds".to_owned(),
        lines: lines.collect(),
    };
    plot.write("growth.svg")
}
