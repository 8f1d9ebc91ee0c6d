//! The laws of `tests/laws/kubeconfig.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[macro_use]
#[path = "../../tests/laws/law.rs"]
mod law;
#[path = "../../tests/laws/kubeconfig.rs"]
mod laws;

fuzz_target!(|data: &[u8]| {
    if let Err(broken) = laws::check(data) {
        panic!("{broken}");
    }
});
