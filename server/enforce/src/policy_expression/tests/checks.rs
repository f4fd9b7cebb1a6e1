//! What is asked of a function before it becomes a policy's.

use super::*;
use crate::error::PolicyKind;

/// The check of a filter function of these parameters and body, by `root`; the refusal as text.
async fn checked(world: &mut World, parameters: &[&str], body: &str) -> Result<(), String> {
    let id = world.function("tried", parameters, "BOOLEAN", body);
    let scope = world.scope(world.root);
    let function = scope.snapshot().function_by_id(id).unwrap();
    let checked = PolicyCompiler::new(&scope).check_function(function, PolicyKind::RowFilter).await;
    world.content.functions.retain(|known| known.id != id);
    checked.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_parameter_that_a_column_hides_is_refused() {
    let (mut world, _, _, _) = mapped("true");
    for body in [
        "EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.r = r)",
        "r = 'eu' OR EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.who = current_user() AND r = m.r)",
        "r IN (SELECT r FROM main.hr.mapping)",
        "EXISTS (SELECT 1 FROM (SELECT r, who FROM main.hr.mapping) x WHERE x.r = R)",
        "EXISTS (WITH c AS (SELECT r FROM main.hr.mapping) SELECT 1 FROM c WHERE c.r = r)",
        "2 > (SELECT count(*) FROM main.hr.mapping m WHERE EXISTS (SELECT 1 FROM main.hr.mapping n WHERE n.who = r))",
    ] {
        let refused = checked(&mut world, &["r STRING"], body).await.unwrap_err();
        assert!(
            refused.contains("parameter `r` of policy function `main.hr.tried` is hidden"),
            "{body}: {refused}"
        );
    }
    for body in [
        "EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.r = p)",
        "EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.r = p AND m.who = q)",
        "p IN (SELECT m.r FROM main.hr.mapping m WHERE m.who = current_user())",
        "p = 'eu'",
    ] {
        assert_eq!(checked(&mut world, &["p STRING", "q STRING"], body).await, Ok(()), "{body}");
    }
    let often = vec!["m.r = r"; 101].join(" OR ");
    let body = format!("EXISTS (SELECT 1 FROM main.hr.mapping m WHERE {often})");
    let refused = checked(&mut world, &["r STRING"], &body).await.unwrap_err();
    assert!(refused.contains("name parameter `r` more than 100 times"), "{refused}");
    // The name of a column outside of queries, and inside with its table before it, is the column's.
    let qualified = "r IN (SELECT m.r FROM main.hr.mapping m)";
    assert_eq!(checked(&mut world, &["r STRING"], qualified).await, Ok(()));
}

#[tokio::test]
async fn a_hidden_parameter_of_a_called_function_is_found() {
    let (mut world, _, _, _) = mapped("true");
    let inner = world.function(
        "inner",
        &["r STRING"],
        "BOOLEAN",
        "EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.r = r)",
    );
    let outer = world.function("outer", &["p STRING"], "BOOLEAN", "main.hr.inner(p)");
    world.content.functions.iter_mut().find(|known| known.id == outer).unwrap().calls = vec![inner];
    let scope = world.scope(world.root);
    let function = scope.snapshot().function_by_id(outer).unwrap();
    let checked = PolicyCompiler::new(&scope).check_function(function, PolicyKind::RowFilter).await;
    let refused = checked.unwrap_err().to_string();
    assert!(refused.contains("parameter `r` of policy function `main.hr.inner` is hidden"), "{refused}");
}

#[tokio::test]
async fn a_body_that_cannot_be_planned_in_a_leaf_is_refused_for_everybody() {
    let (mut world, table, _, _) = mapped("true");
    world.group("staff", &[world.root, world.alice]);
    for (body, fits) in [
        ("p IN (SELECT m.r FROM main.hr.mapping m WHERE m.who = current_user())", true),
        ("EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.r = p AND m.who <> p)", true),
        ("p = (SELECT max(m.r) FROM main.hr.mapping m WHERE m.who = p)", true),
        ("p = (SELECT max(m.r) FROM main.hr.mapping m WHERE m.who < p)", false),
        ("p IN (SELECT m.r FROM main.hr.mapping m WHERE m.who < p ORDER BY m.r LIMIT 1)", false),
    ] {
        let found = checked(&mut world, &["p STRING"], body).await;
        assert_eq!(found.is_ok(), fits, "{body}: {found:?}");
        // What is left out for some is looked at all the same.
        let spared = format!("is_account_group_member('staff') OR {body}");
        world.filter(table, &["p STRING"], &spared, &["region"]);
        assert_eq!(rows(&world, "SELECT id FROM people").await.len(), 4, "{spared}");
        let found = checked(&mut world, &["p STRING"], &spared).await;
        assert_eq!(found.is_ok(), fits, "{spared}: {found:?}");
        // What is refused would fail when it is used, and what is not would not.
        world.filter(table, &["p STRING"], body, &["region"]);
        assert_eq!(world.rows(world.alice, "SELECT id FROM people").await.is_ok(), fits, "{body}");
    }
}
