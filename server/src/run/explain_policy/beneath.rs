//! What stands beneath what a query names: the tables that views and functions read, under the policies for
//! the reader. What the asker may not look into is not named; that there is something is told.

use std::collections::BTreeSet;

use weir_catalog::{
    Function, FunctionId, ObjectName, SecurableName, Snapshot, Table, TableId, ViewDefinition, resolve,
};

use super::{Account, Question, Run};
use crate::error::Result;

/// How deep tables are looked for in views.
const VIEW_DEPTH_MAX: usize = 8;

impl Run<'_> {
    /// The tables that a view reads, through further views and calls too.
    pub(super) async fn beneath_view(
        &self,
        question: &Question<'_>,
        view: &Table,
        accounts: &mut Vec<Account>,
    ) -> Result<()> {
        let sources = view.view().map(|view| sources_of(question.snapshot, view)).unwrap_or_default();
        if self.descend(question, sources, &mut BTreeSet::new(), accounts).await? {
            accounts.push(Account {
                kind: Some("VIEW".to_owned()),
                effect: Some("reads what you may not look into; the policies there hold as well".to_owned()),
                ..Account::of(view)
            });
        }
        Ok(())
    }

    /// The tables that called functions read, but for those that the query names itself.
    pub(super) async fn beneath_calls(
        &self,
        question: &Question<'_>,
        names: &[ObjectName],
        calls: &[ObjectName],
        accounts: &mut Vec<Account>,
    ) -> Result<()> {
        let snapshot = question.snapshot;
        let named = names.iter().filter_map(|name| snapshot.table(name));
        let mut seen: BTreeSet<TableId> = named.map(|table| table.id).collect();
        for name in calls {
            resolve(snapshot, question.asker, &SecurableName::Function(name.clone()))?;
            let Some(function) = snapshot.function(name) else { continue };
            let read = read_by(snapshot, &[function.id]);
            if read.is_empty() {
                continue;
            }
            accounts.push(Account::of_function(snapshot, function));
            if self.descend(question, read, &mut seen, accounts).await? {
                let effect = "reads what you may not look into; the policies there hold as well";
                let hidden = Account { effect: Some(effect.to_owned()), ..Account::default() };
                accounts.push(Account {
                    kind: Some("FUNCTION".to_owned()),
                    function: Some(name.to_string()),
                    ..hidden
                });
            }
        }
        Ok(())
    }

    /// Tables and views, level by level; whether there were any that the asker may not look into.
    async fn descend(
        &self,
        question: &Question<'_>,
        mut level: Vec<TableId>,
        seen: &mut BTreeSet<TableId>,
        accounts: &mut Vec<Account>,
    ) -> Result<bool> {
        let mut hidden = false;
        for _ in 0..VIEW_DEPTH_MAX {
            let mut deeper = Vec::new();
            for id in level {
                let Some(table) = question.snapshot.table_by_id(id).filter(|_| seen.insert(id)) else {
                    continue;
                };
                let sources = table.view().map(|view| sources_of(question.snapshot, view));
                deeper.extend(sources.unwrap_or_default());
                if question.may_look_into(table) {
                    self.readable(question, table, accounts).await?;
                } else {
                    hidden = true;
                }
            }
            level = deeper;
        }
        Ok(hidden)
    }
}

impl Account {
    fn of_function(snapshot: &Snapshot, function: &Function) -> Self {
        let owner = snapshot.principal(function.owner).map_or("?", |owner| owner.name.as_str());
        Self {
            kind: Some("FUNCTION".to_owned()),
            scope: Some("function".to_owned()),
            function: Some(function.name.to_string()),
            applies: Some("yes".to_owned()),
            effect: Some(format!("reads with the rights of `{owner}`, under the policies for the reader")),
            ..Self::default()
        }
    }
}

/// What a view names, and what the functions read that it calls.
fn sources_of(snapshot: &Snapshot, view: &ViewDefinition) -> Vec<TableId> {
    let mut sources = view.reads.clone();
    sources.extend(read_by(snapshot, &view.calls));
    sources
}

/// The tables and views that functions name, those among them that they call included.
fn read_by(snapshot: &Snapshot, calls: &[FunctionId]) -> Vec<TableId> {
    let (mut seen, mut read, mut open) = (BTreeSet::new(), BTreeSet::new(), calls.to_vec());
    while let Some(id) = open.pop() {
        let Some(function) = snapshot.function_by_id(id).filter(|_| seen.insert(id)) else { continue };
        read.extend(&function.reads);
        open.extend(&function.calls);
    }
    read.into_iter().collect()
}
