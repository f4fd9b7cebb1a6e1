//! Holds the features of all outside crates together, so that testing one crate rebuilds none of them.
