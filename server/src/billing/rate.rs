//! [`Rate`]: how many DBU one core-hour of a product is. The one place where time becomes DBU.

use std::fmt;
use std::time::Duration;

use super::Config;
use super::quantity::{Quantity, parse_decimal};
use super::sku::Product;

/// Decimals of a rate.
const PLACES: u32 = 6;
const MILLION: u64 = 1_000_000;

/// DBU for one core-hour, with at most six decimals. Written as text: `"0.75"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    millionths: u64,
}

/// A text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate: a decimal with at most six places, not negative, at most one million")]
pub struct NotARate(String);

impl Rate {
    /// One DBU for a core-hour.
    pub const ONE: Self = Self { millionths: MILLION };

    /// What `cpu` is in DBU, cut after the eighteenth decimal.
    pub fn charge(self, cpu: Duration) -> Quantity {
        // ns × millionths × 10¹⁸ ÷ (3.6·10¹² ns per hour × 10⁶) = ns × millionths × 5 ÷ 18
        let units = cpu.as_nanos() * u128::from(self.millionths) * 5 / 18;
        Quantity::from_units(i128::try_from(units).unwrap_or(i128::MAX))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.millionths / MILLION, self.millionths % MILLION)
    }
}

impl TryFrom<String> for Rate {
    type Error = NotARate;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // reason: a negative rate is refused below
        let millionths = parse_decimal(&text, PLACES).and_then(|value| u64::try_from(value).ok());
        match millionths {
            Some(millionths) if millionths <= MILLION * MILLION => Ok(Self { millionths }),
            _ => Err(NotARate(text)),
        }
    }
}

impl Config {
    /// The rate of `product`.
    pub fn rate(&self, product: Product) -> Rate {
        match product {
            Product::FineGrainedAccessControl => self.filtering_rate,
            Product::Sql => self.sql_rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_core_hour_is_one_dbu_at_rate_one() {
        let hour = Duration::from_secs(3600);
        assert_eq!(Rate::ONE.charge(hour).to_string(), "1.000000000000000000");
        assert_eq!(Rate::ONE.charge(hour / 3).to_string(), "0.333333333333333333");
    }

    #[test]
    fn rates_are_read_as_decimals() {
        let rate = Rate::try_from("0.75".to_owned()).map(|rate| rate.charge(Duration::from_secs(7200)));
        assert_eq!(rate.map(|quantity| quantity.to_string()), Ok("1.500000000000000000".to_owned()));
        assert!(Rate::try_from("-1".to_owned()).is_err());
        assert!(Rate::try_from("0.1234567".to_owned()).is_err());
    }
}
