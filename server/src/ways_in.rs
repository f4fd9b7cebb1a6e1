//! Every way into the warehouse, by name. Whatever is added to one of the closed sets below is in the list without
//! anybody's doing, and `tests/integration/enforcement/ways_in.rs` fails until an attack is run through it.

use strum::VariantNames;

use crate::error::Result;
use crate::session::SessionSettings;
use crate::sql::{
    self, ChangeKind, Command, Describe, ExplainMode, MergeAction, Proof, SessionCommand, ShowKind, Statement,
};
use crate::system::ServerTable;

/// The calls of the protocol; it has no others.
const CALLS: [&str; 10] = [
    "Handshake",
    "ListFlights",
    "GetFlightInfo",
    "PollFlightInfo",
    "GetSchema",
    "DoGet",
    "DoPut",
    "DoExchange",
    "DoAction",
    "ListActions",
];

/// How a query comes to rows, where the syntax tree has no closed set of ours: what
/// `sql/refused_clauses.rs` lets pass.
const RELATIONS: [&str; 25] = [
    "table",
    "view",
    "view over views",
    "derived table",
    "nested join",
    "self-join",
    "LATERAL",
    "VALUES beside a table",
    "CTE",
    "CTE used twice",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "scalar subquery",
    "EXISTS",
    "IN",
    "NOT IN",
    "correlated subquery",
    "subquery in HAVING, ORDER BY and a window",
    "unnest",
    "SQL function",
    "table function",
    "version as of",
    "timestamp as of",
    "table_changes",
];

/// A way in: the set it belongs to, and its name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WayIn {
    /// The closed set.
    pub set: &'static str,
    /// Its name within the set.
    pub name: &'static str,
}

/// All of them but the server's own tables, which [`server_tables`] lists.
pub fn ways_in() -> Vec<WayIn> {
    let of_door = crate::flight::ways_in();
    let of_statements: [(&'static str, &'static [&'static str]); 11] = [
        ("call", &CALLS),
        ("statement", Statement::VARIANTS),
        ("explain", ExplainMode::VARIANTS),
        ("change", ChangeKind::VARIANTS),
        ("merge", MergeAction::VARIANTS),
        ("proof", Proof::VARIANTS),
        ("command", Command::VARIANTS),
        ("describe", Describe::VARIANTS),
        ("show", ShowKind::VARIANTS),
        ("session", SessionCommand::VARIANTS),
        ("relation", &RELATIONS),
    ];
    let sets = of_statements.into_iter().map(|(set, names)| (set, names.to_vec())).chain(of_door);
    sets.flat_map(|(set, names)| names.into_iter().map(move |name| WayIn { set, name })).collect()
}

/// The names of the server's own tables in `catalog`, with their schema.
pub fn server_tables(catalog: &str) -> Vec<String> {
    ServerTable::all_in(catalog)
        .map(|table| format!("{catalog}.{}.{}", table.schema(), table.table()))
        .collect()
}

/// The ways in that a statement's text is, the statement in which it runs among them. Errors as those of
/// [`crate::sql::parse`].
pub fn of_statement(text: &str) -> Result<Vec<WayIn>> {
    let mut found = Vec::new();
    add_statement(&sql::parse(text, &SessionSettings::default())?, &mut found);
    Ok(found)
}

fn add_statement(statement: &Statement, found: &mut Vec<WayIn>) {
    let mut add = |set, name| found.push(WayIn { set, name });
    add("statement", statement.into());
    match statement {
        Statement::Explain(explained) => add("explain", explained.mode.into()),
        Statement::Change(change) => {
            add("change", (&change.what).into());
            if let ChangeKind::Merge(merge) = &change.what {
                merge.clauses.iter().for_each(|clause| add("merge", (&clause.action).into()));
            }
        }
        Statement::Proof(proof) => add("proof", proof.into()),
        Statement::Command(command) => {
            add("command", command.into());
            match command {
                Command::Show(show) => add("show", (&show.kind).into()),
                Command::Describe(describe) => add("describe", describe.into()),
                Command::Session(session) => add("session", session.into()),
                _ => {}
            }
        }
        Statement::ExecuteAs(execute) => add_statement(&execute.statement, found),
        Statement::Query(_)
        | Statement::Cache(_)
        | Statement::DescribeQuery(_)
        | Statement::ShowPartitions(_)
        | Statement::Insert(_)
        | Statement::CreateTableAs(_) => {}
    }
}
