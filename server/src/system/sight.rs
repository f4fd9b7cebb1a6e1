//! [`Sight`]: what one reader of the books reads and may count, as functions over table ids.
//!
//! Rows of the books name tables by id; whether their reader may read such a table, or manages
//! it, is asked of the catalog as of the moment the books are opened.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use weir_catalog::{
    PrincipalId, Privilege, SecurableId, Snapshot, TableId, authorize, is_account_admin, is_metastore_admin,
    may_count_hidden,
};

/// One reader before one snapshot of the catalog.
#[derive(Clone)]
pub(crate) struct Sight {
    snapshot: Arc<Snapshot>,
    reader: PrincipalId,
    name: String,
}

impl Sight {
    /// What `reader`, who is called `name`, sees in `snapshot`.
    pub(crate) fn new(snapshot: Arc<Snapshot>, reader: PrincipalId, name: &str) -> Self {
        Self { snapshot, reader, name: name.to_owned() }
    }

    /// The reader's exact name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the reader administers the account or the metastore.
    pub(crate) fn administers(&self) -> bool {
        is_account_admin(&self.snapshot, self.reader) || is_metastore_admin(&self.snapshot, self.reader)
    }

    /// True of the ids of tables that the reader may read under rights of their own.
    pub(crate) fn reads(&self) -> Arc<ScalarUDF> {
        self.function("reads_table", |sight, table| {
            authorize(&sight.snapshot, sight.reader, Privilege::Select, table).is_allowed()
        })
    }

    /// True of the ids of tables of which the reader may count what policies hide: who could lift every
    /// policy over it.
    pub(crate) fn counts_hidden(&self) -> Arc<ScalarUDF> {
        self.function("counts_hidden_rows", |sight, table| {
            let SecurableId::Table(id) = table else { return false };
            let table = sight.snapshot.table_by_id(id);
            table.is_some_and(|table| may_count_hidden(&sight.snapshot, sight.reader, table))
        })
    }

    fn function(&self, name: &'static str, test: Test) -> Arc<ScalarUDF> {
        let signature = Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
        Arc::new(ScalarUDF::from(TableTest { name, sight: self.clone(), test, signature }))
    }
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sight").field("epoch", &self.snapshot.epoch()).field("reader", &self.reader).finish()
    }
}

type Test = fn(&Sight, SecurableId) -> bool;

/// A question about the table of an id.
#[derive(Debug)]
struct TableTest {
    name: &'static str,
    sight: Sight,
    test: Test,
    signature: Signature,
}

impl PartialEq for TableTest {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.sight.reader == other.sight.reader
            && Arc::ptr_eq(&self.sight.snapshot, &other.sight.snapshot)
    }
}

impl Eq for TableTest {}

impl Hash for TableTest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.sight.reader.hash(state);
    }
}

impl TableTest {
    fn holds(&self, id: &str) -> bool {
        id.parse::<TableId>().is_ok_and(|id| (self.test)(&self.sight, SecurableId::Table(id)))
    }
}

impl ScalarUDFImpl for TableTest {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let Some(ids) = arguments.args.into_iter().next() else {
            return exec_err!("a table's id is missing");
        };
        let ids = ids.into_array(rows)?;
        let Some(ids) = ids.as_string_opt::<i32>() else { return exec_err!("a table's id is no string") };
        // Few tables stand in many rows.
        let mut known: HashMap<&str, bool> = HashMap::new();
        let answers = (0..ids.len()).map(|row| {
            let id = if ids.is_null(row) { "" } else { ids.value(row) };
            Some(*known.entry(id).or_insert_with(|| self.holds(id)))
        });
        Ok(ColumnarValue::Array(Arc::new(answers.collect::<BooleanArray>())))
    }
}
