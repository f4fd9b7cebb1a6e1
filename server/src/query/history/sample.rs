//! Records for tests.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::query::decisions::Decisions;

use super::{ExecutionStatus, FinishedRecord, Protection, Readings, ScanTotals, StatementType};

/// A statement of `user` that came in at `started_at`, took `wall` and filtered for `filtering`.
pub(crate) fn record(user: &str, started_at: &str, wall: TimeDelta, filtering: Duration) -> FinishedRecord {
    let started_at: DateTime<Utc> = started_at.parse().unwrap_or_default();
    FinishedRecord {
        statement_id: Uuid::now_v7(),
        statement_text: "SELECT *\nFROM t".to_owned(),
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
        decisions: Decisions::default(),
    }
}
