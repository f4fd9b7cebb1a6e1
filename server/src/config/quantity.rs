//! Durations and sizes as people write them: `30s`, `10m`, `1h`; `64MiB`, `2GiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, written as whole `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

const PERIOD_UNITS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Period {
    /// That many seconds.
    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// That many minutes.
    pub const fn minutes(count: u64) -> Self {
        Self(Duration::from_secs(count.saturating_mul(60)))
    }

    /// That many hours.
    pub const fn hours(count: u64) -> Self {
        Self(Duration::from_secs(count.saturating_mul(3600)))
    }

    /// The standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let whole =
            PERIOD_UNITS.iter().find(|(_, size)| millis != 0 && millis.is_multiple_of(u128::from(*size)));
        match whole {
            Some((unit, size)) => write!(f, "{}{unit}", millis / u128::from(*size)),
            None => write!(f, "{millis}ms"),
        }
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        count(text, PERIOD_UNITS)
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| "a duration is a whole number with a unit: 500ms, 30s, 10m, 1h, 1d".to_owned())
    }
}

/// A number of bytes, written with `KiB`, `MiB`, `GiB`, `TiB` or `B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

const SIZE_UNITS: &[(&str, u64)] =
    &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    /// That many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many MiB.
    pub const fn mebibytes(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// That many GiB.
    pub const fn gibibytes(count: u64) -> Self {
        Self(count.saturating_mul(1 << 30))
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// In bytes, as memory is counted; the most there is where it does not fit.
    pub fn memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = SIZE_UNITS.iter().find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size));
        match whole {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / size),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        count(text, SIZE_UNITS)
            .map(Self)
            .ok_or_else(|| "a size is a whole number with a unit: 512B, 64KiB, 256MiB, 2GiB, 1TiB".to_owned())
    }
}

/// A number with one of the units, in the smallest unit.
fn count(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, size) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

as_text!(Period);
as_text!(Size);
