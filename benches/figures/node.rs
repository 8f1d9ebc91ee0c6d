//! `apply` on a node of stand-ins.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use standins::api::Csr;
use standins::pki::Sans;
use standins::{Node, Options};

use crate::bar;
use crate::measure::{median, millis, tool};
use support::rows::Row;

/// How many nodes are taken through it.
const RUNS: usize = 15;

fn node() -> Node {
    Node::new(Options {
        executable: Some(std::env::current_exe().unwrap()),
        ..Options::default()
    })
}

/// From the request's creation in the API to its name on standard output, which does not wait for the settle time.
pub(crate) fn latency() -> (Row, String) {
    println!(
        "\napply on a node: from the request's creation in the API to its name on standard output"
    );
    let mut times: Vec<Duration> = (0..RUNS).map(|_| name_after_creation()).collect();
    times.sort();
    let (half, last) = (millis(median(&times)), millis(times[RUNS - 1]));
    println!("  {RUNS} nodes: median {half:.1} ms, slowest {last:.1} ms");
    bar("median", half, " ms", 100.0);
    let figure = format!("{half:.1} ms at the median of {RUNS} nodes");
    (Row::NameShown, figure)
}

fn name_after_creation() -> Duration {
    let node = node();
    let mut apply = node.command(tool());
    apply
        .args(["apply", "--settle", "1s"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut apply = apply.spawn().unwrap();
    let mut shown = None;
    for line in BufReader::new(apply.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("csr-") {
            shown = Some((line, Instant::now()));
        }
    }
    assert_eq!(apply.wait().unwrap().code(), Some(0));
    let (name, at) = shown.expect("apply prints the name");
    at - node
        .api()
        .created_at(&name)
        .expect("the API server knows it")
}

/// What one run costs the API server, in a small and in a large cluster.
pub(crate) fn api_calls() -> (Row, String) {
    println!("\nAPI calls of one apply, with so many requests of other nodes in the cluster");
    // What the kubelet asks by itself when it is restarted with the key on, under the same name as the tool.
    let bare = node();
    bare.edit_config(|text| text + "serverTLSBootstrap: true\n");
    bare.api().clear_requests();
    bare.restart_kubelet();
    let own = calls(&bare).len();
    let mut counts = Vec::new();
    for others in [0, 100, 5000] {
        let node = node();
        // One key pair for all: making five thousand takes longer than all the rest.
        let other = Csr::kubelet_serving("other", &Sans::default());
        node.api().add_csrs((0..others).map(|number| {
            let mut csr = other.clone();
            csr.spec.username = format!("system:node:other-{number}");
            csr
        }));
        node.api().clear_requests();
        let started = Instant::now();
        let apply = node.run(tool(), &["apply", "--settle", "0s"]);
        let took = started.elapsed();
        assert_eq!(apply.code, 0, "{}", apply.stderr);
        let calls = calls(&node);
        let of = |what: &str| calls.iter().filter(|call| call.as_str() == what).count();
        println!(
            "  {others:>5}: {} calls ({} list, {} watch), the kubelet's own {own} not counted; {:.0} ms in all",
            calls.len() - own,
            of("list"),
            of("watch"),
            millis(took)
        );
        counts.push((calls.len() - own).to_string());
    }
    (Row::ApiCalls, counts.join(", "))
}

/// The calls since the log was cleared: the tool's list and watch by these names.
fn calls(node: &Node) -> Vec<String> {
    // The kubelet's last call is the watch of its own request, which may come after the tool has ended.
    let watches_its_own = |node: &Node| {
        node.api()
            .requests()
            .iter()
            .any(|call| call.target.contains("metadata.name"))
    };
    assert!(node.wait_for(Duration::from_secs(10), watches_its_own));
    let log = node.api().requests();
    log.iter()
        .map(|call| match call.target.contains("spec.signerName") {
            true if call.target.contains("watch=true") => "watch".into(),
            true => "list".into(),
            false => call.target.clone(),
        })
        .collect()
}
