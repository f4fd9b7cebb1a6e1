//! Bytes for the place that its name tells; see `weir_testkit::hostile`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_testkit::hostile::Target;

fuzz_target!(|bytes: &[u8]| Target::Descriptor.send(bytes));
