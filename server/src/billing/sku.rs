//! Products and the SKUs they are sold as.
//!
//! How to add a product: a variant with its two names below, its rate in `rate.rs`, the reading
//! it is charged from in `meter.rs`; the ledger's tests sum over all products.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What usage is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Product {
    /// Filtering: everything inside sealed leaves.
    FineGrainedAccessControl,
    /// The rest of a statement.
    Sql,
}

impl Product {
    /// Every product.
    pub const ALL: [Self; 2] = [Self::FineGrainedAccessControl, Self::Sql];

    /// Its name in `billing_origin_product`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FineGrainedAccessControl => "FINE_GRAINED_ACCESS_CONTROL",
            Self::Sql => "SQL",
        }
    }

    /// The SKU it is sold as in `region`. Filtering is sold as serverless jobs compute.
    pub fn sku_name(self, region: &str) -> SkuName {
        SkuName(match self {
            Self::FineGrainedAccessControl => format!("PREMIUM_JOBS_SERVERLESS_COMPUTE_{region}"),
            Self::Sql => format!("PREMIUM_SERVERLESS_SQL_COMPUTE_{region}"),
        })
    }
}

/// The name of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SkuName(String);

impl SkuName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SkuName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
