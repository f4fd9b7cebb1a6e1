//! The table of conditions: name, SQLSTATE, kind. Names and SQLSTATEs are the reference's where
//! it has one.
//!
//! How to add a condition: a line in the table below. The door, the history table and the
//! documentation read it from here.

use super::kind::Kind;

macro_rules! conditions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $state:literal, $kind:ident;)+) => {
        /// What went wrong, in the field's vocabulary.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Condition {
            $($(#[$doc])* $variant,)+
        }

        impl Condition {
            /// Every condition.
            pub const ALL: &'static [Condition] = &[$(Condition::$variant,)+];

            /// The condition's name, as the reference spells it.
            pub fn name(self) -> &'static str {
                match self { $(Condition::$variant => $name,)+ }
            }

            /// The five characters of SQLSTATE.
            pub fn sqlstate(self) -> &'static str {
                match self { $(Condition::$variant => $state,)+ }
            }

            /// What the caller can do about it.
            pub fn kind(self) -> Kind {
                match self { $(Condition::$variant => Kind::$kind,)+ }
            }
        }
    };
}

conditions! {
    /// No credential, or one that does not hold.
    Unauthenticated = "UNAUTHENTICATED", "28000", Unauthenticated;
    /// A call in the clear to a server that wants TLS.
    EncryptionRequired = "ENCRYPTION_REQUIRED", "08004", FailedPrecondition;
    /// The caller knows of the object but lacks a right on it.
    InsufficientPermissions = "INSUFFICIENT_PERMISSIONS", "42501", PermissionDenied;
    /// A table or view that does not exist for the caller.
    TableOrViewNotFound = "TABLE_OR_VIEW_NOT_FOUND", "42P01", NotFound;
    /// A schema that does not exist for the caller.
    SchemaNotFound = "SCHEMA_NOT_FOUND", "42704", NotFound;
    /// A catalog that does not exist for the caller.
    CatalogNotFound = "CATALOG_NOT_FOUND", "42704", NotFound;
    /// A function that does not exist for the caller.
    RoutineNotFound = "ROUTINE_NOT_FOUND", "42883", NotFound;
    /// A user, service principal or group that does not exist.
    PrincipalDoesNotExist = "PRINCIPAL_DOES_NOT_EXIST", "42704", NotFound;
    /// A row filter or column mask that is not set.
    PolicyNotFound = "POLICY_NOT_FOUND", "42704", NotFound;
    /// A policy test that does not exist for the caller.
    PolicyTestNotFound = "POLICY_TEST_NOT_FOUND", "42704", NotFound;
    /// An access token that does not exist for the caller.
    AccessTokenNotFound = "ACCESS_TOKEN_DOES_NOT_EXIST", "42704", NotFound;
    /// A policy test of that name exists.
    PolicyTestAlreadyExists = "POLICY_TEST_ALREADY_EXISTS", "42710", AlreadyExists;
    /// A ticket, handle or statement that is unknown, another's, or expired.
    HandleNotFound = "HANDLE_NOT_FOUND", "34000", NotFound;
    /// Rows that are given once, asked for again.
    AnswerAlreadyGiven = "ANSWER_ALREADY_GIVEN", "55000", FailedPrecondition;
    /// A table or view of that name exists.
    TableOrViewAlreadyExists = "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", AlreadyExists;
    /// A schema of that name exists.
    SchemaAlreadyExists = "SCHEMA_ALREADY_EXISTS", "42P06", AlreadyExists;
    /// A catalog of that name exists.
    CatalogAlreadyExists = "CATALOG_ALREADY_EXISTS", "42710", AlreadyExists;
    /// A function of that name exists.
    RoutineAlreadyExists = "ROUTINE_ALREADY_EXISTS", "42723", AlreadyExists;
    /// A volume that does not exist for the caller.
    VolumeNotFound = "VOLUME_NOT_FOUND", "42704", NotFound;
    /// An external location that does not exist for the caller.
    ExternalLocationNotFound = "EXTERNAL_LOCATION_DOES_NOT_EXIST", "42704", NotFound;
    /// A storage credential that does not exist for the caller.
    StorageCredentialNotFound = "STORAGE_CREDENTIAL_DOES_NOT_EXIST", "42704", NotFound;
    /// A governed tag that does not exist for the caller.
    GovernedTagNotFound = "GOVERNED_TAG_DOES_NOT_EXIST", "42704", NotFound;
    /// A volume of that name exists.
    VolumeAlreadyExists = "VOLUME_ALREADY_EXISTS", "42710", AlreadyExists;
    /// An external location of that name exists.
    ExternalLocationAlreadyExists = "EXTERNAL_LOCATION_ALREADY_EXISTS", "42710", AlreadyExists;
    /// A storage credential of that name exists.
    StorageCredentialAlreadyExists = "STORAGE_CREDENTIAL_ALREADY_EXISTS", "42710", AlreadyExists;
    /// A governed tag of that key exists.
    GovernedTagAlreadyExists = "GOVERNED_TAG_ALREADY_EXISTS", "42710", AlreadyExists;
    /// A principal of that name exists.
    PrincipalAlreadyExists = "PRINCIPAL_ALREADY_EXISTS", "42710", AlreadyExists;
    /// The text is not SQL as accepted here.
    ParseSyntaxError = "PARSE_SYNTAX_ERROR", "42601", Invalid;
    /// A column that does not exist.
    UnresolvedColumn = "UNRESOLVED_COLUMN", "42703", Invalid;
    /// A column that stands twice.
    ColumnAlreadyExists = "COLUMN_ALREADY_EXISTS", "42711", Invalid;
    /// Too few or too many arguments.
    WrongNumArgs = "WRONG_NUM_ARGS", "42605", Invalid;
    /// A statement about another kind of object.
    WrongCommandForObjectType = "WRONG_COMMAND_FOR_OBJECT_TYPE", "42809", Invalid;
    /// A view that would read itself.
    RecursiveView = "RECURSIVE_VIEW", "42K0H", Invalid;
    /// A function called in a query that is not on the list.
    UnresolvedRoutine = "UNRESOLVED_ROUTINE", "42883", Invalid;
    /// Types do not fit.
    DatatypeMismatch = "DATATYPE_MISMATCH", "42K09", Invalid;
    /// A value that is out of place.
    InvalidParameterValue = "INVALID_PARAMETER_VALUE", "22023", Invalid;
    /// A name that may not be one.
    InvalidIdentifier = "INVALID_IDENTIFIER", "42602", Invalid;
    /// A statement that cannot be planned as it stands.
    InvalidStatement = "INVALID_STATEMENT", "42000", Invalid;
    /// Arithmetic on a row the caller can see failed.
    ArithmeticError = "ARITHMETIC_ERROR", "22003", Invalid;
    /// Division by zero on a row the caller can see.
    DivideByZero = "DIVIDE_BY_ZERO", "22012", Invalid;
    /// A cast of a value the caller can see failed.
    CastInvalidInput = "CAST_INVALID_INPUT", "22018", Invalid;
    /// Named, so that it can be asked for: a statement or clause that is not there.
    UnsupportedFeature = "UNSUPPORTED_FEATURE", "0A000", Unsupported;
    /// Row filters: what is not there.
    RowFilterUnsupported = "ROW_LEVEL_SECURITY_FEATURE_NOT_SUPPORTED", "0A000", Unsupported;
    /// Column masks: what is not there.
    MaskUnsupported = "COLUMN_MASKS_FEATURE_NOT_SUPPORTED", "0A000", Unsupported;
    /// A policy function of the wrong signature or type, refused when set.
    RowFilterIncompatible = "QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY", "428HD", Invalid;
    /// A mask function of the wrong signature or type, refused when set.
    MaskIncompatible = "QUERIED_TABLE_INCOMPATIBLE_WITH_COLUMN_MASK_POLICY", "428HD", Invalid;
    /// A policy failed on some row; nothing of the row is said.
    PolicyEvaluationFailed = "POLICY_EVALUATION_FAILED", "22000", FailedPrecondition;
    /// A tag policy of that name stands there.
    PolicyAlreadyExists = "POLICY_ALREADY_EXISTS", "42710", AlreadyExists;
    /// A policy on what policies do not stand on.
    PolicyOnSecurableTypeNotSupported = "POLICY_ON_SECURABLE_TYPE_NOT_SUPPORTED", "0A000", Unsupported;
    /// A policy that speaks of a tag that is not governed.
    UnknownTagPolicy = "INVALID_PARAMETER_VALUE.UC_ABAC_UNKNOWN_TAG_POLICY", "22023", Invalid;
    /// A thing that others depend on.
    DependentsExist = "DEPENDENT_OBJECTS_STILL_EXIST", "2BP01", FailedPrecondition;
    /// A schema that still holds something.
    SchemaNotEmpty = "SCHEMA_NOT_EMPTY", "2BP01", FailedPrecondition;
    /// A location that another table or the system has.
    LocationOverlap = "LOCATION_OVERLAP", "22023", Invalid;
    /// A location outside the configured roots.
    LocationNotAllowed = "LOCATION_NOT_ALLOWED", "42501", PermissionDenied;
    /// The folder holds no Delta table.
    DeltaTableNotFound = "DELTA_TABLE_NOT_FOUND", "42K03", FailedPrecondition;
    /// The Delta log or a file of it cannot be read.
    DeltaTableCorrupt = "DELTA_TABLE_CORRUPT", "58030", FailedPrecondition;
    /// The Delta table needs something this server cannot read.
    DeltaFeatureUnsupported = "DELTA_UNSUPPORTED_FEATURES_FOR_READ", "56038", FailedPrecondition;
    /// The Delta table needs something this server cannot write.
    DeltaFeatureUnwritten = "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE", "56038", FailedPrecondition;
    /// A version that the Delta table's log does not have.
    VersionNotFound = "DELTA_VERSION_NOT_FOUND", "22003", Invalid;
    /// A moment before the first version that the Delta table's log has.
    TimestampTooEarly = "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION", "42816", Invalid;
    /// A moment that has not come yet.
    TimestampTooLate = "DELTA_TIMESTAMP_GREATER_THAN_COMMIT", "42816", Invalid;
    /// A version or moment of time travel that is not a constant.
    InvalidTimeTravel = "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR", "42K0E", Invalid;
    /// Changes from a version to an earlier one.
    InvalidChangeRange = "DELTA_INVALID_CDC_RANGE", "22003", Invalid;
    /// Changes of versions at which the table kept no change data feed.
    MissingChangeData = "DELTA_MISSING_CHANGE_DATA", "KD002", FailedPrecondition;
    /// Changes of versions whose columns do not go together.
    ChangedColumns = "DELTA_CHANGE_DATA_FEED_INCOMPATIBLE_SCHEMA_CHANGE", "0AKDC", Unsupported;
    /// RENAME COLUMN of a table whose files carry the names.
    UnsupportedRenameColumn = "DELTA_UNSUPPORTED_RENAME_COLUMN", "0AKDC", Unsupported;
    /// DROP COLUMN of a table whose files carry the names.
    UnsupportedDropColumn = "DELTA_UNSUPPORTED_DROP_COLUMN", "0AKDC", Unsupported;
    /// DROP COLUMN of a column that partitions the table.
    UnsupportedDropPartitionColumn = "DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN", "0AKDC", Unsupported;
    /// DROP COLUMN of the only one.
    DropLastColumn = "DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA", "0AKDC", Unsupported;
    /// A column that a constraint of the table names.
    ConstraintDependentColumn = "DELTA_CONSTRAINT_DEPENDENT_COLUMN_CHANGE", "42K09", FailedPrecondition;
    /// A column that another one is generated from.
    GeneratedDependentColumn = "DELTA_GENERATED_COLUMNS_DEPENDENT_COLUMN_CHANGE", "42K09", FailedPrecondition;
    /// Masked values that would be stored in the place of real ones.
    MaskedValueWrite = "MASKED_VALUE_WRITE", "42501", PermissionDenied;
    /// A new row that the table's row filter would hide from whoever writes it.
    RowFilterCheck = "ROW_FILTER_CHECK_VIOLATION", "44000", Invalid;
    /// Two rows of a source that are to change one row.
    MergeCardinality = "MERGE_CARDINALITY_VIOLATION", "23K01", Invalid;
    /// Partitions of a table that has none.
    PartitionSchemaEmpty = "INVALID_PARTITION_OPERATION.PARTITION_SCHEMA_IS_EMPTY", "42601", Invalid;
    /// A text that is longer than its column takes.
    TextTooLong = "DELTA_EXCEED_CHAR_VARCHAR_LIMIT", "22001", Invalid;
    /// Rows that break a constraint of the table.
    ConstraintViolated = "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "23001", Invalid;
    /// Another writer won.
    ConcurrentModification = "CONCURRENT_MODIFICATION", "40001", Conflict;
    /// What was to be changed is changed, and the books do not know of it.
    ChangeNotRecorded = "CHANGE_NOT_RECORDED", "55000", FailedPrecondition;
    /// Memory, time or space is used up.
    ResourceExhausted = "RESOURCE_EXHAUSTED", "53000", Exhausted;
    /// The statement ran past its time.
    StatementTimeout = "STATEMENT_TIMEOUT", "57014", Timeout;
    /// The statement was stopped.
    OperationCanceled = "OPERATION_CANCELED", "HY008", Cancelled;
    /// The catalog store or a storage cannot be reached.
    Unavailable = "SERVICE_UNAVAILABLE", "08000", Unavailable;
    /// Configuration that cannot be used.
    InvalidConfiguration = "INVALID_CONFIGURATION", "F0000", Invalid;
    /// A fault of the server.
    InternalError = "INTERNAL_ERROR", "XX000", Internal;
}
