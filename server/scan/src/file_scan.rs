//! [`FileScan`]: a scan of the files of one version by the engine's own reader of Parquet, with what Delta adds to files told
//! to that reader: values of partitions, other names of columns, and the rows that deletion vectors leave.
//!
//! So every filter, limit and order of the engine works on such a table as on plain files, and files are read in parallel,
//! whether rows of them are deleted or not. Tables of a shape that is not known here are scanned by delta-rs.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{
    ColumnStatistics, DFSchema, DataFusionError, Result, ScalarValue, Statistics, internal_datafusion_err,
};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetRowSelection};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::utils::conjunction;
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use deltalake::delta_datafusion::{DeltaScanConfig, DeltaScanNext};
use object_store::ObjectMeta;
use object_store::path::Path;
use url::Url;

use crate::file_list::{FileColumn, FileList, Listed};
use crate::late_snapshot::{LateSnapshot, mask_fits};
use crate::location::{MOUNT, TableLocation};
use crate::row_group_condition::{FileColumns, RowGroupCondition};
use crate::vector_reach::ROWS_MAX;

/// Of more files than these the engine is told sizes and rows alone: values of each would cost more than they save.
const FILES_TOLD_MAX: usize = 10_000;

/// Scans the files of one version.
pub(crate) struct FileScan {
    log: Arc<LateSnapshot>,
    location: TableLocation,
    url: Url,
    /// The table's columns in their order.
    schema: SchemaRef,
    columns: Arc<[FileColumn]>,
    /// The columns as the reader of files has them: those of files by the files' names, then those of partitions.
    read: TableSchema,
    /// For each column of `read` its place in the table.
    places: Vec<usize>,
    /// Told of files as the time of their change, by which what is kept of their footers holds: files of a table never change, and
    /// another table that comes to their place has another id.
    changed_at: DateTime<Utc>,
    files: OnceLock<FileList>,
}

impl FileScan {
    /// A scan of the version of `log`, whose columns are `schema` and, in the same order, `columns`.
    pub(crate) fn new(
        location: TableLocation,
        log: Arc<LateSnapshot>,
        schema: SchemaRef,
        columns: Vec<FileColumn>,
    ) -> crate::Result<Self> {
        let url = location.url()?;
        let of = |partitions: bool| {
            let known = columns.iter().zip(schema.fields()).enumerate();
            known.filter(move |(_, (column, _))| column.partitions == partitions)
        };
        let fields = |partitions: bool| {
            let known = of(partitions).map(|(_, (column, field))| {
                // Names in files are all different, and those of the table may be another column's there.
                Arc::new(Field::new(&column.in_files, field.data_type().clone(), field.is_nullable()))
            });
            known.collect::<Vec<FieldRef>>()
        };
        let read = TableSchema::builder(Arc::new(Schema::new(fields(false))))
            .with_table_partition_cols(fields(true))
            .build();
        let places = of(false).chain(of(true)).map(|(place, _)| place).collect();
        let columns = columns.into();
        let changed_at = time_of(log.described().metadata().id());
        let files = OnceLock::new();
        Ok(Self { log, location, url, schema, columns, read, places, changed_at, files })
    }

    /// The same of a later version, which has these files.
    pub(crate) fn followed_by(&self, log: Arc<LateSnapshot>, files: FileList) -> Self {
        Self {
            log,
            location: self.location.clone(),
            url: self.url.clone(),
            schema: Arc::clone(&self.schema),
            columns: Arc::clone(&self.columns),
            read: self.read.clone(),
            places: self.places.clone(),
            changed_at: self.changed_at,
            files: OnceLock::from(files),
        }
    }

    /// Whether the given columns can be read here. Nested values are put together by delta-rs: what they may lack is told
    /// differently by writers.
    pub(crate) fn reads(&self, projection: &[usize]) -> bool {
        let known = |column: &usize| match self.schema.fields().get(*column) {
            Some(field) => !field.data_type().is_nested() && field.data_type() != &DataType::Null,
            None => false,
        };
        let partition_is_known = |(column, field): (&FileColumn, &FieldRef)| {
            !column.partitions || !matches!(field.data_type(), DataType::Binary | DataType::BinaryView)
        };
        projection.iter().all(known) && self.columns.iter().zip(self.schema.fields()).all(partition_is_known)
    }

    /// A plan that reads the rows of the files which may pass all of `filters`. None where a file is not one that lies in
    /// the table's own folder, or lacks what its deletion vector needs.
    pub(crate) async fn plan(
        &self,
        session: &dyn Session,
        projection: &[usize],
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let files = self.list()?;
        let predicate = self.predicate(session, filters)?;
        let chosen = files.chosen(predicate.as_ref())?;
        let Some(places) = chosen.iter().map(|file| self.place_of(*file)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        if chosen.iter().any(|file| file.deleted().is_some() && file.rows().is_none()) {
            return Ok(None);
        }
        let mut kept = self.kept_rows(session, &chosen).await?;
        let told = (chosen.len() <= FILES_TOLD_MAX).then_some(projection);
        let mut group = Vec::with_capacity(chosen.len());
        for (file, place) in chosen.iter().copied().zip(places) {
            let selection = match file.deleted() {
                Some(_) => {
                    let key = self.url_of(file);
                    let selection = key.and_then(|key| kept.remove(key.as_str()));
                    Some(
                        selection
                            .ok_or_else(|| internal_datafusion_err!("a deletion vector was not read"))?,
                    )
                }
                None => None,
            };
            group.push(self.partitioned_file(file, place, told, selection)?);
        }
        let full = self.read.table_schema();
        let statistics = match told {
            Some(_) => {
                let told = group.iter().filter_map(|file| file.statistics.as_deref());
                Statistics::try_merge_iter(told, full)?
            }
            None => Statistics {
                num_rows: total(chosen.iter().map(|file| rows_of(*file))),
                total_byte_size: total(chosen.iter().map(|file| size_of(*file))),
                ..Statistics::new_unknown(full)
            },
        };
        let asked = self.asked_of_row_groups(session, filters)?;
        self.source(session, projection, (group, statistics), asked, limit).map(Some)
    }

    /// A plan of rows without columns, for tables of which delta-rs cannot give them: where files have other names for columns, and
    /// the log does not tell how many rows one has. None for others, and where no column can be read here.
    pub(crate) async fn counted(
        &self,
        session: &dyn Session,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let is_mapped = self.columns.iter().any(|column| column.name != column.in_files);
        if !is_mapped || self.list()?.all().all(|file| file.rows().is_some()) {
            return Ok(None);
        }
        let of_files = |column: &usize| self.columns.get(*column).is_some_and(|column| !column.partitions);
        let column = (0..self.columns.len()).filter(of_files).find(|column| self.reads(&[*column]));
        let Some(column) = column else { return Ok(None) };
        match self.plan(session, &[column], filters, limit).await? {
            Some(rows) => Ok(Some(Arc::new(ProjectionExec::try_new(no_columns(), rows)?))),
            None => Ok(None),
        }
    }

    /// The files, as columns, made once.
    pub(crate) fn list(&self) -> Result<&FileList> {
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let files = FileList::of(self.log.described(), Arc::clone(&self.columns))?;
        Ok(self.files.get_or_init(|| files))
    }

    fn predicate(&self, session: &dyn Session, filters: &[Expr]) -> Result<Option<PruningPredicate>> {
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(None) };
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let filter = session.create_physical_expr(unnormalize_col(filter), &schema)?;
        let predicate =
            PruningPredicateBuilder::new().with_file_schema(Arc::clone(&self.schema)).try_build(filter)?;
        Ok((!predicate.always_true()).then_some(predicate))
    }

    /// What the filters ask of files' own columns, for row groups.
    fn asked_of_row_groups(
        &self,
        session: &dyn Session,
        filters: &[Expr],
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let in_files: HashMap<&str, &FileColumn> =
            self.columns.iter().map(|column| (column.name.as_str(), column)).collect();
        let is_of_files = |filter: &&Expr| {
            let columns = filter.column_refs();
            columns.iter().all(|column| in_files.get(column.name()).is_some_and(|known| !known.partitions))
        };
        let of_files = filters.iter().filter(is_of_files).cloned();
        let Some(filter) = conjunction(of_files) else { return Ok(None) };
        let filter = unnormalize_col(filter).transform(|part| match part {
            Expr::Column(column) => {
                let name = in_files.get(column.name()).map_or(column.name(), |known| &known.in_files);
                Ok(Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(name))))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let schema = DFSchema::try_from(Arc::clone(self.read.table_schema()))?;
        let condition = session.create_physical_expr(filter.data, &schema)?;
        Ok(Some(Arc::new(RowGroupCondition::new(condition))))
    }

    fn url_of(&self, file: Listed<'_>) -> Option<Url> {
        self.url.join(file.path()).ok()
    }

    /// Where a file lies within the router; none where that is not in the table's folder.
    fn place_of(&self, file: Listed<'_>) -> Option<Path> {
        let url = self.url_of(file)?;
        let place = Path::from_url_path(url.path()).ok()?;
        let is_here = url.as_str().starts_with(self.url.as_str())
            && place.prefix_matches(&self.location.mounted_path());
        is_here.then_some(place)
    }

    /// The rows that deletion vectors leave of the files that have one, by the URL of the file.
    async fn kept_rows(
        &self,
        session: &dyn Session,
        files: &[Listed<'_>],
    ) -> Result<HashMap<String, RowSelection>> {
        let marked: Vec<Listed<'_>> = files.iter().copied().filter(|file| file.deleted().is_some()).collect();
        if marked.is_empty() {
            return Ok(HashMap::new());
        }
        self.bound_masks(&marked)?;
        let marked: Vec<String> =
            marked.iter().filter_map(|file| self.url_of(*file)).map(String::from).collect();
        let scan = DeltaScanNext::new(self.log.bounded().await?, DeltaScanConfig::default())?;
        let vectors = scan.with_file_paths(marked).deletion_vectors(session).await?;
        Ok(vectors.into_iter().map(|vector| (vector.filepath, selection(&vector.keep_mask))).collect())
    }

    /// Refuses files whose masks would take too much memory: they are as long as the log says that files are.
    fn bound_masks(&self, marked: &[Listed<'_>]) -> Result<()> {
        let mut total: u64 = 0;
        for file in marked {
            let rows = file.rows().and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0);
            if rows > ROWS_MAX {
                let source = "a file with a deletion vector has more rows than can be marked".into();
                let corrupt = crate::Error::CorruptLog { table: self.location.clone(), source };
                return Err(DataFusionError::External(Box::new(corrupt)));
            }
            total = total.saturating_add(rows);
        }
        mask_fits(total)
    }

    fn partitioned_file(
        &self,
        file: Listed<'_>,
        location: Path,
        told: Option<&[usize]>,
        selection: Option<RowSelection>,
    ) -> Result<PartitionedFile> {
        let mut read = PartitionedFile::from(ObjectMeta {
            location,
            size: file.size(),
            last_modified: self.changed_at,
            e_tag: None,
            version: None,
        });
        let partitions = self.columns.iter().filter(|column| column.partitions);
        let partitions = partitions.zip(self.read.table_partition_cols());
        read.partition_values = partitions
            .map(|(column, field)| file.partition_value(&column.name)?.cast_to(field.data_type()))
            .collect::<Result<_>>()?;
        read.statistics = told.map(|told| self.statistics(file, told).map(Arc::new)).transpose()?;
        Ok(match selection {
            Some(selection) => read.with_extension(ParquetRowSelection::new(selection)),
            None => read,
        })
    }

    /// What the log tells of a file: of the columns `told` their values too. Nothing of values is told as exact, nor how many are
    /// NULL: writers cut texts and times, and a log may say what is not so. A column of which all is told exactly is not read,
    /// and filters of policies would be asked what the log says of it.
    fn statistics(&self, file: Listed<'_>, told: &[usize]) -> Result<Statistics> {
        let column = |place: usize| -> Result<ColumnStatistics> {
            if !told.contains(&place) {
                return Ok(ColumnStatistics::new_unknown());
            }
            let (least, greatest, nulls) = file.told(place)?;
            Ok(ColumnStatistics {
                null_count: nulls.map_or(Precision::Absent, Precision::Inexact),
                min_value: self.told_value(place, least)?,
                max_value: self.told_value(place, greatest)?,
                ..ColumnStatistics::new_unknown()
            })
        };
        Ok(Statistics {
            num_rows: rows_of(file),
            total_byte_size: size_of(file),
            column_statistics: self.places.iter().copied().map(column).collect::<Result<_>>()?,
        })
    }

    fn told_value(&self, place: usize, value: Option<ScalarValue>) -> Result<Precision<ScalarValue>> {
        match (value, self.schema.fields().get(place)) {
            (Some(value), Some(field)) => Ok(Precision::Inexact(value.cast_to(field.data_type())?)),
            _ => Ok(Precision::Absent),
        }
    }

    fn source(
        &self,
        session: &dyn Session,
        projection: &[usize],
        (files, statistics): (Vec<PartitionedFile>, Statistics),
        asked: Option<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let url = ObjectStoreUrl::parse(MOUNT)?;
        let environment = session.runtime_env();
        let footers = environment.cache_manager.get_file_metadata_cache();
        let reader = CachedParquetFileReaderFactory::new(environment.object_store(&url)?, footers);
        let options = TableParquetOptions {
            global: session.config().options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let mut source = ParquetSource::new(self.read.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(reader));
        if let Some(asked) = asked {
            source = source.with_predicate(asked);
        }
        let read = projection.iter().map(|column| self.places.iter().position(|place| place == column));
        let read: Vec<usize> = read
            .collect::<Option<_>>()
            .ok_or_else(|| internal_datafusion_err!("a column that the table does not have"))?;
        let scan = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(vec![FileGroup::new(files)])
            .with_statistics(statistics)
            .with_projection_indices(Some(read))?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(FileColumns)))
            .build();
        self.named(projection, DataSourceExec::from_data_source(scan))
    }

    /// The columns by the names that the table has for them.
    fn named(&self, projection: &[usize], files: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        if self.columns.iter().all(|column| column.name == column.in_files) {
            return Ok(files);
        }
        let schema = files.schema();
        let columns = projection.iter().filter_map(|column| self.columns.get(*column));
        let outputs = columns.zip(schema.fields()).enumerate().map(|(place, (column, field))| {
            let read: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), place));
            (read, column.name.clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(outputs.collect::<Vec<_>>(), files)?))
    }
}

fn no_columns() -> Vec<(Arc<dyn PhysicalExpr>, String)> {
    Vec::new()
}

/// A time for the files of the table with this id: the same on each server, and hardly ever another table's.
fn time_of(table_id: &str) -> DateTime<Utc> {
    // 53 bits of microseconds are some 285 years.
    const BITS: u32 = 53;
    let mut hasher = DefaultHasher::new();
    table_id.hash(&mut hasher);
    let micros = i64::try_from(hasher.finish() >> (u64::BITS - BITS)).unwrap_or_default();
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

fn total(counts: impl Iterator<Item = Precision<usize>>) -> Precision<usize> {
    counts.fold(Precision::Exact(0), |sum, count| sum.add(&count))
}

/// How many rows a file gives.
fn rows_of(file: Listed<'_>) -> Precision<usize> {
    let left = file.rows().map(|rows| rows.saturating_sub(file.deleted().unwrap_or(0)));
    left.map_or(Precision::Absent, Precision::Exact)
}

fn size_of(file: Listed<'_>) -> Precision<usize> {
    usize::try_from(file.size()).map_or(Precision::Absent, Precision::Inexact)
}

/// The rows that a mask keeps, as runs.
fn selection(keep: &[bool]) -> RowSelection {
    let runs = keep.chunk_by(|one, next| one == next);
    runs.map(|run| match run.first() {
        Some(true) => RowSelector::select(run.len()),
        _ => RowSelector::skip(run.len()),
    })
    .collect::<Vec<_>>()
    .into()
}

impl fmt::Debug for FileScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileScan").field("location", &self.location).finish_non_exhaustive()
    }
}
