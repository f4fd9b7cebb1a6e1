//! Functions that speak of the session user: `current_user()`, `session_user()`, `user()`,
//! `is_account_group_member(group)`, `is_member(group)`, `jwt_claim(path)`.
//!
//! Each session gets its own, made for its [`Caller`]. Planning folds them to constants; where
//! the group's name depends on a column, membership becomes an IN list of the caller's groups,
//! so that it can prune files.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::caller::Caller;

/// What an identity function tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fact {
    Name,
    Membership,
    Claim,
}

/// The names under which identity functions are called, and what each tells.
const NAMES: [(&str, Fact); 6] = [
    ("current_user", Fact::Name),
    ("session_user", Fact::Name),
    ("user", Fact::Name),
    ("is_account_group_member", Fact::Membership),
    ("is_member", Fact::Membership),
    ("jwt_claim", Fact::Claim),
];

/// The names of identity functions.
pub fn identity_function_names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

/// Whether `name` is an identity function; case does not matter.
pub fn is_identity_function(name: &str) -> bool {
    NAMES.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// What the identity function `name` tells about `caller`, for people; `None` when it is no such function.
/// Without an argument that is the same for each row, that it is asked is all there is to tell.
pub(crate) fn told(name: &str, caller: &Caller, argument: Option<&str>) -> Option<String> {
    let (known, fact) = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    Some(match (fact, argument) {
        (Fact::Name, _) => format!("{known}() = {}", quoted(caller.name())),
        (Fact::Membership, Some(group)) => {
            format!("{known}({}) = {}", quoted(group), caller.groups().contains(group))
        }
        (Fact::Claim, Some(path)) => match caller.claim(path) {
            Some(claim) => format!("{known}({}) = {}", quoted(path), quoted(claim)),
            None => format!("{known}({}) is null", quoted(path)),
        },
        (Fact::Membership | Fact::Claim, None) => format!("{known}(…) is asked for each row"),
    })
}

/// The identity functions for `caller`.
pub fn identity_functions(caller: &Arc<Caller>) -> Vec<Arc<ScalarUDF>> {
    functions(caller, Answers::Known)
}

/// The same without an answer: planning folds none of them, so that nothing of a policy is left out since
/// it does not concern the caller. They cannot run.
pub(crate) fn unanswered_functions(caller: &Arc<Caller>) -> Vec<Arc<ScalarUDF>> {
    functions(caller, Answers::Unknown)
}

fn functions(caller: &Arc<Caller>, answers: Answers) -> Vec<Arc<ScalarUDF>> {
    NAMES
        .iter()
        .map(|(name, fact)| {
            let signature = match fact {
                Fact::Name => Signature::exact(vec![], Volatility::Stable),
                Fact::Membership | Fact::Claim => Signature::string(1, Volatility::Stable),
            };
            let caller = Arc::clone(caller);
            let function = IdentityFunction { name, fact: *fact, signature, caller, answers };
            Arc::new(ScalarUDF::new_from_impl(function))
        })
        .collect()
}

#[derive(Debug)]
struct IdentityFunction {
    name: &'static str,
    fact: Fact,
    signature: Signature,
    caller: Arc<Caller>,
    answers: Answers,
}

/// Two are the same where they give the same answers: of a caller it counts what is told alone, so that another token
/// of the same user makes no other plan.
impl PartialEq for IdentityFunction {
    fn eq(&self, other: &Self) -> bool {
        let same = (self.name, self.fact, self.answers) == (other.name, other.fact, other.answers);
        let (one, two) = (&self.caller, &other.caller);
        same && match self.fact {
            Fact::Name => one.name() == two.name(),
            Fact::Membership => one.groups() == two.groups(),
            Fact::Claim => one.claims() == two.claims(),
        }
    }
}

impl Eq for IdentityFunction {}

impl Hash for IdentityFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name, self.fact, self.answers).hash(state);
        match self.fact {
            Fact::Name => self.caller.name().hash(state),
            Fact::Membership => self.caller.groups().hash(state),
            Fact::Claim => self.caller.claims().hash(state),
        }
    }
}

/// Whether it is known who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Answers {
    Known,
    Unknown,
}

impl IdentityFunction {
    /// The answer for one argument; NULL in, NULL out.
    fn answer(&self, argument: Option<&str>) -> ScalarValue {
        match self.fact {
            Fact::Name => ScalarValue::from(self.caller.name()),
            Fact::Membership => {
                ScalarValue::Boolean(argument.map(|group| self.caller.groups().contains(group)))
            }
            Fact::Claim => {
                ScalarValue::Utf8(argument.and_then(|path| self.caller.claim(path)).map(str::to_owned))
            }
        }
    }

    fn answers(&self, arguments: &StringArray) -> ArrayRef {
        match self.fact {
            Fact::Membership => Arc::new(
                arguments
                    .iter()
                    .map(|group| group.map(|group| self.caller.groups().contains(group)))
                    .collect::<BooleanArray>(),
            ),
            Fact::Name | Fact::Claim => Arc::new(
                arguments
                    .iter()
                    .map(|path| path.and_then(|path| self.caller.claim(path)))
                    .collect::<StringArray>(),
            ),
        }
    }
}

impl ScalarUDFImpl for IdentityFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _argument_types: &[DataType]) -> Result<DataType> {
        Ok(match self.fact {
            Fact::Name | Fact::Claim => DataType::Utf8,
            Fact::Membership => DataType::Boolean,
        })
    }

    fn simplify(&self, mut arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if self.answers == Answers::Unknown {
            return Ok(ExprSimplifyResult::Original(arguments));
        }
        let Some(argument) = arguments.pop() else {
            return Ok(ExprSimplifyResult::Simplified(Expr::Literal(self.answer(None), None)));
        };
        if let Expr::Literal(value, _) = &argument {
            let answer = self.answer(text_of(value));
            return Ok(ExprSimplifyResult::Simplified(Expr::Literal(answer, None)));
        }
        if self.fact == Fact::Membership && !self.caller.groups().is_empty() {
            // No coercion follows: the list has the argument's own layout of strings.
            let layout = context.get_data_type(&argument)?;
            let groups = self.caller.groups().iter();
            let groups = groups
                .map(|group| Ok(Expr::Literal(ScalarValue::from(group.as_str()).cast_to(&layout)?, None)))
                .collect::<Result<Vec<_>>>()?;
            return Ok(ExprSimplifyResult::Simplified(argument.in_list(groups, false)));
        }
        arguments.push(argument);
        Ok(ExprSimplifyResult::Original(arguments))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.answers == Answers::Unknown {
            return exec_err!("{} is asked before it is known of whom", self.name);
        }
        match arguments.args.first() {
            None => Ok(ColumnarValue::Scalar(self.answer(None))),
            Some(ColumnarValue::Scalar(value)) => Ok(ColumnarValue::Scalar(self.answer(text_of(value)))),
            Some(ColumnarValue::Array(array)) => {
                let texts = cast(array, &DataType::Utf8)?;
                let texts: &dyn Any = texts.as_any();
                match texts.downcast_ref::<StringArray>() {
                    Some(texts) => Ok(ColumnarValue::Array(self.answers(texts))),
                    None => exec_err!("{} takes a string", self.name),
                }
            }
        }
    }
}

fn text_of(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}
