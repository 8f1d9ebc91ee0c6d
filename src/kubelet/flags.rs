//! The kubelet's command line, by its own grammar (spf13/pflag).

use std::collections::BTreeMap;

/// Flags by their normal name, with `-` for `_`; of several occurrences the last one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    values: BTreeMap<String, String>,
}

/// Flags of a KubeletConfiguration field or the kubelet's own that mean true without a value. A flag that
/// is not here takes the next word as its value, as pflag has it for all but booleans.
const BOOLEANS: &[&str] = &[
    "rotate-server-certificates",
    "rotate-certificates",
    "fail-swap-on",
];

impl Flags {
    /// Reads the words behind the program's name.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Self {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (normal(name), value.to_owned()),
                None => {
                    let name = normal(flag);
                    let next = words.next_if(|next| {
                        !BOOLEANS.contains(&name.as_str()) && !next.starts_with('-')
                    });
                    (name, next.unwrap_or_else(|| "true".to_owned()))
                }
            };
            // A map flag adds to what was said before (component-base/cli/flag/map_string_bool.go).
            match values.get_mut(&name) {
                Some(gates) if name == "feature-gates" => *gates = format!("{gates},{value}"),
                _ => drop(values.insert(name, value)),
            }
        }
        Self { values }
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of the boolean `name`, as Go's strconv.ParseBool reads it; none where it is not given or no boolean
    /// (then the kubelet does not start).
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(parse_bool)
    }

    /// Whether a flag that matters to the serving certificate differs.
    pub fn differs(&self, other: &Self) -> bool {
        const MATTERS: [&str; 9] = [
            "config",
            "config-dir",
            "rotate-server-certificates",
            "feature-gates",
            "tls-cert-file",
            "tls-private-key-file",
            "cert-dir",
            "kubeconfig",
            "node-ip",
        ];
        MATTERS.iter().any(|name| self.get(name) != other.get(name))
    }

    /// `--feature-gates`, in order of their names.
    pub fn feature_gates(&self) -> BTreeMap<String, bool> {
        let gates = self.get("feature-gates").unwrap_or_default();
        gates
            .split(',')
            .filter_map(|gate| gate.split_once('='))
            .filter_map(|(name, value)| Some((name.trim().to_owned(), parse_bool(value.trim())?)))
            .collect()
    }
}

fn normal(name: &str) -> String {
    name.replace('_', "-")
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Flags {
        Flags::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read_as_pflag_reads_them() {
        let flags = parse(
            "--config=/a --config /b --kube_config=/c --rotate-server-certificates --v=2 x -v 3",
        );
        assert_eq!(flags.get("config"), Some("/b"));
        assert_eq!(flags.get("kube-config"), Some("/c"));
        assert_eq!(flags.boolean("rotate-server-certificates"), Some(true));
        assert_eq!(
            parse("--rotate_server_certificates=F").boolean("rotate-server-certificates"),
            Some(false)
        );
        assert_eq!(
            parse("--rotate-server-certificates false").boolean("rotate-server-certificates"),
            Some(true)
        );
        assert_eq!(
            parse("--rotate-server-certificates=yes").boolean("rotate-server-certificates"),
            None
        );
        assert_eq!(parse("").boolean("rotate-server-certificates"), None);
    }

    #[test]
    fn feature_gates_of_several_flags_are_merged() {
        let gates = parse("--feature-gates=A=true,B=false --feature_gates=A=0").feature_gates();
        assert_eq!(
            gates.into_iter().collect::<Vec<_>>(),
            [("A".into(), false), ("B".into(), false)]
        );
    }
}
