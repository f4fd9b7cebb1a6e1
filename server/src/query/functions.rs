//! The functions that queries, views and policies may call: a list of names, and nothing else.
//!
//! A function gets on the list when it has no effect and tells nothing but of its arguments;
//! those that tell of files (`input_file_name`), of Arrow's inside or of the server are not on
//! it. Functions that speak of the session user come from the enforcer.
//!
//! How to add a function: its name below; if it is not one of the engine's own, its maker in
//! [`scalar`]. `every_function_on_the_list_exists` fails on a name that means nothing. One that the engine has under another
//! name, or as another form, has its line in [`spark_calls`].

use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use weir_enforce::ComparisonPlanner;

use crate::query::bounded_aggregates;
use crate::query::bounded_functions::bounded;
use crate::query::division::DivisionPlanner;
use crate::query::element_at::element_at;
use crate::query::now::now;
use crate::query::{calendar, half_up_averages, rounding, spark_calls, spark_functions, whole_sums};

/// Scalar functions of the engine, by canonical name.
const SCALAR: &[&str] = &[
    "abs",
    "acos",
    "acosh",
    "array_any_value",
    "array_append",
    "array_concat",
    "array_dims",
    "array_distance",
    "array_distinct",
    "array_element",
    "array_except",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_intersect",
    "array_length",
    "array_max",
    "array_min",
    "array_ndims",
    "array_pop_back",
    "array_pop_front",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_remove",
    "array_remove_all",
    "array_remove_n",
    "array_replace",
    "array_replace_all",
    "array_replace_n",
    "array_reverse",
    "array_slice",
    "array_sort",
    "array_to_string",
    "array_union",
    "arrays_zip",
    "arrow_cast",
    "arrow_typeof",
    "ascii",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bit_length",
    "btrim",
    "cardinality",
    "cbrt",
    "ceil",
    "character_length",
    "chr",
    "coalesce",
    "concat",
    "concat_ws",
    "contains",
    "cos",
    "cosh",
    "cot",
    "current_date",
    "current_time",
    "date_bin",
    "date_part",
    "date_trunc",
    "decode",
    "degrees",
    "digest",
    "empty",
    "encode",
    "ends_with",
    "exp",
    "factorial",
    "find_in_set",
    "flatten",
    "floor",
    "from_unixtime",
    "gcd",
    "get_field",
    "greatest",
    "initcap",
    "isnan",
    "iszero",
    "lcm",
    "least",
    "left",
    "levenshtein",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "make_array",
    "make_date",
    "map",
    "map_entries",
    "map_extract",
    "map_keys",
    "map_values",
    "md5",
    "named_struct",
    "nanvl",
    "nullif",
    "octet_length",
    "overlay",
    "pi",
    "power",
    "radians",
    "random",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "signum",
    "sin",
    "sinh",
    "split_part",
    "sqrt",
    "starts_with",
    "string_to_array",
    "strpos",
    "struct",
    "substr",
    "substr_index",
    "tan",
    "tanh",
    "to_char",
    "to_date",
    "to_hex",
    "to_local_time",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
    "translate",
    "trunc",
    "upper",
    "uuid",
];

/// Aggregate functions of the engine.
const AGGREGATE: &[&str] = &[
    "any_value",
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "first_value",
    "grouping",
    "last_value",
    "max",
    "median",
    "min",
    "nth_value",
    "percentile_cont",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "string_agg",
    "sum",
    "var",
    "var_pop",
];

/// Window functions of the engine.
const WINDOW: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// The scalar functions.
pub fn scalar() -> Vec<Arc<ScalarUDF>> {
    let mut functions = SessionStateDefaults::default_scalar_functions();
    functions.retain(|function| SCALAR.contains(&function.name()));
    let mut functions: Vec<_> = functions.into_iter().map(bounded).map(rounding::of_one_type).collect();
    functions.push(datafusion_spark::function::hash::sha2());
    functions.push(now());
    let named = |name: &str| functions.iter().find(|function| function.name() == name).cloned();
    if let (Some(of_array), Some(of_map)) = (named("array_element"), named("map_extract")) {
        functions.push(element_at(of_array, of_map));
    }
    functions.extend(calendar::functions());
    functions.extend(spark_functions::functions());
    functions.extend(spark_calls::names());
    functions
}

/// The aggregate functions.
pub fn aggregate() -> Vec<Arc<AggregateUDF>> {
    let mut functions = SessionStateDefaults::default_aggregate_functions();
    functions.retain(|function| AGGREGATE.contains(&function.name()));
    functions.push(datafusion_spark::function::aggregate::collect_list());
    functions.push(datafusion_spark::function::aggregate::collect_set());
    let looked = |function: Arc<AggregateUDF>| match function.name() {
        "avg" => half_up_averages::rounded(function),
        "sum" => whole_sums::checked(function),
        "array_agg" | "collect_list" | "collect_set" | "string_agg" => bounded_aggregates::bounded(function),
        _ => function,
    };
    functions.into_iter().map(looked).collect()
}

/// The window functions.
pub fn window() -> Vec<Arc<WindowUDF>> {
    let mut functions = SessionStateDefaults::default_window_functions();
    functions.retain(|function| WINDOW.contains(&function.name()));
    functions
}

/// What turns operators and special forms into functions.
pub fn expression_planners() -> Vec<Arc<dyn ExprPlanner>> {
    let mut planners: Vec<Arc<dyn ExprPlanner>> =
        vec![Arc::new(DivisionPlanner::default()), Arc::new(ComparisonPlanner)];
    planners.extend(SessionStateDefaults::default_expr_planners());
    planners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_on_the_list_exists() {
        let scalar: Vec<String> = scalar().iter().map(|function| function.name().to_owned()).collect();
        let missing: Vec<_> =
            SCALAR.iter().filter(|name| !scalar.iter().any(|known| known == *name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let aggregate: Vec<String> = aggregate().iter().map(|function| function.name().to_owned()).collect();
        let missing: Vec<_> =
            AGGREGATE.iter().filter(|name| !aggregate.iter().any(|known| known == *name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let window: Vec<String> = window().iter().map(|function| function.name().to_owned()).collect();
        let missing: Vec<_> =
            WINDOW.iter().filter(|name| !window.iter().any(|known| known == *name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
