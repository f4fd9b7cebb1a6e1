//! Which policies hold, rule by rule.
