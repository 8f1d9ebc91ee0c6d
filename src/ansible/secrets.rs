//! What Ansible must not carry about: it prints answers, and its callbacks keep them.

/// kubeadm's keys whose values let a machine into the cluster (kubeadm API, BootstrapTokenString and CertificateKey).
const KEYS: [&str; 3] = ["token", "tlsBootstrapToken", "certificateKey"];
const MASK: &str = "********";

/// The same text without the secrets that kubeadm's files hold, its lines kept.
pub(super) fn masked(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .map(|line| without_tokens(&without_values(line)))
        .collect()
}

/// Without the values of [`KEYS`], in block and in flow style.
fn without_values(line: &str) -> String {
    let mut masked = line.to_owned();
    for key in KEYS {
        let mut from = 0;
        while let Some(at) = masked.get(from..).and_then(|rest| rest.find(key)) {
            let start = from + at;
            from = start + key.len();
            let before = masked[..start].chars().next_back();
            if before.is_some_and(char::is_alphanumeric) {
                continue;
            }
            let rest = masked[from..].trim_start_matches(['"', '\'', ' ', '\t']);
            let Some(rest) = rest.strip_prefix(':') else {
                continue;
            };
            let rest = rest.trim_start_matches([' ', '\t', '"', '\'']);
            let end = rest.find(['"', '\'', ',', '}', '\r', '\n', '#']);
            let value = rest[..end.unwrap_or(rest.len())].trim_end();
            if !value.is_empty() {
                let start = masked.len() - rest.len();
                masked.replace_range(start..start + value.len(), MASK);
            }
        }
    }
    masked
}

/// Without bootstrap tokens, wherever they stand: six and sixteen of `a-z0-9` with a dot between.
fn without_tokens(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_word = |c: char| is_part(c) || c == '.';
    let mut masked = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..];
        let word = &word[..word.find(|c| !is_word(c)).unwrap_or(word.len())];
        let is_token = word.split_once('.').is_some_and(|(id, secret)| {
            id.len() == 6 && secret.len() == 16 && !secret.contains('.')
        });
        masked.push_str(&rest[..start]);
        masked.push_str(if is_token { MASK } else { word });
        rest = &rest[start + word.len()..];
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_a_machine_in_is_taken_out() {
        for (text, expected) in [
            ("  token: abc\r\n", "  token: ********\r\n"),
            (
                "- token: \"abcdef.0123456789abcdef\" # x\n",
                "- token: \"********\" # x\n",
            ),
            (
                "{\"token\" : \"a\",\"certificateKey\":\"b\"}",
                "{\"token\" : \"********\",\"certificateKey\":\"********\"}",
            ),
            ("tlsBootstrapToken: 'x y'", "tlsBootstrapToken: '********'"),
            ("+certificateKey: e6a2eb", "+certificateKey: ********"),
            (
                "# join with abcdef.0123456789abcdef\n",
                "# join with ********\n",
            ),
            ("token:\n", "token:\n"),
            ("tokens: 3\nmytoken: é\n", "tokens: 3\nmytoken: é\n"),
            (
                "caCertHashes: [sha256:00ff]\n",
                "caCertHashes: [sha256:00ff]\n",
            ),
            (
                "clusterDomain: cluster.local",
                "clusterDomain: cluster.local",
            ),
            ("server: k8s.gcr.io", "server: k8s.gcr.io"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }
}
