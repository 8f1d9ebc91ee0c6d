//! The figures that `kubelet-tls` is held to, measured in one run: `cargo bench`, or `cargo bench -- files` (`node`,
//! `approval`, `watch`, `binary`) for a part of them.
//!
//! Ratios to peers that do the same on the same machine at the same time, since times alone say more about the machine.
//! A bar that is missed is printed as such and fails nothing: a loaded machine would fail it too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark that fails has nothing to report"
)]

mod approval;
mod binary;
mod files;
#[path = "../../tests/approver/large.rs"]
#[allow(dead_code, reason = "the rest is for tests/approver")]
mod large;
mod measure;
mod node;
mod watch;

use std::path::{Path, PathBuf};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let name = Path::new(&words[0]).file_name().unwrap().to_str().unwrap();
    // The node starts this executable as its kubelet and its systemd: cargo builds no other for a benchmark.
    if matches!(name, "kubelet" | "systemctl" | "journalctl")
        || words.get(1).is_some_and(|w| w == "systemd")
    {
        std::process::exit(standins::multicall(&words));
    }
    if let [_, word, command @ ..] = words.as_slice()
        && word == measure::PEAK
    {
        measure::print_peak(command);
        return;
    }
    let parts: Vec<&str> = words[1..]
        .iter()
        .map(String::as_str)
        .filter(|w| !w.starts_with('-'))
        .collect();
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    if cfg!(debug_assertions) {
        println!("this is a debug build: its times and sizes say nothing");
    }
    let tools = tools();
    if wanted("files") {
        files::against_peers(&tools);
        files::growth(&tools);
    }
    if wanted("node") {
        node::latency();
        node::api_calls();
    }
    if wanted("approval") {
        approval::verdicts();
    }
    if wanted("watch") {
        // The one that is shipped, where it was built.
        watch::figures(&tools[tools.len() - 1].1);
    }
    if wanted("binary") {
        binary::size(&musl());
    }
}

/// The release build, and the static one where it was built.
fn tools() -> Vec<(&'static str, PathBuf)> {
    let mut tools = vec![("kubelet-tls", measure::tool())];
    if musl().is_file() {
        tools.push(("kubelet-tls, static", musl()));
    } else {
        println!("the static binary is not measured: {}", binary::HOW);
    }
    tools
}

fn musl() -> PathBuf {
    let target = measure::tool().ancestors().nth(2).unwrap().to_owned();
    target.join("x86_64-unknown-linux-musl/release/kubelet-tls")
}

/// One line about a bar.
fn bar(what: &str, value: f64, unit: &str, most: f64) {
    let verdict = if value <= most { "met" } else { "MISSED" };
    println!("  {what}: {value:.1}{unit}, bar {most}{unit}: {verdict}");
}
