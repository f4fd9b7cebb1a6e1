//! SQL logic tests: each file of `tests/slt/`, run as named users over the real door, on a server
//! of its own.

use std::path::Path;

use weir_testkit::{Script, TestServer, block_on};

async fn run(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    Script::read(&folder.join(name)).run(&TestServer::start().await).await;
}

macro_rules! scripts {
    ($($(#[doc = $about:literal])+ $test:ident = $file:literal;)+) => {
        const FILES: &[&str] = &[$($file),+];
        $($(#[doc = $about])+ #[test] fn $test() { block_on(run($file)); })+
    };
}

scripts! {
    /// Catalogs, schemas, tables, views, functions: made, altered, listed, dropped.
    definitions_are_made_altered_listed_and_dropped = "definitions.slt";
    /// SQL functions: called, described, replaced, renamed, dropped.
    functions_are_called_described_replaced_and_dropped = "functions.slt";
    /// Who may do what, and what SHOW GRANTS tells of it.
    grants_decide = "grants.slt";
    /// Row filters and masks in SQL.
    policies_are_set_and_dropped = "policies.slt";
    /// Governed tags, tags and tag policies.
    tags_and_their_policies_are_governed = "tag_policies.slt";
    /// Joins of columns with the same names, NOT IN beside NULL.
    joins_keep_their_rows_and_not_in_knows_null = "joins.slt";
    /// Casts beside what is cast, subqueries without rows, subqueries in VALUES.
    casts_are_expressions_of_their_own = "casts.slt";
    /// TIMESTAMP, TIMESTAMP_NTZ and DATE beside each other and beside texts.
    moments_beside_dates_and_texts = "moments.slt";
    /// Values that partition a table, whatever their folders are called.
    values_partition_a_table_whatever_they_are = "partitions.slt";
    /// Structs with fields that may not be NULL.
    structs_with_strict_fields_take_rows = "structs.slt";
    /// Whole numbers that a type does not hold, and patterns of texts and dates.
    numbers_do_not_go_round_and_patterns_are_the_dialects = "numbers.slt";
    /// Functions under the names that Spark has for them, decimals that are rounded, forms of the standard.
    functions_have_the_names_and_answers_of_spark = "spark_functions.slt";
    /// What functions and aggregates come to, and what they give within their bounds.
    what_functions_and_aggregates_come_to_is_bounded = "bounds.slt";
    /// The dialect of queries.
    queries_speak_the_dialect = "queries.slt";
    /// What is not there is refused by its name.
    what_is_not_there_is_refused_by_name = "refused.slt";
    /// Volumes, locations, credentials, properties, columns, denials.
    securables_are_altered_and_guarded = "securables.slt";
    /// JOIN … USING and NATURAL JOIN, outer ones among them.
    joins_by_names_have_the_key_of_the_side_that_is_there = "using.slt";
    /// EXISTS and IN in select lists and aggregates.
    exists_and_in_are_values_too = "subqueries.slt";
    /// Views whose tables change below them, and texts that make a view or table again.
    views_keep_their_columns_whatever_becomes_of_their_tables = "views.slt";
    /// SHOW and DESCRIBE.
    listings_tell_what_the_caller_may_know = "listings.slt";
    /// MANAGE, BROWSE, EXECUTE, ALL PRIVILEGES, owners: what each gives and does not.
    privileges_give_what_they_say = "privileges.slt";
    /// SHOW and DESCRIBE in the forms that tools read.
    tools_are_told_in_the_references_forms = "describing.slt";
    /// EXPLAIN POLICY, EXECUTE AS USER, DRY RUN, policy tests, requests for access.
    policies_are_shown_at_work = "proving.slt";
}

#[test]
fn every_script_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut named: Vec<&str> = FILES.to_vec();
    named.sort_unstable();
    assert_eq!(found, named);
}
