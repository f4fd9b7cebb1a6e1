//! [`PrimaryKey`]: the columns that tell a table's rows apart, as its owner says. It informs people and tools: nothing looks
//! whether two rows have the same key, only NULL is kept out of its columns by the table's log.

use super::{Column, Table};

/// A column's part in the key of its table. The key goes with its columns, whatever they are renamed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPart {
    /// The name of the constraint, the same in each part.
    pub constraint: String,
    /// The column's place in the key, from 1.
    pub place: u32,
}

/// The key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryKey<'a> {
    /// The name of the constraint.
    pub name: &'a str,
    /// Its columns, in the order of the key.
    pub columns: Vec<&'a Column>,
}

impl Table {
    /// Its key, if any.
    pub fn primary_key(&self) -> Option<PrimaryKey<'_>> {
        let mut parts: Vec<(&KeyPart, &Column)> =
            self.columns.iter().filter_map(|column| Some((column.primary_key.as_ref()?, column))).collect();
        parts.sort_by_key(|(part, _)| part.place);
        let (first, _) = parts.first()?;
        Some(PrimaryKey {
            name: first.constraint.as_str(),
            columns: parts.into_iter().map(|(_, column)| column).collect(),
        })
    }

    /// What is wrong with the parts of its key: each has the same name, their places are 1, 2, …, and no column of them may
    /// hold NULL.
    pub(crate) fn broken_key(&self) -> Option<String> {
        let key = self.primary_key()?;
        for (place, column) in (1..).zip(&key.columns) {
            let part = column.primary_key.as_ref()?;
            let about = format!("the primary key `{}`: column `{}`", key.name, column.name);
            if part.constraint != key.name {
                return Some(format!("{about} is part of another key, `{}`", part.constraint));
            }
            if part.place != place {
                return Some(format!("{about} has place {} and not {place}", part.place));
            }
            if column.nullable {
                return Some(format!("{about} may hold NULL"));
            }
        }
        self.view().map(|_| format!("the primary key `{}` is of a view", key.name))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::collections::BTreeMap;

    use chrono::DateTime;

    use super::*;
    use crate::id::{PrincipalId, SchemaId, TableId};
    use crate::name::ObjectName;
    use crate::securable::TableKind;
    use crate::stamps::Stamps;
    use crate::tag::Tags;

    /// Name, whether NULL is taken, and key and place where it is part of one.
    type Told<'a> = (&'a str, bool, Option<(&'a str, u32)>);

    fn table(columns: &[Told<'_>]) -> Table {
        let columns = columns.iter().map(|(name, nullable, part)| Column {
            nullable: *nullable,
            primary_key: part.map(|(constraint, place)| KeyPart { constraint: constraint.to_owned(), place }),
            ..Column::new(*name, "INT")
        });
        let owner = PrincipalId::fresh();
        Table {
            id: TableId::fresh(),
            schema: SchemaId::fresh(),
            name: ObjectName::new("main", "hr", "people").unwrap(),
            owner,
            kind: TableKind::Managed { location: "x".to_owned() },
            columns: columns.collect(),
            row_filter: None,
            masks: Vec::new(),
            properties: BTreeMap::new(),
            comment: None,
            tags: Tags::new(),
            stamps: Stamps::new(DateTime::UNIX_EPOCH, owner),
        }
    }

    #[test]
    fn a_key_has_its_columns_in_the_order_of_their_places() {
        assert_eq!(table(&[("a", true, None)]).primary_key(), None);
        let table = table(&[("a", false, Some(("k", 2))), ("b", true, None), ("c", false, Some(("k", 1)))]);
        let key = table.primary_key().unwrap();
        let names: Vec<&str> = key.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!((key.name, names.as_slice()), ("k", ["c", "a"].as_slice()));
        assert_eq!(table.broken_key(), None);
    }

    #[test]
    fn a_key_that_does_not_hold_together_is_told() {
        for (columns, words) in [
            ([("a", false, Some(("k", 1))), ("b", false, Some(("other", 2)))], "part of another key"),
            ([("a", false, Some(("k", 1))), ("b", false, Some(("k", 3)))], "place 3 and not 2"),
            ([("a", false, Some(("k", 1))), ("b", false, Some(("k", 1)))], "place 1 and not 2"),
            ([("a", false, Some(("k", 1))), ("b", true, Some(("k", 2)))], "may hold NULL"),
        ] {
            let told = table(&columns).broken_key().unwrap();
            assert!(told.contains(words), "{told}");
        }
    }
}
