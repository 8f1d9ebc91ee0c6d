//! The laws of the edit, for the property tests and for `fuzz/`.

use kubelet_tls::parts::edit::{Change, Edited, FileKind, edit};
use kubelet_tls::parts::kubelet::{Bootstrap, Refusal, Settings};
use serde::Deserialize;
use serde_yaml::Value;

use crate::law::{Broken, is_one_line};

const KEY: &str = "serverTLSBootstrap";
/// What goyaml takes for true, as an independent reader gives it: as a boolean or as text.
const TRUE: [&str; 11] = [
    "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
];
const FALSE: [&str; 11] = [
    "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
];

/// What a fuzzing input asks for: its first byte says what reads the file and what is wanted, the rest is the file.
pub(crate) fn input(data: &[u8]) -> Option<(&[u8], FileKind, Bootstrap)> {
    let (selector, bytes) = data.split_first()?;
    let kind = match selector & 3 {
        0 => FileKind::Kubelet,
        1 => FileKind::Kubeadm,
        2 => FileKind::DropIn,
        _ => FileKind::detect(bytes),
    };
    let wanted = if selector & 4 == 0 {
        Bootstrap::Enabled
    } else {
        Bootstrap::Disabled
    };
    Some((bytes, kind, wanted))
}

/// Edits `bytes`. Whether the edit was refused, or else what it changed, if no law was broken.
pub(crate) fn check(
    bytes: &[u8],
    kind: FileKind,
    wanted: Bootstrap,
) -> Result<Option<Change>, Broken> {
    match edit(bytes, kind, wanted) {
        Ok(edited) => {
            for warning in &edited.warnings {
                law!(is_one_line(&warning.message), "{warning:?}");
            }
            check_edited(bytes, &edited, kind, wanted).map(|()| Some(edited.change))
        }
        Err(refusal) => check_refusal(bytes, &refusal).map(|()| None),
    }
}

fn check_edited(
    bytes: &[u8],
    edited: &Edited,
    kind: FileKind,
    wanted: Bootstrap,
) -> Result<(), Broken> {
    // applying twice is applying once
    let again = edit(&edited.after, kind, wanted);
    law!(
        again
            .as_ref()
            .is_ok_and(|again| again.change == Change::None && again.after == edited.after),
        "{again:?}"
    );

    check_bytes(bytes, edited)?;
    check_reading(bytes, edited, kind, wanted)?;
    check_kubelets_reading(edited, kind, wanted)?;

    // the way back: the file reads as before, but for a false that was not there
    let Ok(back) = edit(&edited.after, kind, opposite(wanted)) else {
        return Ok(());
    };
    check_bytes(&edited.after, &back)?;
    check_reading(&edited.after, &back, kind, opposite(wanted))?;
    check_kubelets_reading(&back, kind, opposite(wanted))?;
    if edited.change != Change::None && wanted == Bootstrap::Enabled {
        law!(
            matches!(back.change, Change::Replaced { .. }),
            "{:?}",
            back.change
        );
    }
    Ok(())
}

/// At most one line differs, and it is the one that is named, or a document is appended; what came, taken away, leaves
/// what was.
fn check_bytes(before: &[u8], edited: &Edited) -> Result<(), Broken> {
    let after = &edited.after[..];
    let (head, old, new) = differing(before, after);
    let (start, removed, inserted) = spliced(before, after);
    match edited.change {
        Change::None => law!(before == after),
        Change::Removed { .. } => law!(false, "this edit removes nothing"),
        Change::Replaced { line } => {
            law!(
                (old, new, line) == (1, 1, head + 1),
                "{line}: {head} {old} {new}"
            );
            law!(!removed.contains(&b'\n') && !inserted.contains(&b'\n'));
        }
        // in braces, or after a last line that had no end
        Change::Inserted { line } => {
            law!(
                matches!((old, new), (0, 1) | (1, 1) | (1, 2)),
                "{old} {new}"
            );
            law!(line == head + new, "{line}: {head} {old} {new}");
            law!(removed.is_empty(), "{removed:?} at {start}");
        }
        Change::Appended { line } => {
            law!(after.starts_with(before));
            law!(matches!((old, new), (0, 3..=4) | (1, 4..=5)), "{old} {new}");
            law!(line == lines(before).len() + 1, "{line}");
        }
    }
    Ok(())
}

/// An independent reader has the wanted value, and everything else as it was.
fn check_reading(
    before: &[u8],
    edited: &Edited,
    kind: FileKind,
    wanted: Bootstrap,
) -> Result<(), Broken> {
    let Some(mut old) = documents(before) else {
        return Ok(());
    };
    let new = documents(&edited.after);
    law!(new.is_some(), "the result cannot be read");
    let mut new = new.unwrap_or_default();
    let at = match edited.change {
        Change::Appended { .. } => {
            let added = new.pop();
            law!(added.as_ref().is_some_and(is_kubelets));
            let (_, value) = without_key(&added.unwrap_or_default(), kind);
            law!(says(value.as_ref(), wanted));
            if old.len() > new.len() {
                law!(old.pop() == Some(Value::Null));
            }
            None
        }
        _ if kind == FileKind::Kubeadm => old.iter().position(is_kubelets),
        _ => Some(0),
    };
    law!(old.len() == new.len());
    for (number, (old, new)) in old.iter().zip(&new).enumerate() {
        if Some(number) != at {
            law!(old == new, "{old:?} {new:?}");
            continue;
        }
        let ((old, _), (new, value)) = (without_key(old, kind), without_key(new, kind));
        law!(old == new, "{old:?} {new:?}");
        law!(says(value.as_ref(), wanted), "{value:?}");
    }
    Ok(())
}

/// The kubelet has the wanted value: what its reading is modelled in says so too.
fn check_kubelets_reading(
    edited: &Edited,
    kind: FileKind,
    wanted: Bootstrap,
) -> Result<(), Broken> {
    let settings = match kind {
        FileKind::Kubelet | FileKind::Patch(_) => {
            Settings::read(&edited.after).map_err(|refusal| (0, refusal))
        }
        FileKind::DropIn => Settings::read_with_drop_ins(b"{}", &[&edited.after]),
        // kubeadm gives the kubelet its document alone
        FileKind::Kubeadm => match pieces(&edited.after).find(|piece| {
            documents(piece).is_some_and(|documents| documents.iter().any(is_kubelets))
        }) {
            Some(piece) => Settings::read(piece).map_err(|refusal| (0, refusal)),
            None => return Ok(()),
        },
    };
    let value = settings.map(|settings| settings.server_tls_bootstrap.unwrap_or_default());
    law!(value == Ok(wanted == Bootstrap::Enabled), "{value:?}");
    Ok(())
}

fn check_refusal(bytes: &[u8], refusal: &Refusal) -> Result<(), Broken> {
    law!(is_one_line(&refusal.reason()), "{refusal:?}");
    let starts_with_a_name = ["RotateKubeletServerCertificate", "AllBeta"]
        .iter()
        .any(|gate| refusal.reason().starts_with(gate));
    law!(
        starts_with_a_name || !refusal.reason().starts_with(char::is_uppercase),
        "{refusal}"
    );
    let advice = &refusal.advice();
    law!(is_one_line(advice), "{refusal:?}");
    if let Some(position) = refusal.position {
        law!(
            (1..=lines(bytes).len() + 1).contains(&position.line) && position.column >= 1,
            "{position}"
        );
    }
    Ok(())
}

fn says(value: Option<&Value>, wanted: Bootstrap) -> bool {
    match (value, wanted) {
        (Some(Value::Bool(truth)), _) => *truth == (wanted == Bootstrap::Enabled),
        (Some(Value::String(word)), Bootstrap::Enabled) => TRUE.contains(&word.as_str()),
        (Some(Value::String(word)), Bootstrap::Disabled) => FALSE.contains(&word.as_str()),
        (None | Some(Value::Null), _) => wanted == Bootstrap::Disabled,
        _ => false,
    }
}

/// Every document as an independent reader has it, if it can read them all.
fn documents(bytes: &[u8]) -> Option<Vec<Value>> {
    let text = std::str::from_utf8(bytes)
        .ok()?
        .trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{')
        && let Ok(json) = serde_json::from_str::<Value>(text)
    {
        return Some(vec![json]);
    }
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).ok())
        .collect()
}

/// A document without the key, and the key's value.
fn without_key(document: &Value, kind: FileKind) -> (Value, Option<Value>) {
    let Value::Mapping(mapping) = document else {
        return (document.clone(), None);
    };
    let is_key = |key: &Value| match key.as_str() {
        Some(key) if kind == FileKind::DropIn => key.eq_ignore_ascii_case(KEY),
        Some(key) => key == KEY,
        None => false,
    };
    let value = mapping
        .iter()
        .find(|(key, _)| is_key(key))
        .map(|(_, value)| value.clone());
    let rest = mapping.iter().filter(|(key, _)| !is_key(key));
    (
        Value::Mapping(
            rest.map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        ),
        value,
    )
}

fn is_kubelets(document: &Value) -> bool {
    document.get("kind").and_then(Value::as_str) == Some("KubeletConfiguration")
}

/// The documents as kubeadm splits them: at lines of `---` and white space.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_separator = |line: &[u8]| {
        line.strip_prefix(b"---")
            .is_some_and(|rest| rest.iter().all(u8::is_ascii_whitespace))
    };
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let mut end = 0;
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            end += line.len();
            if is_separator(line) {
                let (piece, next) = rest.split_at(end);
                rest = next;
                return Some(&piece[..end - line.len()]);
            }
        }
        (end > 0).then(|| std::mem::take(&mut rest))
    })
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// How many lines the common head has, and how many lie between it and the common tail.
fn differing(before: &[u8], after: &[u8]) -> (usize, usize, usize) {
    let (mut old, mut new) = (lines(before), lines(after));
    while !old.is_empty() && old.last() == new.last() {
        old.pop();
        new.pop();
    }
    let head = old
        .iter()
        .zip(&new)
        .take_while(|(old, new)| old == new)
        .count();
    (head, old.len() - head, new.len() - head)
}

/// The bytes between the common start and the common end, and where they are.
fn spliced<'a>(before: &'a [u8], after: &'a [u8]) -> (usize, &'a [u8], &'a [u8]) {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    (
        start,
        &before[..before.len() - end],
        &after[..after.len() - end],
    )
}

fn opposite(wanted: Bootstrap) -> Bootstrap {
    match wanted {
        Bootstrap::Enabled => Bootstrap::Disabled,
        Bootstrap::Disabled => Bootstrap::Enabled,
    }
}
