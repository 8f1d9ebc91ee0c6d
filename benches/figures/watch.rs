//! `approve --watch` in a large cluster: from a request's creation to its approval, memory, and CPU.

use std::path::Path;
use std::time::Duration;

use crate::bar;
use crate::measure::{median, millis};
use support::large::{Large, Size, Watched};
use support::rows::Row;

const SIZE: Size = Size {
    nodes: 5_000,
    services: 10_000,
    refused: 5_000,
    of_facts: 5_000,
};
/// So many requests are approved.
const REQUESTS: u16 = 200;
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) fn figures(tool: &Path) -> [(Row, String); 2] {
    println!(
        "\napprove --watch with {} Nodes, {} Services and {} refused requests",
        SIZE.nodes, SIZE.services, SIZE.refused
    );
    let cluster = Large::new(SIZE);
    let approver = cluster.watched_by(tool, SIZE.refused);
    (0..2 * REQUESTS).for_each(|number| cluster.register(number));
    println!(
        "  {:.2} s of CPU until every request was judged",
        approver.cpu().as_secs_f64()
    );
    std::thread::sleep(Duration::from_secs(3));
    let renewals = (0..REQUESTS).map(|number| cluster.approved(number));
    let renewals = told(
        "renewal, created to approved",
        &renewals.collect::<Vec<_>>(),
    );
    // Each Node is a new fact, for which refused requests are judged again.
    let joins = (2 * REQUESTS..3 * REQUESTS).map(|number| {
        cluster.register(number);
        std::thread::sleep(Duration::from_millis(50));
        cluster.approved(number)
    });
    let joins = told("join, created to approved", &joins.collect::<Vec<_>>());
    std::thread::sleep(Duration::from_secs(3));
    println!(
        "  {:.2} % of a core while nothing happens",
        idle(&approver) * 100.0
    );
    bar("memory", approver.peak(), " MiB", 128.0);
    [(Row::Renewals, renewals), (Row::Joins, joins)]
}

/// Prints the bars and returns the figure.
fn told(what: &str, times: &[Duration]) -> String {
    let half = millis(median(times));
    let worst = millis(times.iter().max().copied().unwrap_or_default());
    let count = times.len();
    bar(&format!("{what}, median of {count}"), half, " ms", 100.0);
    bar(&format!("{what}, worst of {count}"), worst, " ms", 1000.0);
    format!("{half:.0} ms at the median of {count}, {worst:.0} ms at most")
}

fn idle(approver: &Watched) -> f64 {
    let before = approver.cpu();
    std::thread::sleep(IDLE);
    (approver.cpu() - before).as_secs_f64() / IDLE.as_secs_f64()
}
