//! Records for tests.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::query::decisions::{Access, Decisions, Outcome, PolicyDecision};

use super::{ExecutionStatus, FinishedRecord, Protection, Readings, ScanTotals, StatementType};

/// A statement of `user` that came in at `started_at`, took `wall` and filtered for `filtering`.
pub(crate) fn record(user: &str, started_at: &str, wall: TimeDelta, filtering: Duration) -> FinishedRecord {
    let started_at: DateTime<Utc> = started_at.parse().unwrap_or_default();
    FinishedRecord {
        statement_id: Uuid::now_v7(),
        statement_text: "SELECT *\nFROM t".into(),
        statement_type: Some(StatementType::Select),
        run_as: user.to_owned(),
        run_as_id: format!("id of {user}"),
        run_by: None,
        client: None,
        status: ExecutionStatus::Finished,
        error_message: None,
        started_at,
        ended_at: started_at + wall,
        compilation: Duration::from_millis(1),
        execution: Duration::from_millis(2),
        policy_digest: None,
        governed_tables: Vec::new(),
        protection: Protection::Standard,
        readings: Readings {
            filtering_cpu: filtering,
            other_cpu: Duration::from_micros(1_234_567),
            scans: ScanTotals {
                files_read: 3,
                cache_hit_bytes: 75,
                cache_miss_bytes: 25,
                ..ScanTotals::default()
            },
            ..Readings::default()
        },
        client_address: None,
        decisions: decisions(),
        from_result_cache: false,
        client_span: None,
    }
}

/// One access to a table, and one policy that was at work on it.
fn decisions() -> Decisions {
    let access = Access {
        name: "main.default.t".to_owned(),
        privilege: "SELECT".to_owned(),
        rights_of: None,
        outcome: Outcome::Allowed,
        because: "SELECT on table `main.default.t` granted to `readers`".to_owned(),
    };
    let policy = PolicyDecision {
        table: "main.default.t".to_owned(),
        table_id: "0190a5b0-0000-7000-8000-000000000001".to_owned(),
        table_version: Some(3),
        leaf: 1,
        policy: "main.default.mask".to_owned(),
        scope: "table `main.default.t`".to_owned(),
        kind: "COLUMN_MASK".to_owned(),
        function: Some("main.default.mask".to_owned()),
        columns: vec!["name".to_owned()],
        rows_in: Some(9),
        rows_out: 4,
        exempt: false,
    };
    Decisions { accesses: vec![access], policies: vec![policy], epoch: Some(7), ..Decisions::default() }
}
