//! All promises of Weir that are tested over its real doors, as one program.

mod smoke;
mod tidy;
