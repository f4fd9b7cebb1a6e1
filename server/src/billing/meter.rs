//! From a record to its usage: CPU time becomes DBU, and DBU are laid into the UTC hours the
//! statement touched.
//!
//! The quantity of a statement and product is quantised once. Its hours get shares in proportion
//! to the wall time the statement spent in each; shares are differences of a running total, so
//! they add up to the quantity exactly, whatever the rounding.

use chrono::{DateTime, Duration, DurationRound, TimeDelta, Utc};

use super::Config;
use super::quantity::Quantity;
use super::sku::Product;
use super::usage::{Usage, record_id};
use crate::query::history::FinishedRecord;

/// The usage of `record`: one for each product and hour in which something was used.
pub fn usage(record: &FinishedRecord, config: &Config) -> Vec<Usage> {
    Product::ALL
        .into_iter()
        .flat_map(|product| {
            let sku_name = product.sku_name(&config.region);
            let quantity = config.rate(product).charge(cpu(record, product));
            split(quantity, record.started_at, record.ended_at).into_iter().map(move |share| Usage {
                record_id: record_id(record.statement_id, product, share.hour),
                product,
                sku_name: sku_name.clone(),
                started_at: share.started_at,
                ended_at: share.ended_at,
                quantity: share.quantity,
            })
        })
        .collect()
}

fn cpu(record: &FinishedRecord, product: Product) -> std::time::Duration {
    match product {
        Product::FineGrainedAccessControl => record.readings.filtering_cpu,
        Product::Sql => record.readings.other_cpu,
    }
}

/// What falls into one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    hour: DateTime<Utc>,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    quantity: Quantity,
}

/// Lays `quantity` into the hours from `start` to `end`; hours without a share are left out.
fn split(quantity: Quantity, start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<Share> {
    let end = end.max(start);
    let wall = micros(end - start);
    let mut shares = Vec::new();
    let mut given = Quantity::ZERO;
    let mut hour = hour_of(start);
    loop {
        let following = hour + Duration::hours(1);
        let until = end.min(following);
        let last = until == end;
        let due = if last { quantity } else { portion(quantity, micros(until - start), wall) };
        let part = due - given;
        if !part.is_zero() {
            shares.push(Share {
                hour,
                started_at: start.max(hour),
                // Rows end inside their hour: joins with price periods then price each row once.
                ended_at: until.min(following - Duration::microseconds(1)),
                quantity: part,
            });
        }
        given = due;
        hour = following;
        if last {
            return shares;
        }
    }
}

fn hour_of(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(TimeDelta::hours(1)).unwrap_or(time)
}

fn micros(delta: TimeDelta) -> i128 {
    i128::from(delta.num_microseconds().unwrap_or(i64::MAX))
}

/// ⌊quantity × part ÷ whole⌋, by parts so that nothing overflows.
fn portion(quantity: Quantity, part: i128, whole: i128) -> Quantity {
    if whole == 0 {
        return quantity;
    }
    let units = quantity.units();
    Quantity::from_units(units / whole * part + units % whole * part / whole)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "test data is known")]

    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn statement_over_two_hours_is_split_by_wall_time() {
        let shares =
            split(Quantity::from_units(1000), at("2026-01-01T10:45:00Z"), at("2026-01-01T11:45:00Z"));
        assert_eq!(
            shares,
            [
                Share {
                    hour: at("2026-01-01T10:00:00Z"),
                    started_at: at("2026-01-01T10:45:00Z"),
                    ended_at: at("2026-01-01T10:59:59.999999Z"),
                    quantity: Quantity::from_units(250),
                },
                Share {
                    hour: at("2026-01-01T11:00:00Z"),
                    started_at: at("2026-01-01T11:00:00Z"),
                    ended_at: at("2026-01-01T11:45:00Z"),
                    quantity: Quantity::from_units(750),
                },
            ]
        );
    }

    #[test]
    fn statement_that_ends_on_the_hour_touches_one_hour() {
        let shares = split(Quantity::from_units(7), at("2026-01-01T10:59:59Z"), at("2026-01-01T11:00:00Z"));
        assert_eq!(shares.len(), 1);
        assert_eq!(shares.first().map(|share| share.ended_at), Some(at("2026-01-01T10:59:59.999999Z")));
    }

    #[test]
    fn statement_without_wall_time_has_one_share() {
        let moment = at("2026-01-01T10:00:00Z");
        let shares = split(Quantity::from_units(7), moment, moment);
        assert_eq!(
            shares,
            [Share { hour: moment, started_at: moment, ended_at: moment, quantity: Quantity::from_units(7) }]
        );
    }

    #[test]
    fn nothing_used_gives_no_row() {
        assert_eq!(split(Quantity::ZERO, at("2026-01-01T10:45:00Z"), at("2026-01-01T12:45:00Z")), []);
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_quantity_and_lie_within_their_hours(
            units in 0_i128..10_i128.pow(30),
            start in 0_i64..10_i64.pow(15),
            wall in 0_i64..10_i64.pow(12),
        ) {
            let start = DateTime::from_timestamp_micros(start).unwrap();
            let end = start + Duration::microseconds(wall);
            let shares = split(Quantity::from_units(units), start, end);
            prop_assert_eq!(shares.iter().map(|share| share.quantity).sum::<Quantity>().units(), units);
            for share in &shares {
                prop_assert!(share.quantity > Quantity::ZERO);
                prop_assert!(share.hour <= share.started_at && share.started_at <= share.ended_at);
                prop_assert!(share.ended_at < share.hour + Duration::hours(1));
                prop_assert!(start <= share.started_at && share.ended_at <= end);
            }
        }
    }
}
