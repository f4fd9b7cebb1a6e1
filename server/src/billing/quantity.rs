//! [`Quantity`]: an amount of DBU with exactly eighteen decimals, as `usage_quantity` has them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Decimals of a quantity.
pub const SCALE: i8 = 18;
/// Digits of a quantity.
pub const PRECISION: u8 = 38;

const UNIT: i128 = 10_i128.pow(18);

/// An amount of DBU, counted in 10⁻¹⁸. Sums are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity(i128);

/// A text that is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no decimal with at most eighteen places")]
pub struct NotAQuantity(String);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many 10⁻¹⁸ DBU.
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// In 10⁻¹⁸ DBU: the unscaled value of a `DECIMAL(38,18)`.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        quantities.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let unit = UNIT.unsigned_abs();
        write!(f, "{sign}{}.{:018}", magnitude / unit, magnitude % unit)
    }
}

impl FromStr for Quantity {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_decimal(text, 18).map(Self).ok_or_else(|| NotAQuantity(text.to_owned()))
    }
}

impl TryFrom<String> for Quantity {
    type Error = NotAQuantity;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.to_string()
    }
}

/// The unscaled value of a plain decimal with at most `scale` places.
pub(crate) fn parse_decimal(text: &str, scale: u32) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let places = u32::try_from(fraction.len()).ok()?;
    if whole.is_empty() || places > scale || !only_digits(whole) || !only_digits(fraction) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let fraction = fraction.checked_mul(10_i128.checked_pow(scale - places)?)?;
    whole.checked_mul(10_i128.checked_pow(scale)?)?.checked_add(fraction)?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantity_keeps_all_its_places_as_text() {
        for (text, units) in [
            ("0.000000000000000001", 1),
            ("1.000000000000000000", UNIT),
            ("-259.435600000000000000", -259_435_600_000_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Quantity::from_units(units)));
            assert_eq!(Quantity::from_units(units).to_string(), text);
        }
        assert!("1e3".parse::<Quantity>().is_err());
        assert!(".5".parse::<Quantity>().is_err());
        assert!("0.0000000000000000001".parse::<Quantity>().is_err());
    }
}
