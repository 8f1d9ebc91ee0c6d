//! The laws of the API server's flag in manifests and configurations, for the property tests and for `fuzz/`.

use kubelet_tls::parts::edit::api_server::{Verification, edit};
use kubelet_tls::parts::edit::{Change, Edited};
use kubelet_tls::parts::kubelet::Refusal;
use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use crate::law::{Broken, is_one_line};

const FLAG: &str = "kubelet-certificate-authority";

/// What was edited, and what was changed.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) accepted: usize,
    pub(crate) changed: usize,
}

/// Small files of each shape.
#[allow(dead_code, reason = "the fuzzer has seeds of its own")]
pub(crate) const SMALL: [&str; 6] = [
    "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer: {}\n",
    "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n    audit-log: b # c\n    v: \"2\"\n  timeoutForControlPlane: 4m0s\n",
    "apiServer:\n  extraArgs:\n  - name: v\n    value: \"2\"\n  # c\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n",
    "{\"apiVersion\":\"kubeadm.k8s.io/v1beta4\",\"kind\":\"ClusterConfiguration\",\"apiServer\":{\"certSANs\":[\"a\"]}}",
    "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n",
    "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command: [kube-apiserver]\n    args: [--v=2, --client-ca-file=/pki/ca.crt]\n    volumeMounts:\n    - {mountPath: /pki, name: pki}\n  volumes:\n  - name: pki\n    hostPath: {path: /srv}\n",
];

/// Edits `bytes` in both directions.
pub(crate) fn check(bytes: &[u8]) -> Result<Counts, Broken> {
    let mut counts = Counts::default();
    for wanted in [Verification::Enabled, Verification::Disabled] {
        match edit(bytes, wanted) {
            Ok(edited) => {
                counts.accepted += 1;
                counts.changed += usize::from(edited.change != Change::None);
                check_edited(bytes, &edited, wanted)?;
            }
            Err(refusal) => check_refusal(bytes, &refusal)?,
        }
    }
    Ok(counts)
}

fn check_edited(bytes: &[u8], edited: &Edited, wanted: Verification) -> Result<(), Broken> {
    let after = &edited.after;
    let again = edit(after, wanted);
    law!(
        again
            .as_ref()
            .is_ok_and(|again| again.change == Change::None && again.after == *after),
        "{again:?}"
    );
    let (removed, inserted) = spliced(bytes, after);
    match edited.change {
        Change::None => law!(bytes == after.as_slice()),
        Change::Inserted { .. } => law!(removed.is_empty(), "{removed:?}"),
        Change::Appended { .. } => law!(after.starts_with(bytes)),
        // `{}` or nothing is replaced by a block, or a block by `{}`
        Change::Replaced { .. } if wanted == Verification::Enabled => law!(
            removed.iter().all(|byte| b" \t{}[]~nulNUL".contains(byte)),
            "{removed:?}"
        ),
        Change::Replaced { .. } => law!(
            matches!(inserted, b" {}" | b"{}" | b" {" | b"{" | b"}"),
            "{inserted:?}"
        ),
        Change::Removed { .. } => law!(inserted.is_empty(), "{inserted:?}"),
    }
    check_reading(bytes, edited, wanted)?;
    // the way back reads as before
    let Ok(back) = edit(after, opposite(wanted)) else {
        return Ok(());
    };
    check_reading(after, &back, opposite(wanted))?;
    if wanted == Verification::Enabled && matches!(edited.change, Change::Inserted { .. }) {
        law!(
            back.after == bytes,
            "{:?}",
            String::from_utf8_lossy(&back.after)
        );
    }
    Ok(())
}

/// An independent reader has the flag once or not at all, and everything else as it was.
fn check_reading(before: &[u8], edited: &Edited, wanted: Verification) -> Result<(), Broken> {
    let Some(mut old) = documents(before) else {
        return Ok(());
    };
    let new = documents(&edited.after);
    law!(new.is_some(), "the result cannot be read");
    let mut new = new.unwrap_or_default();
    let count = |documents: &mut Vec<Value>| documents.iter_mut().map(without_flag).sum::<usize>();
    let (was, is) = (count(&mut old), count(&mut new));
    let expected = match (edited.change, wanted) {
        (Change::None, _) => was,
        (_, Verification::Enabled) => was + 1,
        (_, Verification::Disabled) => was.saturating_sub(1),
    };
    law!(is == expected, "{was} {is}");
    if matches!(edited.change, Change::Appended { .. }) {
        let added = new.pop();
        law!(added.is_some_and(
            |added| added.get("kind").and_then(Value::as_str) == Some("ClusterConfiguration")
        ));
        if old.len() > new.len() {
            law!(old.pop() == Some(Value::Null));
        }
    }
    law!(old == new, "{old:?} {new:?}");
    Ok(())
}

/// Takes the flag out of a document, and what is then empty. How often it was there.
fn without_flag(document: &mut Value) -> usize {
    let mut count = 0;
    if let Some(containers) = document
        .get_mut("spec")
        .and_then(|spec| spec.get_mut("containers"))
        .and_then(Value::as_sequence_mut)
    {
        for container in containers {
            for list in ["command", "args"] {
                let Some(words) = container.get_mut(list).and_then(Value::as_sequence_mut) else {
                    continue;
                };
                count += without_words(words);
            }
        }
    }
    let Some(document) = document.as_mapping_mut() else {
        return count;
    };
    let Some(server) = document.get_mut("apiServer") else {
        return count;
    };
    let is_flag = |name: &Value| {
        name.as_str()
            .is_some_and(|name| name.replace('_', "-") == FLAG)
    };
    let mut is_empty = false;
    match server.get_mut("extraArgs") {
        Some(Value::Mapping(arguments)) => {
            let kept: Mapping = arguments
                .iter()
                .filter(|(name, _)| !is_flag(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            count += arguments.len() - kept.len();
            is_empty = kept.is_empty();
            *arguments = kept;
        }
        Some(Value::Sequence(arguments)) => {
            let was = arguments.len();
            arguments.retain(|item| !item.get("name").is_some_and(is_flag));
            count += was - arguments.len();
            is_empty = arguments.is_empty();
        }
        Some(Value::Null) => is_empty = true,
        _ => {}
    }
    if let Some(server) = server.as_mapping_mut().filter(|_| is_empty) {
        server.remove("extraArgs");
    }
    if server.is_null() || server.as_mapping().is_some_and(Mapping::is_empty) {
        document.remove("apiServer");
    }
    count
}

fn without_words(words: &mut Vec<Value>) -> usize {
    let name = |word: &Value| {
        let word = word.as_str()?.strip_prefix("--")?;
        Some(match word.split_once('=') {
            Some((name, _)) => (name.replace('_', "-"), 1),
            None => (word.replace('_', "-"), 2),
        })
    };
    let mut count = 0;
    let mut index = 0;
    while let Some(word) = words.get(index) {
        match name(word) {
            Some((name, length)) if name == FLAG => {
                let end = (index + length).min(words.len());
                words.drain(index..end);
                count += 1;
            }
            _ => index += 1,
        }
    }
    count
}

fn check_refusal(bytes: &[u8], refusal: &Refusal) -> Result<(), Broken> {
    law!(is_one_line(&refusal.reason()), "{refusal:?}");
    law!(is_one_line(&refusal.advice()), "{refusal:?}");
    if let Some(position) = refusal.position {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        law!(
            (1..=lines + 1).contains(&position.line) && position.column >= 1,
            "{position}"
        );
    }
    Ok(())
}

/// Every document as an independent reader has it, if it can read them all.
fn documents(bytes: &[u8]) -> Option<Vec<Value>> {
    let text = std::str::from_utf8(bytes)
        .ok()?
        .trim_start_matches('\u{feff}');
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).ok())
        .collect()
}

/// The bytes between the common start and the common end.
fn spliced<'a>(before: &'a [u8], after: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    (&before[..before.len() - end], &after[..after.len() - end])
}

fn opposite(wanted: Verification) -> Verification {
    match wanted {
        Verification::Enabled => Verification::Disabled,
        Verification::Disabled => Verification::Enabled,
    }
}
