//! What does not prevent an edit, but is not what the user may think.

use super::config::Spelling;
use super::goyaml::lookup;
use super::meta::{KEY, string};
use super::verdict::Warning;
use crate::text::shown;
use crate::yaml::{EventKind, Stream};

/// Warns of keys that look like the one wanted and are not, and of a static certificate.
pub(crate) fn warn(
    stream: &Stream<'_>,
    root: usize,
    spelling: Spelling,
    warnings: &mut Vec<Warning>,
) {
    for (key, _) in stream.entries(root) {
        let text = stream.text(key);
        if spelling.matches(text, KEY) || !stream.is_scalar(key) {
            continue;
        }
        let message = match folded(text).as_str() {
            "servertlsbootstrap" => {
                format!("{} is not {KEY}, and never had an effect", shown(text))
            }
            "rotateservercertificates" => format!(
                "{} is a flag's name, not a key, and never had an effect: the key is {KEY}",
                shown(text)
            ),
            _ => continue,
        };
        warnings.push(Warning::at(stream.position(key), message));
    }
    warn_nested(stream, root, "the top level", warnings);
    for name in ["tlsCertFile", "tlsPrivateKeyFile"] {
        let value = lookup(stream, root, name)
            .filter(|value| string(stream, *value).is_some_and(|path| !path.is_empty()));
        if let Some(value) = value {
            let message = format!(
                "{name} is set: up to Kubernetes 1.34 clients that dial an IP address, as metrics-server does, keep getting that certificate"
            );
            warnings.push(Warning {
                is_of_static_certificate: true,
                ..Warning::at(stream.position(value), message)
            });
            break;
        }
    }
}

/// The kubelet refuses a drop-in that does not say its kind (`Unstructured` in apimachinery asks for it).
pub(crate) fn warn_kindless(stream: &Stream<'_>, root: usize, warnings: &mut Vec<Warning>) {
    if lookup(stream, root, "kind").is_none() {
        let message = "this drop-in has no kind, and with it the kubelet does not start: add apiVersion and kind";
        warnings.push(Warning::at(stream.position(root), message));
    }
}

/// Keys below the top level of a document that look like the one wanted.
pub(crate) fn warn_nested(
    stream: &Stream<'_>,
    root: usize,
    place: &str,
    warnings: &mut Vec<Warning>,
) {
    let mut open = vec![root];
    while let Some(collection) = open.pop() {
        let end = stream.event(collection).link as usize;
        let is_mapping = stream.is_mapping(collection);
        let mut is_key = is_mapping;
        let mut node = collection + 1;
        while node < end {
            if is_key
                && collection != root
                && stream.is_scalar(node)
                && folded(stream.text(node)) == "servertlsbootstrap"
            {
                let message = format!(
                    "{} has no effect here: it belongs at {place}",
                    shown(stream.text(node))
                );
                warnings.push(Warning::at(stream.position(node), message));
            }
            if matches!(
                stream.event(node).kind,
                EventKind::Sequence | EventKind::BlockMapping | EventKind::FlowMapping
            ) {
                open.push(node);
            }
            is_key = is_mapping && !is_key;
            node = stream.after(node);
        }
    }
}

/// A key as it sounds: letters in lower case, without what separates words.
fn folded(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}
