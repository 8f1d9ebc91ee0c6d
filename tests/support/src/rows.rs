//! The rows of `docs/benchmarks.md` that these benchmarks measure. A test reads this file too, so that the document and the
//! benchmarks have the same rows.

/// The document, from the root of the repository.
pub const DOCUMENT: &str = "docs/benchmarks.md";

/// A row of the document's first table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    DiffStatic,
    DiffDynamic,
    Large,
    Growth,
    NameShown,
    ApiCalls,
    Verdicts,
    Renewals,
    Joins,
    Binary,
}

impl Row {
    /// Every row, in the document's order.
    pub const ALL: [Self; 10] = [
        Self::DiffStatic,
        Self::DiffDynamic,
        Self::Large,
        Self::Growth,
        Self::NameShown,
        Self::ApiCalls,
        Self::Verdicts,
        Self::Renewals,
        Self::Joins,
        Self::Binary,
    ];

    /// What is measured: the first cell.
    pub fn what(self) -> &'static str {
        match self {
            Self::DiffStatic => "`diff FILE` of a real config, whole process, static binary",
            Self::DiffDynamic => "the same, dynamically linked",
            Self::Large => "`diff FILE` of 1 MB, static binary",
            Self::Growth => {
                "growth of its time up to the limit of 1 MiB: what a byte of a 1 MB file costs, compared with one of 100 kB"
            }
            Self::NameShown => {
                "from the CSR's creation in the API to its name on standard output of `apply`"
            }
            Self::ApiCalls => {
                "API calls of one `apply`, with 0, 100 and 5,000 CSRs of other nodes in the cluster"
            }
            Self::Verdicts => "`approve --all --dry-run` with 5,000 pending CSRs of as many nodes",
            Self::Renewals => {
                "`approve --watch` with 5,000 Nodes, 10,000 Services and 5,000 refused CSRs: from the creation of a renewal's CSR to its approval"
            }
            Self::Joins => "the same for the CSR of a Node that joins",
            Self::Binary => "size of the static binary",
        }
    }

    /// The line of the document with this figure.
    pub fn line(self, figure: &str) -> String {
        format!("| {} | {figure} |", self.what())
    }
}

/// `document` with the figures that were measured; the rows that were not keep theirs.
///
/// # Errors
/// The row that `document` does not have exactly once.
pub fn updated(document: &str, measured: &[(Row, String)]) -> Result<String, Row> {
    let mut lines: Vec<String> = document.lines().map(str::to_owned).collect();
    for (row, figure) in measured {
        let start = row.line("");
        let start = start.trim_end_matches(" |");
        let mut found = lines.iter_mut().filter(|line| line.starts_with(start));
        match (found.next(), found.next()) {
            (Some(line), None) => *line = row.line(figure),
            _ => return Err(*row),
        }
    }
    Ok(lines.join("\n") + "\n")
}
