//! Credentials in a kubelet's or kubeadm's file, which are masked wherever the file is shown.

use std::ops::Range;

use crate::yaml::{EventKind, Stream};

/// Keys whose values are credentials: a join token (`bootstrapTokens[].token`, `discovery.bootstrapToken.token`,
/// `tlsBootstrapToken`), the key to the certificates that kubeadm uploads, the headers with which the kubelet asks for
/// static pods (`--manifest-url-header`), and what a kubeconfig has in place of files.
const KEYS: [&str; 8] = [
    "token",
    "tlsBootstrapToken",
    "certificateKey",
    "staticPodURLHeader",
    "manifest-url-header",
    "password",
    "client-key-data",
    "client-certificate-data",
];

/// What is printed instead of a secret.
const MASK: &str = "***";

/// A bootstrap token is `[a-z0-9]{6}\.[a-z0-9]{16}`, a public id and a secret
/// (`BootstrapTokenPattern` in k8s.io/cluster-bootstrap).
const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;

/// A file's text for showing: values of secret keys and bootstrap tokens anywhere, in comments too, replaced by `***`.
/// It has as many lines as the file.
pub(crate) fn masked(bytes: &[u8]) -> String {
    masked_start(bytes, bytes.len())
}

/// The first `len` bytes of a file's text, which end with a line, masked like [`masked`].
pub(crate) fn masked_start(bytes: &[u8], len: usize) -> String {
    // Only UTF-8 is ever edited, so nothing is lost here.
    let whole = String::from_utf8_lossy(bytes);
    let text = whole.get(..len).unwrap_or(&whole);
    let mut spans = token_spans(text);
    // the alias that makes an anchored value a secret may stand behind the text
    let read = if text.contains('&') { &whole } else { text };
    // most files have no such key, and need not be parsed to see that
    let may_have_key = read.contains('\\') || KEYS.iter().any(|key| read.contains(key));
    if may_have_key && let Ok(stream) = Stream::parse_until(whole.as_bytes(), read.len()) {
        spans.extend(key_spans(&stream));
    }
    spans.sort_by_key(|span| span.start);
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        let (start, end) = (span.start.max(at), span.end.min(text.len()));
        if start >= end {
            continue;
        }
        shown.push_str(text.get(at..start).unwrap_or_default());
        mask_into(&mut shown, text.get(start..end).unwrap_or_default());
        at = end;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}

/// Each line of a secret alone, so that the lines stay lines.
fn mask_into(shown: &mut String, secret: &str) {
    for line in secret.split_inclusive('\n') {
        let body = line.trim();
        let indent = line.len() - line.trim_start().len();
        let end = line.len().min(indent + body.len());
        if body.is_empty() {
            shown.push_str(line);
        } else {
            shown.push_str(line.get(..indent).unwrap_or_default());
            shown.push_str(MASK);
            shown.push_str(line.get(end..).unwrap_or_default());
        }
    }
}

/// The scalars that are values, at any depth, of a key that is secret.
fn key_spans(stream: &Stream<'_>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for mapping in (0..stream.events.len()).filter(|index| stream.is_mapping(*index)) {
        for (key, value) in stream.entries(mapping) {
            if KEYS.contains(&stream.text(stream.target(key))) {
                let value = stream.target(value);
                let scalars = (value..stream.after(value))
                    .map(|node| stream.event(stream.target(node)))
                    .filter(|event| matches!(event.kind, EventKind::Scalar(_)));
                spans.extend(scalars.map(|event| event.start as usize..event.end as usize));
            }
        }
    }
    spans
}

/// The secret parts of bootstrap tokens.
fn token_spans(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let is_letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut spans = Vec::new();
    for (dot, _) in text.match_indices('.') {
        let Some(start) = dot.checked_sub(ID_LENGTH) else {
            continue;
        };
        let end = dot + 1 + SECRET_LENGTH;
        let (Some(id), Some(secret)) = (bytes.get(start..dot), bytes.get(dot + 1..end)) else {
            continue;
        };
        let before = start.checked_sub(1).and_then(|before| bytes.get(before));
        let stands_alone = !before.is_some_and(is_letter) && !bytes.get(end).is_some_and(is_letter);
        if stands_alone && id.iter().chain(secret).all(is_letter) {
            spans.push(dot + 1..end);
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        for (source, shown) in [
            (
                "bootstrapTokens:\n- token: abcdef.0123456789abcdef\n  ttl: 24h\n",
                "bootstrapTokens:\n- token: ***\n  ttl: 24h\n",
            ),
            ("token: \"half # c\n", "token: \"half # c\n"),
            ("token: 'a b' # c\r\na: b\r\n", "token: *** # c\r\na: b\r\n"),
            ("a: &s hidden\ntoken: *s\n", "a: &s ***\ntoken: *s\n"),
            (
                "a:\n- password: \"x\n    y\n    z\"\nb: c\n",
                "a:\n- password: ***\n    ***\n    ***\nb: c\n",
            ),
            (
                "# kubeadm join --token abcdef.0123456789abcdef x\n",
                "# kubeadm join --token abcdef.*** x\n",
            ),
            (
                "{\"token\":\"x\",\"ttl\":\"1h\"}\n",
                "{\"token\":***,\"ttl\":\"1h\"}\n",
            ),
            (
                "certificateKey: |\n  one\n  two\na: b\n",
                "certificateKey: |\n  ***\n  ***\na: b\n",
            ),
            (
                "staticPodURLHeader:\n  Authorization:\n  - Bearer x\n  - y\nport: 1\n",
                "staticPodURLHeader:\n  ***:\n  - ***\n  - ***\nport: 1\n",
            ),
            ("\"to\\x6ben\": a\n", "\"to\\x6ben\": ***\n"),
            ("token:\ntokenTTL: 5m\n", "token:\ntokenTTL: 5m\n"),
            (
                "a: www.abcdefghijklmnop.org\nb: abcdefg.0123456789abcdef\n",
                "a: www.abcdefghijklmnop.org\nb: abcdefg.0123456789abcdef\n",
            ),
            ("[: abcdef.0123456789abcdef", "[: abcdef.***"),
        ] {
            assert_eq!(masked(source.as_bytes()), shown);
            // the start is masked as in the whole, wherever it ends
            for (end, _) in source.match_indices('\n') {
                let start = masked_start(source.as_bytes(), end + 1);
                let lines = source[..=end].matches('\n').count();
                let wanted: String = shown.split_inclusive('\n').take(lines).collect();
                assert_eq!(start, wanted, "{source:?} up to {end}");
            }
        }
    }
}
