//! The figures that `kubelet-tls` is held to, measured in one run: `cargo bench`, or `cargo bench -- files` (`node`,
//! `approval`, `watch`, `binary`) for a part of them.
//!
//! `UPDATE_DOCS=1 cargo bench` also writes them into `docs/benchmarks.md`; the rows of parts that were not run stay.
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
mod measure;
mod node;
mod watch;

use std::path::{Path, PathBuf};

use support::rows::{DOCUMENT, Row, updated};

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
    let mut rows = Vec::new();
    if wanted("files") {
        rows.extend(files::against_peers(&tools));
        rows.push(files::growth(&tools));
    }
    if wanted("node") {
        rows.push(node::latency());
        rows.push(node::api_calls());
    }
    if wanted("approval") {
        rows.push(approval::verdicts());
    }
    if wanted("watch") {
        // The one that is shipped, where it was built.
        rows.extend(watch::figures(&tools[tools.len() - 1].1));
    }
    if wanted("binary") {
        rows.extend(binary::size(&musl()));
    }
    document(&rows);
}

/// Prints the rows as the document has them, and writes them into it when asked to.
fn document(rows: &[(Row, String)]) {
    println!("\nThe rows of {DOCUMENT}");
    for row in Row::ALL {
        match rows.iter().find(|(measured, _)| *measured == row) {
            Some((_, figure)) => println!("{}", row.line(figure)),
            None => println!("not measured in this run: {}", row.what()),
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_none() {
        return;
    }
    if cfg!(debug_assertions) {
        println!("{DOCUMENT} stays as it is: the figures of a debug build do not belong there");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = updated(&text, rows).unwrap_or_else(|row| panic!("no row {:?}", row.what()));
    std::fs::write(path, text).unwrap();
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
