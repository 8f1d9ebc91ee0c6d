//! What systemctl says when it fails, read: pure, and tested on real output.

/// What systemctl means by a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SystemctlFailure {
    /// It found no systemd to ask.
    Absent,
    /// The caller lacks the right.
    Denied,
    /// Anything else, such as a masked unit.
    Other,
}

/// Reads the first line of systemctl's standard error, in the C locale. Its exit code does not tell: it is 1 for most
/// failures, and 4 both for a lack of rights and for a job that conflicts with another. The end of the line is the name
/// of an errno or the text of a D-Bus error; both are fixed.
pub(super) fn parse_refusal(line: &str) -> SystemctlFailure {
    const DENIED: [&str; 4] = [
        "Access denied",
        "Permission denied",
        "Operation not permitted",
        "Interactive authentication required.",
    ];
    let cause = line.rsplit_once(": ").map_or(line, |(_, cause)| cause);
    let has_no_bus = line.starts_with("Failed to connect to bus: ")
        || line.starts_with("Failed to connect to system scope bus via ");
    match DENIED.contains(&cause) {
        true => SystemctlFailure::Denied,
        false if has_no_bus || line.starts_with("System has not been booted with systemd") => {
            SystemctlFailure::Absent
        }
        false => SystemctlFailure::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSALS: &str = include_str!("../../../testdata/captured/systemctl-252-refusals.txt");

    #[test]
    fn a_refusal_of_systemctl_is_told_from_its_first_line() {
        let mut seen = 0;
        for case in REFUSALS.split("\n\n") {
            let (head, output) = case.split_once('\n').unwrap();
            let expected = match head.split_whitespace().next_back().unwrap() {
                "absent" => SystemctlFailure::Absent,
                "denied" => SystemctlFailure::Denied,
                "other" => SystemctlFailure::Other,
                unknown => panic!("{unknown}"),
            };
            let line = output.lines().next().unwrap();
            assert_eq!(parse_refusal(line), expected, "{head}\n{line}");
            seen += 1;
        }
        assert_eq!(seen, 14);
    }
}
