//! The table of `cluster status`.

use jiff::Timestamp;

use crate::commands::table::{age, aligned};
use crate::report::NodeStatus;

/// As kubectl prints tables, one row for each node.
pub(super) fn table(rows: &[NodeStatus], now: Timestamp) -> String {
    let head = [
        "NODE", "SECURED", "REASON", "ENABLED", "SERVES", "UNTIL", "PENDING",
    ];
    let mut cells = vec![head.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| self::cells(row, now)));
    let color = |cell: &str| match cell {
        "True" => Some("32"),
        "False" => Some("31"),
        "Unknown" => Some("33"),
        _ => None,
    };
    aligned(
        &cells,
        |column, cell| {
            if column == 1 { color(cell) } else { None }
        },
    )
}

fn cells(row: &NodeStatus, now: Timestamp) -> [String; 7] {
    let serves = row
        .addresses
        .iter()
        .map(|served| format!("{} {}", served.address, served.reason))
        .collect::<Vec<_>>()
        .join(", ");
    let pending = row.pending.as_ref().map(|pending| {
        let created = pending
            .created
            .as_ref()
            .and_then(|created| created.parse::<Timestamp>().ok());
        let age = created.map(|created| age(now.as_second() - created.as_second()));
        format!(
            "{} ({})",
            pending.name,
            age.unwrap_or("<unknown>".to_owned())
        )
    });
    let or_dash = |cell: Option<String>| {
        cell.filter(|cell| !cell.is_empty())
            .unwrap_or_else(|| "-".to_owned())
    };
    [
        row.name.clone(),
        row.status.to_string(),
        row.reason.to_owned(),
        or_dash(row.server_tls_bootstrap.map(|value| value.to_string())),
        or_dash(Some(serves)),
        or_dash(row.not_after.clone()),
        or_dash(pending),
    ]
}
