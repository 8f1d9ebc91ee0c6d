//! `approve --all --dry-run` in a large cluster.

use std::net::Ipv4Addr;

use standins::api::{Csr, NodeSpec};
use standins::pki::Sans;
use standins::{ApiServer, Config};

use crate::bar;
use crate::measure::{cost, tool};
use support::rows::Row;

/// So many nodes, each with a request that keeps every rule.
const REQUESTS: u16 = 5000;

pub(crate) fn verdicts() -> (Row, String) {
    println!("\napprove --all --dry-run with {REQUESTS} pending requests of as many nodes");
    let api = ApiServer::start(Config::default());
    let requests = (0..REQUESTS).map(|number| {
        let name = format!("worker-{number}");
        let [high, low] = number.to_be_bytes();
        let ip = Ipv4Addr::new(10, 1, high, low);
        api.set_node(NodeSpec::new(&name, &ip.to_string()));
        let sans = Sans {
            dns: vec![name.clone()],
            ips: vec![ip.into()],
        };
        let mut csr = Csr::kubelet_serving(&name, &sans);
        // Names made at random are the same now and then.
        csr.metadata.name = format!("csr-{number:05}");
        csr
    });
    api.add_csrs(requests.collect::<Vec<_>>());
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = api.admin_kubeconfig(directory.path()).display().to_string();
    let tool = tool().display().to_string();
    let words = |format: &str| {
        [
            &tool,
            "approve",
            "--all",
            "--dry-run",
            "-o",
            format,
            "--kubeconfig",
            &kubeconfig,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let output = std::process::Command::new(&tool)
        .args(&words("name")[1..])
        .output()
        .unwrap();
    let approved = output.stdout.split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(
        approved,
        usize::from(REQUESTS),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    api.clear_requests();
    let cost = cost(&words("text"));
    let (calls, cpu) = (api.requests().len(), cost.cpu.as_secs_f64());
    let resident = cost.peak as f64 / 1024.0;
    println!("  {calls} API calls; {cpu:.2} s of CPU, {resident:.1} MiB resident");
    bar("CPU", cpu, " s", 2.0);
    bar("memory", resident, " MiB", 100.0);
    let figure = format!("{cpu:.2} s of CPU, {resident:.0} MiB resident, {calls} API calls");
    (Row::Verdicts, figure)
}
