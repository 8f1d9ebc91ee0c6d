//! The laws of `tests/laws/edit.rs`.
#![no_main]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kubelet_tls::parts::edit::Change;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

#[macro_use]
#[path = "../../tests/laws/law.rs"]
mod law;
#[path = "../../tests/laws/edit.rs"]
mod laws;
#[path = "../../tests/laws/mutate.rs"]
mod mutate;

/// What a number of executions led to, said every 2^20 of them: laws about refusals alone would prove little.
static RUNS: AtomicU64 = AtomicU64::new(0);
static UNCHANGED: AtomicU64 = AtomicU64::new(0);
static CHANGED: AtomicU64 = AtomicU64::new(0);

static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(mutate::corpus);

fuzz_target!(|data: &[u8]| {
    let Some((bytes, kind, wanted)) = laws::input(data) else {
        return;
    };
    match laws::check(bytes, kind, wanted) {
        Ok(None) => 0,
        Ok(Some(Change::None)) => UNCHANGED.fetch_add(1, Relaxed),
        Ok(Some(_)) => CHANGED.fetch_add(1, Relaxed),
        Err(broken) => panic!(
            "{broken}\n{kind:?} {wanted:?}\n{:?}",
            String::from_utf8_lossy(bytes)
        ),
    };
    let runs = RUNS.fetch_add(1, Relaxed) + 1;
    if runs % (1 << 20) == 0 {
        let (unchanged, changed) = (UNCHANGED.load(Relaxed), CHANGED.load(Relaxed));
        eprintln!("ACCEPTED of {runs}: {unchanged} as they were, {changed} changed");
    }
});

// Most inputs are made worse as the property tests do it, by lines and tokens, some of them files of the corpus afresh,
// so that enough of them are still accepted; the rest as libFuzzer does.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed & 3 == 0 || size == 0 || max_size < 2 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut random = u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut draw = || {
        random ^= random >> 29;
        random = random.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (random >> 48) as u16
    };
    let (mut bytes, times) = if seed & 3 == 1 {
        data[0] = draw() as u8;
        (
            CORPUS[usize::from(draw()) % CORPUS.len()].clone(),
            draw() % 3,
        )
    } else {
        (data[1..size].to_vec(), 1)
    };
    for _ in 0..times {
        bytes = mutate::worse(&CORPUS, bytes, (draw() as u8, draw(), draw()));
    }
    let length = bytes.len().min(max_size - 1);
    data[1..=length].copy_from_slice(&bytes[..length]);
    length + 1
});
