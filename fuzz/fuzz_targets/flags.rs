//! The laws of `tests/laws/flags.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[macro_use]
#[path = "../../tests/laws/law.rs"]
mod law;
#[path = "../../tests/laws/flags.rs"]
mod laws;

fuzz_target!(|data: &[u8]| {
    if let Err(broken) = laws::check(data) {
        panic!("{broken}");
    }
});
