//! [`Usage`]: one row of the books, made by the [`meter`](super::meter) only.

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::quantity::Quantity;
use super::sku::{Product, SkuName};
use crate::query::history::uuid_text;

/// What one statement used of one product within one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Unique, and the same each time it is made from the same record.
    #[serde(with = "uuid_text")]
    pub record_id: Uuid,
    /// What was used.
    pub product: Product,
    /// As what it is sold.
    pub sku_name: SkuName,
    /// When the use within the hour began.
    pub started_at: DateTime<Utc>,
    /// When it ended: before the next hour begins.
    pub ended_at: DateTime<Utc>,
    /// How much.
    pub quantity: Quantity,
}

/// The id of the usage of a statement, product and hour: a name-based UUID of our own kind
/// (version 8) from a SHA-256.
pub(crate) fn record_id(statement: Uuid, product: Product, hour: DateTime<Utc>) -> Uuid {
    let name = format!("weir usage {statement} {} {}", product.name(), hour.timestamp());
    let hash = digest(&SHA256, name.as_bytes());
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
