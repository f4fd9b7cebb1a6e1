//! Aggregates that hold all they are given, held to a bound.
//!
//! The engine counts what groups hold, once for each batch; of a query without groups it refuses nothing, and of texts in views it
//! counts the places alone. So it is estimated ahead of each batch what it comes to, and what is held and given out is bounded.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    Signature,
};
use datafusion::physical_expr::expressions::Literal;

use crate::query::bounded_functions::{BATCH_BYTES, bytes_of, too_large};

/// The most bytes of a separator, which is put in between the rows of a batch before they are counted.
const SEPARATOR_BYTES: usize = 16 << 10;

/// An aggregate that makes a set of what it is given, whether it is called so or not.
const SET: &str = "collect_set";

/// An aggregate that gathers, such as the engine's `array_agg` and `string_agg`, held to the bounds.
pub(super) fn bounded(function: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Bounded { function }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    function: Arc<AggregateUDF>,
}

impl Bounded {
    fn held(&self, accumulator: Box<dyn Accumulator>, distinct: bool) -> Box<dyn Accumulator> {
        let name = self.function.name().to_owned();
        Box::new(Held { accumulator, name, distinct, most: BATCH_BYTES, taken: 0, given: 0 })
    }

    fn separator_fits(&self, arguments: &AccumulatorArgs<'_>) -> Result<()> {
        let separator = arguments.exprs.get(1).and_then(|separator| separator.downcast_ref::<Literal>());
        let text = separator.and_then(|separator| separator.value().try_as_str().flatten());
        match text.is_some_and(|text| text.len() > SEPARATOR_BYTES) {
            true => Err(too_large(self.function.name())),
            false => Ok(()),
        }
    }
}

impl AggregateUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.function.return_type(arguments)
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        self.function.return_field(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.function.is_nullable()
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.separator_fits(&arguments)?;
        let distinct = arguments.is_distinct || self.function.name() == SET;
        Ok(self.held(self.function.accumulator(arguments)?, distinct))
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.separator_fits(&arguments)?;
        let distinct = arguments.is_distinct || self.function.name() == SET;
        Ok(self.held(self.function.create_sliding_accumulator(arguments)?, distinct))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.function.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.function.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.separator_fits(&arguments)?;
        let name = self.function.name().to_owned();
        let groups = self.function.create_groups_accumulator(arguments)?;
        Ok(Box::new(HeldGroups { groups, name, most: BATCH_BYTES, uncounted: 0 }))
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        beneficial_ordering: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let function = AggregateUDF::clone(&self.function).with_beneficial_ordering(beneficial_ordering)?;
        Ok(function.map(|function| {
            let function: Arc<dyn AggregateUDFImpl> = Arc::new(Self { function: Arc::new(function) });
            function
        }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.function.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.function.reverse_udf() {
            ReversedUDAF::Reversed(function) => ReversedUDAF::Reversed(bounded(function)),
            reversed => reversed,
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.function.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.function.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.function.supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

/// The bytes of rows, of all their columns.
fn bytes(columns: &[ArrayRef]) -> Result<u64> {
    let mut sum = 0_u64;
    for column in columns {
        sum = sum.saturating_add(bytes_of(column)?);
    }
    Ok(sum)
}

/// What one result is made of.
#[derive(Debug)]
struct Held {
    accumulator: Box<dyn Accumulator>,
    name: String,
    distinct: bool,
    most: u64,
    /// The bytes that were taken, where each row is held.
    taken: u64,
    /// The bytes of the results that were given.
    given: u64,
}

impl Held {
    fn take(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let own = bytes(columns)?;
        if !self.distinct {
            self.taken = self.taken.saturating_add(own);
        }
        self.fits(own.max(self.taken))
    }

    fn fits(&self, bytes: u64) -> Result<()> {
        if bytes > self.most { Err(too_large(&self.name)) } else { Ok(()) }
    }
}

impl Accumulator for Held {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(values)?;
        self.accumulator.update_batch(values)?;
        self.fits(self.accumulator.size() as u64)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.accumulator.evaluate()?;
        let own = match &value {
            ScalarValue::List(list) => bytes_of(&**list)?,
            value => value.size() as u64,
        };
        self.given = self.given.saturating_add(own);
        self.fits(self.given)?;
        Ok(value)
    }

    fn size(&self) -> usize {
        self.accumulator.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.accumulator.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.take(states)?;
        self.accumulator.merge_batch(states)?;
        self.fits(self.accumulator.size() as u64)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.taken = self.taken.saturating_sub(bytes(values)?);
        self.accumulator.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.accumulator.supports_retract_batch()
    }
}

/// What the results of groups are made of. The engine counts it, but for texts in views that are held as they came.
struct HeldGroups {
    groups: Box<dyn GroupsAccumulator>,
    name: String,
    most: u64,
    uncounted: u64,
}

impl HeldGroups {
    fn fits(&self, values: &[ArrayRef]) -> Result<()> {
        if bytes(values)? > self.most { Err(too_large(&self.name)) } else { Ok(()) }
    }

    fn count(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first().filter(|_| self.name == "array_agg") else { return Ok(()) };
        let counted = values.to_data().get_slice_memory_size()? as u64;
        self.uncounted = self.uncounted.saturating_add(bytes_of(values)?.saturating_sub(counted));
        Ok(())
    }

    /// What is left uncounted is estimated by what is left of the rest.
    fn emitted<T>(&mut self, emit: impl FnOnce(&mut dyn GroupsAccumulator) -> T) -> T {
        let before = self.groups.size().max(1) as u128;
        let emitted = emit(self.groups.as_mut());
        let left = u128::from(self.uncounted) * (self.groups.size() as u128) / before;
        self.uncounted = u64::try_from(left).map_or(self.uncounted, |left| left.min(self.uncounted));
        emitted
    }
}

impl GroupsAccumulator for HeldGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        groups_total: usize,
    ) -> Result<()> {
        self.fits(values)?;
        self.count(values)?;
        self.groups.update_batch(values, groups, filter, groups_total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        self.emitted(|groups| groups.evaluate(emit))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.emitted(|groups| groups.state(emit))
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], groups_total: usize) -> Result<()> {
        self.count(states)?;
        self.groups.merge_batch(states, groups, groups_total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.fits(values)?;
        self.groups.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.groups.size().saturating_add(usize::try_from(self.uncounted).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow::array::{StringArray, StringViewArray};
    use arrow::datatypes::{Field, Schema};
    use datafusion::execution::SessionStateDefaults;
    use datafusion::physical_expr::PhysicalExpr;
    use datafusion::physical_expr::expressions::{Column, lit};

    use super::*;

    fn aggregate(name: &str) -> Bounded {
        let functions = SessionStateDefaults::default_aggregate_functions();
        Bounded { function: functions.into_iter().find(|function| function.name() == name).unwrap() }
    }

    fn texts(text: &str, rows: usize) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
    }

    fn with_arguments<T>(
        aggregate: &Bounded,
        separator: Option<&str>,
        make: impl FnOnce(AccumulatorArgs<'_>) -> T,
    ) -> T {
        with_texts(aggregate, DataType::Utf8, separator, make)
    }

    fn with_texts<T>(
        aggregate: &Bounded,
        data_type: DataType,
        separator: Option<&str>,
        make: impl FnOnce(AccumulatorArgs<'_>) -> T,
    ) -> T {
        let field = Arc::new(Field::new("t", data_type, true));
        let schema = Schema::new(vec![Arc::clone(&field)]);
        let mut exprs: Vec<Arc<dyn PhysicalExpr>> = vec![Arc::new(Column::new("t", 0))];
        exprs.extend(separator.map(lit));
        let fields = vec![field; exprs.len()];
        make(AccumulatorArgs {
            return_field: aggregate.return_field(&fields).unwrap(),
            schema: &schema,
            ignore_nulls: false,
            order_bys: &[],
            is_reversed: false,
            name: "a",
            is_distinct: false,
            exprs: &exprs,
            expr_fields: &fields,
        })
    }

    fn held(name: &str, separator: Option<&str>, distinct: bool, most: u64) -> Held {
        let aggregate = aggregate(name);
        let accumulator =
            with_arguments(&aggregate, separator, |arguments| aggregate.function.accumulator(arguments));
        let accumulator = accumulator.unwrap();
        Held { accumulator, name: name.to_owned(), distinct, most, taken: 0, given: 0 }
    }

    #[test]
    fn what_is_taken_is_bounded() {
        let mut held = held("string_agg", Some("/"), false, 1000);
        held.update_batch(&[texts("abcd", 100), texts("/", 100)]).unwrap();
        assert_eq!(held.evaluate().unwrap().try_as_str().flatten().unwrap().len(), 499);
        let refused = held.update_batch(&[texts("abcd", 101), texts("/", 101)]).unwrap_err().to_string();
        assert!(refused.contains("the result of string_agg is too large"), "{refused}");
    }

    #[test]
    fn what_is_merged_is_bounded() {
        let mut held = held("string_agg", Some(""), false, 1000);
        held.merge_batch(&[texts("abcd", 100)]).unwrap();
        assert!(held.merge_batch(&[texts("abcd", 151)]).is_err());
    }

    #[test]
    fn a_batch_of_rows_that_are_the_same_is_bounded() {
        let mut held = held("array_agg", None, true, 1000);
        for _ in 0..10 {
            assert!(held.take(&[texts("abcd", 250)]).is_ok());
        }
        assert!(held.take(&[texts("abcd", 251)]).is_err());
    }

    #[test]
    fn what_is_given_again_and_again_is_bounded() {
        let mut held = held("array_agg", None, false, 2000);
        held.update_batch(&[texts("abcd", 100)]).unwrap();
        assert!(held.evaluate().is_ok());
        assert!((0..10).any(|_| held.evaluate().is_err()));
    }

    #[test]
    fn a_separator_is_short() {
        let aggregate = aggregate("string_agg");
        let made = |separator: &str| {
            let one =
                with_arguments(&aggregate, Some(separator), |arguments| aggregate.accumulator(arguments));
            let of_groups = |arguments: AccumulatorArgs<'_>| aggregate.create_groups_accumulator(arguments);
            one.is_ok() && with_arguments(&aggregate, Some(separator), of_groups).is_ok()
        };
        assert!(made(&"x".repeat(SEPARATOR_BYTES)));
        assert!(!made(&"x".repeat(SEPARATOR_BYTES + 1)));
    }

    #[test]
    fn texts_in_views_count_until_they_are_given() {
        let aggregate = aggregate("array_agg");
        let made = |arguments: AccumulatorArgs<'_>| aggregate.create_groups_accumulator(arguments);
        let mut groups = with_texts(&aggregate, DataType::Utf8View, None, made).unwrap();
        let long = "x".repeat(10_000);
        let views: ArrayRef = Arc::new(StringViewArray::from_iter_values([&long, &long]));
        groups.update_batch(&[views], &[0, 1], None, 2).unwrap();
        assert!(groups.size() >= 19_900, "{}", groups.size());
        groups.evaluate(EmitTo::All).unwrap();
        assert!(groups.size() < 1000, "{}", groups.size());
    }

    #[test]
    fn what_is_made_of_one_is_bounded_too() {
        let aggregate = Arc::new(aggregate("array_agg"));
        let ReversedUDAF::Reversed(reversed) = aggregate.reverse_expr() else { unreachable!() };
        assert!(reversed.inner().is::<Bounded>());
        let ordered = aggregate.with_beneficial_ordering(true).unwrap().unwrap();
        assert!(ordered.is::<Bounded>());
    }
}
