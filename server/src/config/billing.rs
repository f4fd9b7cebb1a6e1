//! `[billing]`: whose usage it is, where it happened, and what it costs.

use std::collections::BTreeMap;

use super::quantity::{Period, Size};
use super::refused;
use super::section::section;
use crate::error::Result;

section! {
    /// What stands in the rows of `system.billing.usage`, and what usage costs:
    /// DBU = core-hours × rate.
    Billing {
        /// The account named in each row.
        account_id: String = "local".to_owned(),
        /// The workspace named in each row.
        workspace_id: String = "0".to_owned(),
        /// The warehouse named in each row.
        warehouse_id: String = "weir".to_owned(),
        /// The cloud named in each row.
        cloud: String = "LOCAL".to_owned(),
        /// The end of SKU names: where the server stands.
        region: String = "LOCAL".to_owned(),
        /// DBU for one core-hour of filtering governed tables: a decimal of at most six places, as text.
        filtering_rate: String = "1".to_owned(),
        /// DBU for one core-hour of everything else.
        sql_rate: String = "1".to_owned(),
        /// Tags on each row, for cost reports: { team = "sales" }.
        custom_tags: BTreeMap<String, String> = BTreeMap::new(),
        /// How often usage and history go from the local journal to the system tables; sooner where it holds more than 32 MiB.
        flush_interval: Period = Period::seconds(60),
        /// The journal begins another segment beyond this size.
        segment_bytes_max: Size = Size::mebibytes(64),
    }
}

/// Decimals of a rate.
const RATE_PLACES: usize = 6;

impl Billing {
    pub(super) fn check(&self) -> Result<()> {
        let rates = [("billing.filtering_rate", &self.filtering_rate), ("billing.sql_rate", &self.sql_rate)];
        for (key, rate) in rates {
            if !is_rate(rate) {
                return Err(refused(format!("`{key}` is `{rate}`, which is no rate")).with_hint(
                    "a rate is a decimal from 0 upwards with at most six places, such as \"0.75\"",
                ));
            }
        }
        if self.flush_interval.duration().is_zero() {
            return Err(refused("`billing.flush_interval` is zero"));
        }
        if self.segment_bytes_max < Size::new(1024) {
            return Err(refused("`billing.segment_bytes_max` is less than 1KiB"));
        }
        Ok(())
    }
}

fn is_rate(text: &str) -> bool {
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(places) && places.len() <= RATE_PLACES
}
