//! `approve --watch` in a large cluster: what it holds, what it asks for, and what it does while nothing happens.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use standins::pace;

use super::large::{Large, Size};

const SIZE: Size = Size {
    nodes: 5_000,
    services: 10_000,
    refused: 5_000,
    // Each costs some milliseconds without optimization.
    of_facts: 500,
};
/// The bound on its resident memory, in MiB.
const MEMORY: f64 = 128.0;
/// So many requests are approved.
const APPROVED: u16 = 20;
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(3);
/// The bound on its CPU time meanwhile, of a core.
const BUSY: f64 = 0.05;
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_large_cluster_costs_little() {
    let cluster = Large::new(SIZE);
    let tool = Path::new(env!("CARGO_BIN_EXE_kubelet-tls"));
    let approver = cluster.watched_by(tool, SIZE.refused);
    let mut lists = Vec::new();
    let mut calls = 0;
    for number in 0..APPROVED {
        cluster.register(number);
        cluster.approved(number);
        let log = cluster.api.requests();
        let own = log.iter().filter(|call| call.target.contains("/csr-"));
        calls += own.count();
        // Whatever is read again and again is of a size that does not depend on the cluster's.
        let whole = ["/nodes", "/services", "/certificatesigningrequests?"];
        let grows = |target: &str| whole.iter().any(|part| target.contains(part));
        lists.extend(
            log.into_iter()
                .map(|call| call.target)
                .filter(|target| grows(target) && !target.contains("watch=true")),
        );
    }
    assert_eq!(lists, [""; 0]);
    assert_eq!(calls, usize::from(APPROVED) * 2, "a GET and a PUT for each");
    let lines = usize::from(SIZE.refused + APPROVED);
    let is_told = || approver.told() == lines;
    assert!(pace::wait_for(LONG, is_told), "a line for each decision");
    // What the last Node's registration made it judge again is judged by some time, and then it rests.
    let mut idle = 1.0;
    let rests = pace::wait_for(LONG, || {
        let before = approver.cpu();
        std::thread::sleep(IDLE);
        idle = (approver.cpu() - before).as_secs_f64() / IDLE.as_secs_f64();
        idle < BUSY
    });
    let peak = approver.peak();
    // Past the harness, which keeps to itself what a good test prints.
    let _ = writeln!(
        std::io::stderr(),
        "approve --watch with {} Nodes, {} Services and {} refused requests: {peak:.1} MiB resident at most; \
         2 requests for each approval; {:.1} % of a core while nothing happens",
        SIZE.nodes,
        SIZE.services,
        SIZE.refused,
        idle * 100.0
    );
    assert!(peak < MEMORY, "{peak} MiB");
    assert!(rests, "{idle} of a core");
    assert_eq!(approver.told(), lines, "nothing is told twice");
}
