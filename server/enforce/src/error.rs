//! Why the enforcer refuses. Texts name objects and policies, never a policy's body and never a
//! value.

use datafusion::error::DataFusionError;
use weir_catalog::Name;

/// A refusal or a failure inside the barrier.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The name resolves to nothing that the caller may know of.
    #[error("table or view `{name}` not found")]
    NotFound {
        /// As resolved, three parts where they are known.
        name: String,
    },
    /// The caller knows of the object and lacks rights on it; the catalog's own refusal.
    #[error("{0}")]
    Denied(#[source] weir_catalog::Error),
    /// A policy does not fit its table, so the table cannot be read.
    #[error("policy function `{function}` does not fit table `{table}`: {reason}")]
    PolicyIncompatible {
        /// The table.
        table: String,
        /// The policy's function.
        function: String,
        /// Row filter or column mask.
        kind: PolicyKind,
        /// In the governor's words.
        reason: String,
    },
    /// Policies read in a circle.
    #[error("policies read in a circle: that of {way}")]
    PolicyCircle {
        /// Each table with policies, and what these read.
        way: String,
    },
    /// A parameter of a policy's function is not what its name means in a query of the body.
    #[error(
        "parameter `{parameter}` of policy function `{function}` is hidden by a column of the same name in a query of its body"
    )]
    ParameterHidden {
        /// The function.
        function: String,
        /// The parameter.
        parameter: String,
        /// Row filter or column mask.
        kind: PolicyKind,
    },
    /// The policies of a table cannot hold together for the caller; the catalog's own refusal.
    #[error("{0}")]
    Policies(#[source] weir_catalog::effective::PolicyRefusal),
    /// A function's body does not fit its signature.
    #[error("function `{function}` does not fit its signature: {reason}")]
    FunctionUnfit {
        /// The function.
        function: String,
        /// In its maker's words.
        reason: String,
    },
    /// A function's name means nothing that the caller may know of.
    #[error("function `{name}` not found")]
    FunctionNotFound {
        /// As written, in lower case.
        name: String,
    },
    /// A function is called with too few or too many arguments.
    #[error("function `{function}` takes {} and gets {found}", takes(*.least, *.most))]
    WrongArgumentCount {
        /// The function.
        function: String,
        /// Without what may be left out.
        least: usize,
        /// With everything.
        most: usize,
        /// As called.
        found: usize,
    },
    /// A function cannot be called in this way.
    #[error("function `{function}` cannot be called in this way: {reason}")]
    BadCall {
        /// The function.
        function: String,
        /// In the caller's words.
        reason: String,
    },
    /// A function cannot be planned under its owner's rights.
    #[error(
        "function `{function}` cannot be called: its owner can no longer read or call what it does, or its body no longer fits"
    )]
    FunctionBroken {
        /// The function.
        function: String,
        /// What administrators may know.
        detail: String,
    },
    /// A policy failed while it ran.
    #[error("a policy of `{table}` failed on some row")]
    PolicyFailed {
        /// The table.
        table: String,
    },
    /// A view cannot be read under its owner's rights.
    #[error("view `{view}` cannot be read: {reason}")]
    ViewBroken {
        /// The view.
        view: String,
        /// What the caller may know.
        reason: String,
        /// What administrators may know.
        detail: String,
    },
    /// Storage failed under a leaf.
    #[error("the files of `{table}` cannot be read")]
    Storage {
        /// The table.
        table: String,
        /// For the log.
        #[source]
        cause: Box<DataFusionError>,
    },
    /// A raw table could not be opened; the opener's own error.
    #[error("{0}")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The moment of time travel is not one that can be known.
    #[error("the version or moment of time travel {0}")]
    BadMoment(&'static str),
    /// The moment of time travel has not come yet.
    #[error("the moment of time travel lies in the future")]
    FutureMoment,
    /// The statement names a plan that is too large.
    #[error("the statement's plan has more than {operators_max} operators")]
    TooLarge {
        /// The bound.
        operators_max: usize,
    },
    /// Something is not there.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A plan reached a table other than through its leaf. A fault of the server.
    #[error("the plan holds an operator that is not permitted: {0}")]
    Ungoverned(String),
}

/// Which kind of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// Hides rows.
    RowFilter,
    /// Replaces values of a column.
    ColumnMask,
}

fn takes(least: usize, most: usize) -> String {
    match (least, most) {
        (1, 1) => "1 argument".to_owned(),
        (least, most) if least == most => format!("{most} arguments"),
        (least, most) => format!("{least} to {most} arguments"),
    }
}

impl Refusal {
    /// The refusal for a name that means nothing to the caller.
    pub fn not_found(catalog: &Name, schema: &Name, object: &Name) -> Self {
        Refusal::NotFound { name: format!("{catalog}.{schema}.{object}") }
    }

    /// The refusal inside an error of the planner; the rest of its text may hold bodies and values.
    pub(crate) fn within(error: &DataFusionError) -> Option<&Refusal> {
        match error.find_root() {
            DataFusionError::External(cause) => cause.downcast_ref::<Refusal>(),
            _ => None,
        }
    }
}

impl From<Refusal> for DataFusionError {
    fn from(refusal: Refusal) -> Self {
        DataFusionError::External(Box::new(refusal))
    }
}
