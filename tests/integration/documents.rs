//! The pages under `docs/` whose statements are run, so that they stay true.

use std::path::Path;

use weir_testkit::{TestServer, Walk, block_on};

fn page(name: &str) -> Walk {
    Walk::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name))
}

#[test]
fn the_governors_day_goes_as_written() {
    block_on(async { page("governors-day.md").run(&TestServer::start().await).await });
}

#[test]
fn the_reference_of_governance_goes_as_written() {
    block_on(async { page("governance.md").run(&TestServer::start().await).await });
}

#[test]
fn time_travel_goes_as_written() {
    block_on(async { page("time-travel.md").run(&TestServer::start().await).await });
}

#[test]
fn changing_rows_goes_as_written() {
    block_on(async { page("changing-rows.md").run(&TestServer::start().await).await });
}

#[test]
fn scratch_schemas_go_as_written() {
    block_on(async { page("scratch-schemas.md").run(&TestServer::start().await).await });
}
