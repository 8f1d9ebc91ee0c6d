//! The directory's files and what they say.

use std::fmt;

use super::base::Base;
use super::mark::{marked, sealed};
use super::pair::Pair;
use super::{KubeletCa, Names, helm, kustomization};
use crate::x509::pem;

/// For which tool the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `kubectl apply -k`
    Kustomize,
    /// `helm upgrade --values`
    Helm,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it runs and what it is called.
    pub names: Names,
    /// For which tool.
    pub format: Format,
    /// The manifest below; the chart has its own.
    pub base: Base,
    /// The kubelets' CA.
    pub kubelet_ca: KubeletCa,
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 0644
    Everybody,
    /// 0600: it holds a key.
    Owner,
}

impl Mode {
    /// The permission bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::Everybody => 0o644,
            Self::Owner => 0o600,
        }
    }
}

/// One file. Its `Debug` says nothing of what is in it: it may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Its name in the directory.
    pub name: &'static str,
    /// Its content.
    pub content: String,
    /// Who may read it.
    pub mode: Mode,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("name", &self.name)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// The names of kept files, which the next run reads.
pub mod kept_names {
    /// The serving certificate and its CA's.
    pub const CERTIFICATE: &str = "tls.crt";
    /// Its key.
    pub const KEY: &str = "tls.key";
    /// The CA, and the one before it.
    pub const CA: &str = "ca.crt";
    /// The CA's key, where it is kept.
    pub const CA_KEY: &str = "ca.key";
}

/// Every name that a file of ours may have; the last of a format's files is the one that makes the directory usable.
pub const MAY_BE_OURS: [&str; 11] = [
    kept_names::CA,
    kept_names::CA_KEY,
    kept_names::CERTIFICATE,
    kept_names::KEY,
    "base.yaml",
    "kubelet-ca.crt",
    "apiservice.yaml",
    "deployment.yaml",
    "kustomization.yaml",
    "manifests.yaml",
    "values.yaml",
];

/// The files that make a directory usable, without which no tool takes it.
pub const INDEXES: [&str; 2] = ["kustomization.yaml", "values.yaml"];

/// All files, the one that refers to the others last. `previous` is a CA that is still to be trusted.
pub fn files(wanted: &Wanted, pair: &Pair, previous: Option<&[u8]>) -> Vec<File> {
    let mut cas: Vec<Vec<u8>> = pair.chain.iter().skip(1).cloned().collect();
    cas.extend(previous.map(<[u8]>::to_vec));
    let bundle = pem::encode_all(&cas);
    let public = |name, content| File {
        name,
        content,
        mode: Mode::Everybody,
    };
    let secret = |name, content| File {
        name,
        content,
        mode: Mode::Owner,
    };
    let mut all = vec![
        public(kept_names::CA, marked(&bundle)),
        public(kept_names::CERTIFICATE, marked(&pair.bundle())),
        secret(kept_names::KEY, marked(&pair.key)),
    ];
    if let Some(key) = &pair.ca_key {
        all.push(secret(kept_names::CA_KEY, marked(key)));
    }
    match wanted.format {
        Format::Kustomize => {
            if let Base::File(base) = &wanted.base {
                all.push(public("base.yaml", sealed(&base.text)));
            }
            if let KubeletCa::Certificates(ders) = &wanted.kubelet_ca {
                all.push(public("kubelet-ca.crt", marked(&pem::encode_all(ders))));
            }
            all.push(public(
                "apiservice.yaml",
                sealed(&kustomization::api_service(wanted, &bundle)),
            ));
            all.push(public(
                "deployment.yaml",
                sealed(&kustomization::deployment(wanted)),
            ));
            all.push(public(
                "kustomization.yaml",
                sealed(&kustomization::kustomization(wanted)),
            ));
        }
        Format::Helm => {
            let objects = helm::Objects::of(wanted, pair);
            all.push(secret("manifests.yaml", sealed(&objects.manifests())));
            all.push(public(
                "values.yaml",
                sealed(&helm::values(wanted, &objects, &bundle)),
            ));
        }
    }
    all
}

/// A manifest as YAML, with what is to be said about it on top.
pub(super) fn yaml(comment: &str, value: &serde_json::Value) -> String {
    let mut text: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    // A JSON value always has a YAML form.
    text.push_str(&serde_yaml::to_string(value).unwrap_or_default());
    text
}
