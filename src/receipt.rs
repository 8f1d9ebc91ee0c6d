//! The receipt: what a run was about to change, enough to undo it, durable before the first edit.
//!
//! It holds no whole file, because kubeadm's files hold join tokens: only the bytes that change, where, and the
//! SHA-256 of what was and what will be, so that an undoing is byte for byte or not at all.

mod cluster;

use serde::{Deserialize, Serialize};

use std::path::{Path, PathBuf};

pub use cluster::ClusterReceipt;

use crate::kubelet::Bootstrap;
use crate::plan::{Edit, Target};
use crate::text::harmless;

/// The format's version. A later one must go on reading this one.
pub const VERSION: u32 = 1;

/// Asked before anything else, so that what a later version adds is not taken for a mistake.
fn admit_version(bytes: &[u8]) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_slice(bytes) {
        Ok(Versioned { version }) if version != VERSION => Err(format!(
            "it is of version {version}, and this program knows version {VERSION}"
        )),
        _ => Ok(()),
    }
}

/// Why it cannot be read. The words may quote what is there in the place of a receipt: as much as fits a line.
fn no_receipt(error: &serde_json::Error) -> String {
    const ENOUGH: usize = 200;
    let words = error.to_string();
    match words.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", harmless(words.get(..end).unwrap_or_default())),
        None => harmless(&words),
    }
}

/// What a run was about to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// [`VERSION`].
    pub version: u32,
    /// How far it came.
    pub state: State,
    /// When it began, RFC 3339.
    pub started: String,
    /// Its edits, those that change something.
    pub edits: Vec<Change>,
    /// The serving certificate that was put into the kubelet's store before the restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Installed>,
    /// What `serverTLSBootstrap` was to become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Bootstrap>,
    /// Set where the kubelet's own start made the change, so that nobody watched the kubelet that read it.
    #[serde(rename = "trial", default, skip_serializing_if = "Option::is_none")]
    pub probation: Option<Probation>,
    /// The request that the kubelet was seen to make afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Noted>,
}

/// A pair of certificate and key in the kubelet's store (client-go/util/certificate/certificate_store.go).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installed {
    /// The store's symlink, `kubelet-server-current.pem`.
    pub link: PathBuf,
    /// The dated file that it points to.
    pub pair: PathBuf,
    /// What it pointed to before; none where there was no symlink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<PathBuf>,
}

/// What tells a later start of the kubelet whether the one that read the change lived with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probation {
    /// systemd's count of automatic restarts when the change was made.
    pub n_restarts: u64,
}

/// A request, and the start of the kubelet that holds its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Noted {
    /// The CertificateSigningRequest's name.
    pub name: String,
    /// systemd's id of the kubelet's start.
    pub invocation_id: String,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Not to its end: whoever reads this, after the run is gone, finds a run that was cut off.
    Started,
    /// The change is made and, where the kubelet was restarted for it, proved.
    Done,
    /// The kubelet did not come back healthy, and everything was put back.
    PutBack,
    /// A `rollback` has begun to undo it: whoever reads this, after that is gone, finds one that was cut off.
    RollingBack,
    /// A `rollback` has undone it.
    RolledBack,
}

/// One edit, as the bytes that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The file; in a [`ClusterReceipt`] `configmap/kube-system/kubelet-config`.
    pub target: PathBuf,
    /// Where the change begins, in bytes.
    pub offset: usize,
    /// What stood there.
    pub removed: String,
    /// What stands there now.
    pub inserted: String,
    /// SHA-256 of the whole file before, in hexadecimal.
    pub sha256_before: String,
    /// SHA-256 of the whole file after, in hexadecimal.
    pub sha256_after: String,
}

/// How a file stands to a change of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It reads as before the change.
    Before,
    /// It reads as after it; this edit would have made it so.
    After(Edit),
    /// Somebody has edited it since.
    Other,
}

impl Receipt {
    /// The receipt of edits that are about to be made, to files with absolute paths.
    pub fn started(edits: &[Edit], now: String) -> Self {
        let edits = edits
            .iter()
            .filter(|edit| edit.changes())
            .filter_map(Change::of)
            .collect();
        Self {
            version: VERSION,
            state: State::Started,
            started: now,
            edits,
            installed: None,
            wanted: None,
            probation: None,
            request: None,
        }
    }

    /// The same with another state.
    #[must_use]
    pub fn at(&self, state: State) -> Self {
        Self {
            state,
            ..self.clone()
        }
    }

    /// How the files stand to its changes; `read` says what a file reads now.
    pub fn standing(&self, read: impl Fn(&Path) -> Vec<u8>) -> Vec<Standing> {
        let changes = self.edits.iter();
        changes
            .map(|change| change.standing(&read(&change.target)))
            .collect()
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// When it is none, or of a version that this program does not know.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        admit_version(bytes)?;
        serde_json::from_slice(bytes).map_err(|error| no_receipt(&error))
    }

    /// Writes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A structure of strings and numbers always serializes.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

impl Change {
    fn of(edit: &Edit) -> Option<Self> {
        let target = match &edit.target {
            Target::File(path) => path.clone(),
            Target::ConfigMap { .. } => edit.target.to_string().into(),
            Target::Standard => return None,
        };
        // Only UTF-8 is ever edited.
        let (before, after) = (
            std::str::from_utf8(&edit.before).ok()?,
            std::str::from_utf8(&edit.after).ok()?,
        );
        let prefix = before
            .chars()
            .zip(after.chars())
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a.len_utf8())
            .sum();
        let (rest_before, rest_after) = (before.get(prefix..)?, after.get(prefix..)?);
        let suffix: usize = rest_before
            .chars()
            .rev()
            .zip(rest_after.chars().rev())
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a.len_utf8())
            .sum();
        Some(Self {
            target,
            offset: prefix,
            removed: rest_before.get(..rest_before.len() - suffix)?.to_owned(),
            inserted: rest_after.get(..rest_after.len() - suffix)?.to_owned(),
            sha256_before: sha256(&edit.before),
            sha256_after: sha256(&edit.after),
        })
    }

    /// How a file that reads `now` stands to this change.
    pub fn standing(&self, now: &[u8]) -> Standing {
        let hash = sha256(now);
        if hash == self.sha256_before {
            return Standing::Before;
        }
        let undone = || {
            let end = self.offset.checked_add(self.inserted.len())?;
            let middle = now.get(self.offset..end)?;
            let before = [
                now.get(..self.offset)?,
                self.removed.as_bytes(),
                now.get(end..)?,
            ]
            .concat();
            (middle == self.inserted.as_bytes() && sha256(&before) == self.sha256_before)
                .then_some(before)
        };
        match undone() {
            Some(before) if hash == self.sha256_after => Standing::After(Edit {
                target: Target::File(self.target.clone()),
                before,
                after: now.to_vec(),
            }),
            _ => Standing::Other,
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "kind: KubeletConfiguration\nté: 1\ntoken: secret\n";
    const NEW: &str =
        "kind: KubeletConfiguration\nserverTLSBootstrap: true\nté: 1\ntoken: secret\n";

    fn receipt(before: &str, after: &str) -> Receipt {
        let edit = Edit {
            target: Target::File("/c.yaml".into()),
            before: before.into(),
            after: after.into(),
        };
        Receipt::started(&[edit], "2026-11-23T07:16:56Z".into())
    }

    #[test]
    fn what_is_no_receipt_is_quoted_briefly_and_obeyed_by_no_terminal() {
        let long = format!(r#"{{"version": 1, "{}state": 1}}"#, ".".repeat(300));
        let why = Receipt::parse(long.as_bytes()).unwrap_err();
        assert!(
            why.starts_with("unknown field `...") && why.ends_with(".…"),
            "{why}"
        );
        let odd = br#"{"version": 1, "\u001b[2J": 1}"#;
        let whys = [
            Receipt::parse(odd).unwrap_err(),
            ClusterReceipt::parse(odd).unwrap_err(),
        ];
        for why in whys {
            assert!(why.contains("\u{fffd}[2J"), "{why:?}");
        }
    }

    #[test]
    fn a_receipt_undoes_byte_for_byte() {
        for (before, after) in [
            (OLD, NEW),
            (NEW, OLD),
            ("a: false", "a: true"),
            ("", "x"),
            ("é", "è"),
            ("aa", "aaa"),
        ] {
            let written = receipt(before, after).to_bytes();
            let change = Receipt::parse(&written).unwrap().edits.remove(0);
            assert_eq!(change.standing(before.as_bytes()), Standing::Before);
            match change.standing(after.as_bytes()) {
                Standing::After(edit) => {
                    assert_eq!((edit.before, edit.after), (before.into(), after.into()))
                }
                other => panic!("{other:?}"),
            }
            for other in [
                "",
                "a: truf",
                "kind: KubeletConfiguration\nserverTLSBootstrap: true\n",
            ] {
                if other != before && other != after {
                    assert_eq!(
                        change.standing(other.as_bytes()),
                        Standing::Other,
                        "{other:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn it_holds_nothing_but_the_change() {
        let text = String::from_utf8(receipt(OLD, NEW).to_bytes()).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("serverTLSBootstrap: true"));
    }

    #[test]
    fn the_first_format_is_read_for_ever() {
        let text = include_bytes!("../testdata/receipt/v1/receipt.json");
        let receipt = Receipt::parse(text).unwrap();
        assert_eq!(receipt.state, State::Done);
        assert_eq!(receipt.edits[0].inserted, "serverTLSBootstrap: true\n");
        assert_eq!(receipt.to_bytes(), text.strip_suffix(b"\n").unwrap());
    }

    #[test]
    fn what_is_no_receipt() {
        for text in [
            "",
            "{}",
            "[]",
            "{\"version\":2,\"state\":\"Done\",\"started\":\"\",\"edits\":[]}",
        ] {
            assert!(Receipt::parse(text.as_bytes()).is_err(), "{text}");
        }
        for later in ["{\"version\":2,\"news\":[]}", "{\"version\":0}"] {
            for error in [
                Receipt::parse(later.as_bytes()).unwrap_err(),
                ClusterReceipt::parse(later.as_bytes()).unwrap_err(),
            ] {
                assert!(error.contains("this program knows version 1"), "{error}");
            }
        }
        // An offset from nowhere.
        let mut wrong = receipt(OLD, NEW).edits.remove(0);
        wrong.offset = usize::MAX;
        assert_eq!(wrong.standing(NEW.as_bytes()), Standing::Other);
    }
}
