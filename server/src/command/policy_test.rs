//! CREATE, DROP, SHOW and DESCRIBE of policy tests. Running them is `run/policy_tests.rs`.
//!
//! A test's query and the values it expects are told to those who may run it; of the others, owners
//! included, whoever may know of a test sees its name and as whom it runs.

use weir_catalog::metastore::impersonation::may_impersonate;
use weir_catalog::metastore::policy_tests::{policy_test, policy_tests};
use weir_catalog::{Expectation, OnExistingDefinition, OnMissing, PolicyTest, PolicyTestSpec};

use super::listing::{Columns, Pattern, Row, listing};
use super::sight::Sight;
use super::{Call, done};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::{CreatePolicyTest, PolicyTestCommand, parse_query};

/// The columns of the answer, where there is one.
pub(super) fn columns(command: &PolicyTestCommand) -> Option<Columns> {
    match command {
        PolicyTestCommand::Create(_) | PolicyTestCommand::Drop { .. } => None,
        PolicyTestCommand::Show { .. } => {
            Some(Columns::texts(&["name", "as_user", "expected", "owner", "comment"]))
        }
        PolicyTestCommand::Describe { .. } => Some(Columns::texts(&["info_name", "info_value"])),
    }
}

pub(super) async fn run(call: Call<'_>, command: &PolicyTestCommand) -> Result<Outcome> {
    match command {
        PolicyTestCommand::Create(test) => create(call, test).await?,
        PolicyTestCommand::Drop { name, if_exists } => {
            let on_missing = if *if_exists { OnMissing::Ignore } else { OnMissing::Fail };
            call.metastore().policy_test_drop(call.by(), call.now(), name, on_missing).await?;
        }
        PolicyTestCommand::Show { pattern } => {
            let snapshot = call.snapshot().await?;
            let sight = Sight::new(call, &snapshot);
            let pattern = Pattern::new(pattern.as_deref());
            let tests = policy_tests(&snapshot, sight.by);
            let rows: Vec<Row> = tests
                .into_iter()
                .filter(|test| pattern.matches(test.name.as_str()))
                .map(|test| row(sight, test))
                .collect();
            return list(command, &rows);
        }
        PolicyTestCommand::Describe { name } => {
            let snapshot = call.snapshot().await?;
            let sight = Sight::new(call, &snapshot);
            let test = policy_test(&snapshot, sight.by, name)
                .ok_or_else(|| weir_catalog::Error::PolicyTestNotFound { name: name.clone() })?;
            return list(command, &description(sight, test));
        }
    }
    done()
}

fn list(command: &PolicyTestCommand, rows: &[Row]) -> Result<Outcome> {
    match columns(command) {
        Some(columns) => listing(columns, rows),
        None => done(),
    }
}

async fn create(call: Call<'_>, test: &CreatePolicyTest) -> Result<()> {
    let (analysis, snapshot) = (&call.environment.analysis, call.snapshot().await?);
    if let Expectation::Values(values) = &test.expectation {
        let values = parse_query(values)?;
        analysis.constant_rows(call.context, &snapshot, &values).await?;
    }
    let on_existing = match (test.or_replace, test.if_not_exists) {
        (true, _) => OnExistingDefinition::Replace,
        (false, true) => OnExistingDefinition::Keep,
        (false, false) => OnExistingDefinition::Fail,
    };
    let spec = PolicyTestSpec {
        name: test.name.clone(),
        as_user: test.user.clone(),
        query: analysis.query_text(call.context, &snapshot, &test.query)?,
        expectation: test.expectation.clone(),
        comment: test.comment.clone(),
    };
    call.metastore().policy_test_create(call.by(), call.now(), spec, on_existing).await?;
    Ok(())
}

fn row(sight: Sight<'_>, test: &PolicyTest) -> Row {
    let texts = vec![
        Some(test.name.to_string()),
        Some(sight.principal_name(test.as_user)),
        Some(test.expectation.to_string()),
        Some(sight.principal_name(test.owner)),
        test.comment.clone(),
    ];
    Row { texts, flags: Vec::new() }
}

fn description(sight: Sight<'_>, test: &PolicyTest) -> Vec<Row> {
    let told = may_impersonate(sight.snapshot, sight.by);
    let values = match &test.expectation {
        Expectation::Values(values) if told => values.clone(),
        other => other.to_string(),
    };
    let pairs = [
        ("Name", Some(test.name.to_string())),
        ("As User", Some(sight.principal_name(test.as_user))),
        ("Expected", Some(values)),
        ("Query", told.then(|| test.query.clone())),
        ("Owner", Some(sight.principal_name(test.owner))),
        ("Comment", test.comment.clone()),
    ];
    let pairs = pairs.into_iter().filter(|(_, value)| value.is_some());
    pairs.map(|(name, value)| Row { texts: vec![Some(name.to_owned()), value], flags: Vec::new() }).collect()
}
