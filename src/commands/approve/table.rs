//! A fleet at a glance.

use jiff::Timestamp;

use crate::host::clock;
use crate::text::names::shown;

use super::super::table::age;
use super::outcome::{Row, What};

/// So many names are shown of one request; `-o json` has more.
const NAMES: usize = 4;

/// As kubectl prints tables.
pub(super) fn table(rows: &[Row]) -> String {
    let now = clock::timestamp();
    let head = ["NODE", "REQUEST", "AGE", "SANS", "VERDICT"].map(str::to_owned);
    let rows: Vec<[String; 5]> = rows.iter().map(|one| row(one, now)).collect();
    let mut widths = head.clone().map(|cell| cell.len());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        let line = line.trim_end();
        let color = row
            .last()
            .and_then(|verdict| match verdict.split(' ').next() {
                Some("approve") => Some("32"),
                Some("refuse") => Some("31"),
                _ => None,
            });
        // The last cell alone is coloured, so that the widths are those of the text.
        let plain = row.last().and_then(|cell| line.strip_suffix(cell.as_str()));
        match (color, plain, row.last()) {
            (Some(color), Some(start), Some(cell)) => {
                text.push_str(&format!("{start}\u{1b}[{color}m{cell}\u{1b}[0m\n"));
            }
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    text
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
