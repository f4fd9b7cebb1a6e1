//! `section!`: declares one section of the configuration from one text.
//!
//! The doc comments are the reference text, the expressions the defaults; from them come the
//! struct, its `Default` and the entries of the reference. A key without a default value (an
//! `Option`) names an example instead, shown commented out.

/// One key as the reference shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// The key.
    pub(super) name: &'static str,
    /// What it means, line by line.
    pub(super) text: &'static [&'static str],
    /// What to write, in TOML, for a key that has no default value.
    pub(super) example: Option<&'static str>,
}

macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $($(#[doc = $text:literal])+ $key:ident: $type:ty = $default:expr $(=> $example:literal)?,)*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[doc = $text])+ pub $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $name {
            pub(super) const ABOUT: &'static [&'static str] = &[$($about),+];
            pub(super) const KEYS: &'static [$crate::config::section::Key] = &[
                $($crate::config::section::Key {
                    name: stringify!($key),
                    text: &[$($text),+],
                    example: section!(@example $($example)?),
                },)*
            ];
        }
    };
    (@example $example:literal) => { Some($example) };
    (@example) => { None };
}

pub(super) use section;
