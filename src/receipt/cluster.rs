//! The receipt of the last `cluster apply`.

use serde::{Deserialize, Serialize};

use super::{Change, State, VERSION};
use crate::plan::Edit;

/// What a `cluster apply` was about to change, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterReceipt {
    /// [`VERSION`].
    pub version: u32,
    /// How far it came.
    pub state: State,
    /// When it began, RFC 3339.
    pub started: String,
    /// The API server's address, for people: two addresses may lead to one cluster.
    pub server: String,
    /// `metadata.uid` of the ConfigMap, which no other ConfigMap of any cluster has.
    pub uid: String,
    /// Its one edit.
    pub edits: Vec<Change>,
}

impl ClusterReceipt {
    /// The receipt of an edit that is about to be made.
    pub fn started(edit: &Edit, server: String, uid: String, now: String) -> Self {
        Self {
            version: VERSION,
            state: State::Started,
            started: now,
            server,
            uid,
            edits: Change::of(edit).into_iter().collect(),
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

    /// The state of one whose change is not there, or no longer.
    pub fn undone(&self) -> State {
        match self.state {
            State::Started | State::PutBack => State::PutBack,
            State::Done | State::RollingBack | State::RolledBack => State::RolledBack,
        }
    }

    /// The name of the ConfigMap of kube-system that its change is of, and the change.
    pub fn change(&self) -> Option<(&str, &Change)> {
        let [change] = self.edits.as_slice() else {
            return None;
        };
        let name = change
            .target
            .to_str()?
            .strip_prefix("configmap/kube-system/")?;
        let is_kubelets = name == "kubelet-config"
            || name
                .strip_prefix("kubelet-config-1.")
                .is_some_and(|minor| minor.parse::<u32>().is_ok());
        is_kubelets.then_some((name, change))
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// When it is none, or of a version that this program does not know.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        super::admit_version(bytes)?;
        let receipt: Self =
            serde_json::from_slice(bytes).map_err(|error| super::no_receipt(&error))?;
        if receipt.change().is_none() {
            Err("it is not of one change of kubeadm's ConfigMap".to_owned())
        } else {
            Ok(receipt)
        }
    }

    /// Writes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A structure of strings and numbers always serializes.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Target;
    use crate::receipt::Standing;

    #[test]
    fn the_first_format_is_read_for_ever() {
        let text = include_bytes!("../../testdata/receipt/v1/cluster-receipt.json");
        let receipt = ClusterReceipt::parse(text).unwrap();
        assert_eq!(receipt.state, State::Done);
        let (name, change) = receipt.change().unwrap();
        assert_eq!(name, "kubelet-config");
        assert_eq!(change.inserted, "serverTLSBootstrap: true\n");
        assert_eq!(receipt.to_bytes(), text.strip_suffix(b"\n").unwrap());
    }

    #[test]
    fn a_receipt_of_the_cluster_undoes_byte_for_byte() {
        let edit = Edit {
            target: Target::ConfigMap {
                namespace: "kube-system".into(),
                name: "kubelet-config-1.19".into(),
            },
            before: b"a: false\ntoken: secret\n".into(),
            after: b"a: true\ntoken: secret\n".into(),
        };
        let receipt = ClusterReceipt::started(&edit, "s".into(), "u".into(), "t".into());
        let written = receipt.to_bytes();
        assert!(!String::from_utf8_lossy(&written).contains("secret"));
        let read = ClusterReceipt::parse(&written).unwrap();
        let (name, change) = read.change().unwrap();
        assert_eq!(name, "kubelet-config-1.19");
        match change.standing(&edit.after) {
            Standing::After(undo) => assert_eq!(undo.before, edit.before),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_receipt_of_the_cluster() {
        let good = include_str!("../../testdata/receipt/v1/cluster-receipt.json");
        for (from, to) in [
            ("\"version\": 1", "\"version\": 2"),
            ("kube-system/kubelet-config", "default/kubelet-config"),
            ("kubelet-config\"", "kubelet-config-1.19/../../secrets\""),
            (
                "configmap/kube-system/kubelet-config",
                "/var/lib/kubelet/config.yaml",
            ),
            ("\"uid\"", "\"uuid\""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert!(ClusterReceipt::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(
            ClusterReceipt::parse(include_bytes!("../../testdata/receipt/v1/receipt.json"))
                .is_err()
        );
    }
}
