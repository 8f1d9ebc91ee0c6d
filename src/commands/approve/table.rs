//! A fleet at a glance.

use jiff::Timestamp;

use crate::approval::quoted;
use crate::host::clock;

use super::Outcome;
use super::gather::Candidate;

/// So many names are shown of one request; `-o json` has more.
const NAMES: usize = 4;

/// As kubectl prints tables.
pub(super) fn table(rows: &[(Candidate, Outcome)]) -> String {
    let now = clock::timestamp();
    let head = ["NODE", "REQUEST", "AGE", "SANS", "VERDICT"].map(str::to_owned);
    let rows: Vec<[String; 5]> = rows
        .iter()
        .map(|(candidate, outcome)| row(candidate, outcome, now))
        .collect();
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

fn row(candidate: &Candidate, outcome: &Outcome, now: Timestamp) -> [String; 5] {
    let asked = &candidate.asked;
    let node = asked.node().map_or("-".to_owned(), quoted);
    let names: Vec<&str> = candidate.names.iter().map(String::as_str).collect();
    let sans = match names.get(..NAMES) {
        _ if names.is_empty() => "-".to_owned(),
        Some(first) if names.len() > NAMES => {
            format!("{},+{}", first.join(","), names.len() - NAMES)
        }
        _ => names.join(","),
    };
    let verdict = match outcome {
        Outcome::Approved => "approve".to_owned(),
        Outcome::Already => "approved already".to_owned(),
        Outcome::Refused(broken) | Outcome::Denied(broken) => format!("refuse {broken}"),
        // A dry run does nothing that could meet these.
        Outcome::Missing | Outcome::Busy => "-".to_owned(),
    };
    let age = asked.created.map_or("<unknown>".to_owned(), |created| {
        age(now.as_second() - created.as_second())
    });
    [node, quoted(&asked.name), age, sans, verdict]
}

/// As kubectl writes ages, roughly: the server's clock may be ahead of this machine's.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_as_kubectl_writes_them() {
        let ages = [-5, 0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age);
        assert_eq!(ages, ["0s", "0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
