//! A fleet at a glance.

use jiff::Timestamp;

use crate::host::clock;
use crate::text::names::shown;

use super::super::table::{age, aligned};
use super::outcome::{Row, What};

/// So many names are shown of one request; `-o json` has more.
const NAMES: usize = 4;
/// The column that is coloured.
const VERDICT: usize = 4;

/// As kubectl prints tables.
pub(super) fn table(rows: &[Row]) -> String {
    let now = clock::timestamp();
    let head = ["NODE", "REQUEST", "AGE", "SANS", "VERDICT"].map(str::to_owned);
    let mut cells = vec![head];
    cells.extend(rows.iter().map(|one| row(one, now)));
    aligned(&cells, |column, cell| {
        match (column, cell.split(' ').next()) {
            (VERDICT, Some("approve")) => Some("32"),
            (VERDICT, Some("refuse")) => Some("31"),
            _ => None,
        }
    })
}

fn row(row: &Row, now: Timestamp) -> [String; 5] {
    let request = &row.planned.request;
    let node = request.node().unwrap_or("-").to_owned();
    let names = super::result::names_of(request);
    let sans = match names.get(..NAMES) {
        _ if names.is_empty() => "-".to_owned(),
        Some(first) if names.len() > NAMES => {
            format!("{},+{}", first.join(","), names.len() - NAMES)
        }
        _ => names.join(","),
    };
    let verdict = match &row.what {
        What::Approved(_) => "approve".to_owned(),
        What::Already => "approved already".to_owned(),
        What::Refused(violation) | What::Denied(violation) => {
            format!("refuse {violation}; {}", violation.remedy)
        }
        // A dry run does nothing that could meet these.
        What::Missing | What::Busy | What::Failed(_) => "-".to_owned(),
    };
    let age = request.created.map_or("<unknown>".to_owned(), |created| {
        age(now.as_second() - created.as_second())
    });
    [node, shown(&request.name).into_owned(), age, sans, verdict]
}
