//! What a statement asks of the catalog it asks of the catalog as its caller has it: with the groups that the caller's token
//! claims. The catalog as everybody has it is taken in a few places, which are listed here.

use super::{assert_none, rust_files};

/// Rooms of the server in which statements are answered.
const ROOMS: [&str; 5] =
    ["server/src/command", "server/src/flight", "server/src/query", "server/src/run", "server/src/system"];

/// What gives the catalog without a caller.
const WITHOUT_CALLER: [&str; 3] = ["metastore.snapshot()", "warehouse.snapshot()", "self.snapshot()"];

/// The lines that may, and why.
const MAY: [(&str, &str, &str); 8] = [
    ("server/src/command.rs", "self.context.catalog(&", "gives it to the caller"),
    ("server/src/run.rs", "Ok(self.metastore.snapshot().await?)", "is the catalog without a caller"),
    ("server/src/run.rs", "context.catalog(&", "gives it to the caller"),
    ("server/src/run/planning.rs", ".epoch() != ", "asks for the epoch alone"),
    ("server/src/query/standing.rs", "self.context.catalog(&", "gives it to the caller"),
    (
        "server/src/query/standing.rs",
        "let snapshot = self.metastore.snapshot().await?;",
        "asks for the epoch first",
    ),
    ("server/src/flight/call.rs", "let snapshot = self.warehouse.snapshot().await?;", "finds out who calls"),
    (
        "server/src/flight/handshake.rs",
        "let snapshot = self.warehouse.snapshot().await?;",
        "finds out who calls",
    ),
];

#[test]
fn statements_ask_the_catalog_as_their_caller_has_it() {
    let (mut breaches, mut seen) = (Vec::new(), 0);
    for file in rust_files().into_iter().filter(|file| ROOMS.iter().any(|room| file.path.starts_with(room))) {
        for (number, line) in file.product_lines() {
            if !WITHOUT_CALLER.iter().any(|without| line.contains(without)) {
                continue;
            }
            seen += 1;
            if !MAY.iter().any(|(path, part, _)| *path == file.path && line.contains(part)) {
                breaches.push(file.at(
                    number,
                    "takes the catalog without its caller: `snapshot_for(context)`, `call.snapshot()`",
                ));
            }
        }
    }
    assert!(seen >= MAY.len(), "{seen} lines");
    assert_none("statements ask the catalog as their caller has it", &breaches);
}
