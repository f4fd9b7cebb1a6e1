//! How old a table's version may be that a statement reads: the owner says so by a property of the table.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Period;
use crate::error::{Condition, Error, Result};

/// The property.
pub(crate) const MAX_STALENESS: &str = "weir.maxStaleness";

/// Says that the sample warehouse of `weir demo` is whole; means nothing else.
const DEMO: &str = "weir.demo";

/// The longest that can be allowed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How old a version of the table with these properties may be; none where it is the newest at each statement.
pub(crate) fn max_staleness(properties: &BTreeMap<String, String>) -> Result<Option<Duration>> {
    let Some(text) = properties.get(MAX_STALENESS) else { return Ok(None) };
    let invalid = |reason: &str| {
        let message = format!("`{text}` is no value of the property {MAX_STALENESS}: {reason}");
        Error::new(Condition::InvalidParameterValue, message)
            .with_hint("write a duration of at most a day, as '10s' or '5m'")
    };
    let period: Period = text.parse().map_err(|reason: String| invalid(&reason))?;
    match period.duration() {
        longer if longer > LONGEST => Err(invalid("it is longer than a day")),
        duration => Ok(Some(duration)),
    }
}

/// Refuses properties in Weir's own name that mean nothing, or not with this value.
pub(crate) fn check_own(properties: &BTreeMap<String, String>) -> Result<()> {
    let is_known = |key: &str| [MAX_STALENESS, DEMO].contains(&key);
    let unknown = properties.keys().find(|key| key.to_lowercase().starts_with("weir.") && !is_known(key));
    match unknown {
        Some(unknown) => {
            let message = format!("there is no property `{unknown}`");
            Err(Error::new(Condition::InvalidParameterValue, message)
                .with_hint(format!("tables have {MAX_STALENESS} here")))
        }
        None => max_staleness(properties).map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    #[test]
    fn a_duration_of_a_day_at_most_is_taken_and_nothing_else() {
        let of = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(max_staleness(&BTreeMap::new()).unwrap(), None);
        for (text, seconds) in [("10s", 10), ("5m", 300), ("1d", 86_400), ("0s", 0)] {
            let told = of(MAX_STALENESS, text);
            assert_eq!(max_staleness(&told).unwrap(), Some(Duration::from_secs(seconds)));
            check_own(&told).unwrap();
        }
        for text in ["", "10", "2d", "-1s", "soon"] {
            assert!(check_own(&of(MAX_STALENESS, text)).is_err(), "{text}");
        }
        assert!(check_own(&of("weir.maxstaleness", "1s")).is_err());
        for (key, value) in [("owner.note", "x"), (DEMO, "complete")] {
            check_own(&of(key, value)).unwrap();
        }
    }
}
