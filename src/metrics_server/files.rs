//! The directory's files and what they say.

use super::base::Base;
use super::header::{checksummed, with_header};
use super::pair::Pair;
use super::spec::{OverlayFormat, OverlaySpec, file_names};
use super::{KubeletCa, helm, kustomization};
use crate::x509::pem;

/// The mode of a file that every user may read, because it holds no key.
const PUBLIC: u32 = 0o644;
/// The mode of a file that its owner alone may read, because it holds a key.
const PRIVATE: u32 = 0o600;

/// A file as it is to be. It has no `Debug`: its content may be a key.
pub struct GeneratedFile {
    /// Its name in the directory.
    pub name: &'static str,
    /// The whole file as it is to be written.
    pub content: String,
    /// Its permission bits, such as 0644.
    pub mode: u32,
}

/// Every name that a generated file may have.
pub const GENERATED: [&str; 12] = [
    file_names::CA,
    file_names::CA_KEY,
    file_names::CERTIFICATE,
    file_names::KEY,
    "base.yaml",
    "kubelet-ca.crt",
    "secret.yaml",
    "apiservice.yaml",
    "deployment.yaml",
    "kustomization.yaml",
    "manifests.yaml",
    "values.yaml",
];

/// The files that refer to the others. No tool takes a directory without one of them, so they are written last.
pub(super) const INDEXES: [&str; 2] = ["kustomization.yaml", "values.yaml"];

/// All files, the one that refers to the others last. `previous` is an earlier CA that the API server is still to trust.
pub(super) fn files(
    spec: &OverlaySpec,
    pair: &Pair,
    previous: Option<&[u8]>,
) -> Vec<GeneratedFile> {
    let mut cas: Vec<Vec<u8>> = pair.chain.iter().skip(1).cloned().collect();
    cas.extend(previous.map(<[u8]>::to_vec));
    let bundle = pem::encode_all(&cas);
    let mut all = vec![
        public(file_names::CA, with_header(&bundle)),
        public(file_names::CERTIFICATE, with_header(&pair.bundle())),
        private(file_names::KEY, with_header(&pair.key)),
    ];
    if let Some(key) = &pair.ca_key {
        all.push(private(file_names::CA_KEY, with_header(key)));
    }
    all.extend(match spec.format {
        OverlayFormat::Kustomize => overlay(spec, pair, &bundle),
        OverlayFormat::Helm => chart(spec, pair, &bundle),
    });
    all
}

fn overlay(spec: &OverlaySpec, pair: &Pair, bundle: &str) -> Vec<GeneratedFile> {
    let mut all = Vec::new();
    if let Base::File(base) = &spec.base {
        all.push(public("base.yaml", checksummed(&base.text)));
    }
    if let KubeletCa::Certificates(ders) = &spec.kubelet_ca {
        all.push(public(
            "kubelet-ca.crt",
            with_header(&pem::encode_all(ders)),
        ));
    }
    let (name, secret) =
        kustomization::secret(spec, &with_header(&pair.bundle()), &with_header(&pair.key));
    all.extend([
        private("secret.yaml", checksummed(&secret)),
        public(
            "apiservice.yaml",
            checksummed(&kustomization::api_service(spec, bundle)),
        ),
        public(
            "deployment.yaml",
            checksummed(&kustomization::deployment(spec, &name)),
        ),
        public(
            "kustomization.yaml",
            checksummed(&kustomization::kustomization(spec)),
        ),
    ]);
    all
}

fn chart(spec: &OverlaySpec, pair: &Pair, bundle: &str) -> Vec<GeneratedFile> {
    let objects = helm::Objects::of(spec, pair);
    vec![
        private("manifests.yaml", checksummed(&objects.manifests())),
        public(
            "values.yaml",
            checksummed(&helm::values(spec, &objects, bundle)),
        ),
    ]
}

fn public(name: &'static str, content: String) -> GeneratedFile {
    GeneratedFile {
        name,
        content,
        mode: PUBLIC,
    }
}

fn private(name: &'static str, content: String) -> GeneratedFile {
    GeneratedFile {
        name,
        content,
        mode: PRIVATE,
    }
}
