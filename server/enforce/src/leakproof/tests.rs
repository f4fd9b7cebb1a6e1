//! What may pass the barrier cannot fail, on any value of any type; all else stays outside.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Field, IntervalUnit, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::functions::expr_fn::abs;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Between, cast, col, lit};
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_expr::expressions::{BinaryExpr, lit as physical_lit};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn types() -> Vec<DataType> {
    vec![
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(38, 10),
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::BinaryView,
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ]
}

/// Columns `c0`, `c1`, … of each type, and masked `m0`, `m1`, … likewise.
fn admission() -> Admission {
    let field =
        |prefix: &str, n: usize, data_type: DataType| Field::new(format!("{prefix}{n}"), data_type, true);
    let open = types().into_iter().enumerate().map(|(n, data_type)| field("c", n, data_type));
    let masked = types().into_iter().enumerate().map(|(n, data_type)| field("m", n, data_type));
    let names = (0..types().len()).map(|n| format!("m{n}")).collect();
    Admission::new(Arc::new(Schema::new(open.chain(masked).collect::<Vec<_>>())), names)
}

/// A value of the type, the ends of its range and NULL among them.
fn value(data_type: &DataType) -> BoxedStrategy<ScalarValue> {
    let typed = data_type.clone();
    let number = prop_oneof![Just(0_i64), Just(1), Just(-1), Just(i64::MIN), Just(i64::MAX), any::<i64>()];
    let float = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.0), Just(f64::MIN), any::<f64>()];
    let text = prop_oneof![Just(String::new()), Just("\u{0}".to_owned()), ".{0,20}"];
    (number, float, text, any::<bool>(), 0..6_u8)
        .prop_map(move |(number, float, text, flag, null)| {
            let any = match &typed {
                _ if null == 0 => ScalarValue::Null,
                DataType::Boolean => ScalarValue::from(flag),
                DataType::Int8 => ScalarValue::from(number.to_le_bytes()[0] as i8),
                DataType::Int16 => ScalarValue::from(number as i16),
                DataType::Int32 => ScalarValue::from(number as i32),
                DataType::Int64 => ScalarValue::from(number),
                DataType::UInt64 => ScalarValue::from(number as u64),
                DataType::Float32 => ScalarValue::from(float as f32),
                DataType::Float64 => ScalarValue::from(float),
                DataType::Decimal128(precision, scale) => {
                    ScalarValue::Decimal128(Some(i128::from(number)), *precision, *scale)
                }
                DataType::Date32 => ScalarValue::Date32(Some(number as i32)),
                DataType::Timestamp(_, zone) => ScalarValue::TimestampMicrosecond(Some(number), zone.clone()),
                DataType::Binary => ScalarValue::Binary(Some(text.into_bytes())),
                DataType::BinaryView => ScalarValue::BinaryView(Some(text.into_bytes())),
                _ => ScalarValue::from(text),
            };
            any.cast_to(&typed).unwrap()
        })
        .boxed()
}

/// A comparison, IN list, BETWEEN or NULL test on column `n`, of literals of `literal`.
fn leaf(n: usize, literal: &DataType) -> BoxedStrategy<Expr> {
    let column = col(format!("c{n}"));
    let operators =
        vec![Operator::Eq, Operator::NotEq, Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq];
    let values = prop::collection::vec(value(literal), 1..6);
    (values, select(operators), 0..6_u8, any::<bool>())
        .prop_map(move |(values, operator, shape, negated)| {
            let literals: Vec<Expr> = values.into_iter().map(|value| Expr::Literal(value, None)).collect();
            let (first, last) = (literals[0].clone(), literals[literals.len() - 1].clone());
            let column = column.clone();
            match shape {
                0 => column.in_list(literals, negated),
                1 => Expr::Between(Between::new(Box::new(column), negated, Box::new(first), Box::new(last))),
                2 if negated => column.is_null(),
                2 => column.is_not_null(),
                3 => datafusion::logical_expr::binary_expr(first, operator, column),
                _ => datafusion::logical_expr::binary_expr(column, operator, first),
            }
        })
        .boxed()
}

fn predicate() -> impl Strategy<Value = Expr> {
    let leaves: Vec<_> = types()
        .iter()
        .enumerate()
        .map(|(n, data_type)| leaf(n, data_type))
        .chain([Just(col("c0")).boxed()])
        .collect();
    proptest::strategy::Union::new(leaves).prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.and(right)),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.or(right)),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

fn rows() -> impl Strategy<Value = RecordBatch> {
    let columns: Vec<_> =
        types().iter().map(|data_type| prop::collection::vec(value(data_type), 5)).collect();
    columns.prop_map(|columns| {
        let arrays: Vec<ArrayRef> =
            columns.into_iter().map(|values| ScalarValue::iter_to_array(values).unwrap()).collect();
        let fields: Vec<Field> = arrays
            .iter()
            .enumerate()
            .map(|(n, array)| Field::new(format!("c{n}"), array.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_admitted_predicate_never_fails(predicate in predicate(), rows in rows()) {
        prop_assert!(admission().admits(&predicate), "{predicate}");
        let schema = DFSchema::try_from(rows.schema()).unwrap();
        let planned = PhysicalPlanningContext::default();
        let physical = create_physical_expr(&predicate, &schema, &ExecutionProps::new(), &planned).unwrap();
        let result = physical.evaluate(&rows);
        prop_assert!(result.is_ok(), "{predicate}: {result:?}");
    }

    #[test]
    fn a_masked_column_is_never_admitted(predicate in predicate()) {
        use datafusion::common::tree_node::{Transformed, TreeNode};
        let masked = predicate.transform(|part| Ok(match part {
            Expr::Column(column) => Transformed::yes(col(column.name.replace('c', "m"))),
            other => Transformed::no(other),
        })).unwrap().data;
        prop_assert!(!admission().admits(&masked), "{masked}");
        prop_assert!(!admission().admits(&masked.and(col("c0"))));
    }

    #[test]
    fn a_literal_of_another_type_is_refused(n in 0..18_usize, m in 0..18_usize, shape in 0..3_u8) {
        prop_assume!(n != m);
        let other = Expr::Literal(ScalarValue::try_from(&types()[m]).unwrap(), None);
        let column = col(format!("c{n}"));
        let predicate = match shape {
            0 => column.eq(other),
            1 => column.in_list(vec![other], false),
            _ => column.between(other.clone(), other),
        };
        prop_assert!(!admission().admits(&predicate), "{predicate}");
    }
}

#[test]
fn refused_shapes() {
    let (flag, number, text) = (|| col("c0"), || col("c3"), || col("c12"));
    for predicate in [
        cast(number(), DataType::Int64).eq(lit(1_i64)),
        datafusion::logical_expr::try_cast(text(), DataType::Int32).eq(lit(1)),
        (number() + lit(1)).eq(lit(1)),
        (lit(1) / number()).eq(lit(1)),
        number().eq(lit(1) + lit(1)),
        (-number()).eq(lit(1)),
        abs(number()).eq(lit(1)),
        text().like(lit("a%")),
        text().not_like(lit("a%")),
        text().ilike(lit("a%")),
        number().eq(number()),
        number().eq(col("m3")),
        col("m3").eq(lit(1)),
        col("m0"),
        col("m3").is_null(),
        col("missing").eq(lit(1)),
        datafusion::logical_expr::ident("C3").eq(lit(1)),
        number(),
        number().eq(lit(1_i64)),
        number().in_list(vec![lit(1), number()], false),
        number().in_list(vec![lit(1), lit(1_i64)], false),
        number().between(lit(1), number()),
        lit(1).in_list(vec![number()], false),
        flag().and(abs(number()).eq(lit(1))),
        datafusion::logical_expr::when(flag(), lit(true)).end().unwrap(),
        (lit(1) / number()).is_null(),
        number().is_true(),
        flag().and((lit(1) / number()).eq(lit(1))),
        datafusion::logical_expr::binary_expr(text(), Operator::RegexMatch, lit("(")),
        datafusion::logical_expr::binary_expr(number(), Operator::IsDistinctFrom, lit(1)),
        datafusion::logical_expr::placeholder("$1"),
    ] {
        assert!(!admission().admits(&predicate), "{predicate}");
        assert!(!admission().admits(&Expr::Not(Box::new(predicate.clone()))), "{predicate}");
        assert!(!admission().admits(&predicate.or(lit(true))));
    }
    assert!(!Admission::none().admits(&number().eq(lit(1))));
}

#[test]
fn nested_and_odd_types_are_refused() {
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    for data_type in [
        DataType::List(Arc::clone(&item)),
        DataType::Struct(vec![Arc::clone(&item)].into()),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::List(item))),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Dictionary(
            Box::new(DataType::Int32),
            Box::new(DataType::Interval(IntervalUnit::MonthDayNano)),
        ),
        DataType::Null,
    ] {
        let schema = Schema::new(vec![Field::new("c", data_type.clone(), true)]);
        let admission = Admission::new(Arc::new(schema), Vec::new());
        assert!(!admission.admits(&col("c").is_null()), "{data_type}");
        if let Ok(literal) = ScalarValue::try_from(&data_type) {
            assert!(!admission.admits(&col("c").eq(Expr::Literal(literal, None))), "{data_type}");
        }
        let filter = DynamicFilterPhysicalExpr::new(vec![Arc::new(Column::new("c", 0))], physical_lit(true));
        let filter: Arc<dyn PhysicalExpr> = Arc::new(filter);
        assert!(!admission.admits_dynamic(&filter), "{data_type}");
    }
}

#[test]
fn dynamic_filters_are_over_open_columns() {
    let column = |name: &str| Arc::new(Column::new(name, 0)) as Arc<dyn PhysicalExpr>;
    let dynamic = |children: Vec<Arc<dyn PhysicalExpr>>| {
        Arc::new(DynamicFilterPhysicalExpr::new(children, physical_lit(true))) as Arc<dyn PhysicalExpr>
    };
    let sum = Arc::new(BinaryExpr::new(column("c3"), Operator::Plus, physical_lit(1)));
    let admission = admission();
    assert!(admission.admits_dynamic(&dynamic(vec![column("c3")])));
    assert!(admission.admits_dynamic(&dynamic(vec![column("c3"), column("c12")])));
    for refused in [
        dynamic(vec![]),
        dynamic(vec![sum]),
        dynamic(vec![column("m3")]),
        dynamic(vec![column("c3"), column("m3")]),
        dynamic(vec![column("C3")]),
        dynamic(vec![column("missing")]),
        column("c0"),
        physical_lit(true),
    ] {
        assert!(!admission.admits_dynamic(&refused), "{refused}");
    }
    assert!(!Admission::none().admits_dynamic(&dynamic(vec![column("c3")])));
}
