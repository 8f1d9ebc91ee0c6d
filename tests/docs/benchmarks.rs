//! `docs/benchmarks.md` and the benchmarks have the same rows.

use std::fs;

use support::rows::{DOCUMENT, Row, updated};

/// The rows of the document's first table, as a label and a figure.
fn table(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().skip_while(|line| *line != "|---|---|").skip(1);
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [what, figure] = cells[..] else {
                panic!("a row of {} cells: {line}", cells.len());
            };
            (what, figure)
        })
        .collect()
}

#[test]
fn the_document_has_the_rows_that_the_benchmarks_measure() {
    let text = fs::read_to_string(DOCUMENT).unwrap();
    let documented: Vec<&str> = table(&text).into_iter().map(|(what, _)| what).collect();
    assert_eq!(documented, Row::ALL.map(Row::what));
    // A run that measures the same again leaves the document as it is.
    let figures = table(&text)
        .into_iter()
        .map(|(_, figure)| figure.to_owned());
    let measured: Vec<_> = Row::ALL.into_iter().zip(figures).collect();
    assert_eq!(updated(&text, &measured).unwrap(), text);
}

#[test]
fn a_run_replaces_the_figures_that_it_measured_and_no_others() {
    let text = fs::read_to_string(DOCUMENT).unwrap();
    let after = updated(&text, &[(Row::Joins, "1 ms".into())]).unwrap();
    let changed: Vec<_> = text
        .lines()
        .zip(after.lines())
        .filter(|(before, after)| before != after)
        .map(|(_, after)| after)
        .collect();
    assert_eq!(changed, [Row::Joins.line("1 ms")]);
    assert_eq!(
        updated("# Benchmarks\n", &[(Row::Joins, "1 ms".into())]),
        Err(Row::Joins)
    );
}
