//! What a CREATE cannot say, as statements that follow it: masks of fields in a column, tags, and the masks and
//! remarks of an external table's columns.

use weir_catalog::{ColumnMask, Table, TableKind, Tags};

use super::create_table::{is_whole, mask_clause};
use super::quoted_name;
use crate::command::sight::Sight;
use crate::sql::policy_text::{place, string};
use crate::sql::types::quoted;

pub(super) fn of(sight: Sight<'_>, table: &Table) -> Vec<String> {
    let kind = match table.kind {
        TableKind::View(_) => "VIEW",
        TableKind::Managed { .. } | TableKind::External { .. } => "TABLE",
    };
    let alter = |change: String| format!("ALTER {kind} {} {change}", quoted_name(&table.name));
    let mut changes = Vec::new();
    if let TableKind::External { .. } = table.kind {
        let remarks = table.columns.iter().filter_map(|column| {
            let comment = column.comment.as_ref()?;
            Some(format!("ALTER COLUMN {} COMMENT {}", quoted(&column.name), string(comment)))
        });
        changes.extend(remarks);
    }
    let masks = table.masks.iter().filter(|mask| !stands_with_its_column(table, mask));
    changes
        .extend(masks.map(|mask| format!("ALTER COLUMN {} SET {}", place(mask), mask_clause(sight, mask))));
    changes.extend(tags(&table.tags).map(|tags| format!("SET TAGS ({tags})")));
    for column in &table.columns {
        let tags = tags(&column.tags);
        changes.extend(tags.map(|tags| format!("ALTER COLUMN {} SET TAGS ({tags})", quoted(&column.name))));
    }
    changes.into_iter().map(alter).collect()
}

/// Whether the statement that makes the table says the mask already.
fn stands_with_its_column(table: &Table, mask: &ColumnMask) -> bool {
    !matches!(table.kind, TableKind::External { .. })
        && table.columns.iter().any(|column| is_whole(mask, column))
}

fn tags(tags: &Tags) -> Option<String> {
    let pairs = tags.iter().map(|(key, value)| match value.is_empty() {
        true => string(key.as_str()),
        false => format!("{} = {}", string(key.as_str()), string(value)),
    });
    let pairs: Vec<String> = pairs.collect();
    (!pairs.is_empty()).then(|| pairs.join(", "))
}
