//! What the edit makes of a file, case by case.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod kubeadm;
mod kubelet;
mod refusals;

use kubelet_tls::parts::edit::{Change, Edited, FileKind, edit};
use kubelet_tls::parts::kubelet::{Bootstrap, Effect, Position, Refusal, RefusalClass};

const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
const CLUSTER: &str = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n";
const INIT: &str = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n";
const JOIN: &str = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: JoinConfiguration\n";

fn enable(source: &str) -> Result<Edited, Refusal> {
    edit(
        source.as_bytes(),
        FileKind::detect(source.as_bytes()),
        Bootstrap::Enabled,
    )
}

fn disable(source: &str) -> Result<Edited, Refusal> {
    edit(
        source.as_bytes(),
        FileKind::detect(source.as_bytes()),
        Bootstrap::Disabled,
    )
}

fn drop_in(source: &str, wanted: Bootstrap) -> Result<Edited, Refusal> {
    edit(source.as_bytes(), FileKind::DropIn, wanted)
}

fn text(edited: Result<Edited, Refusal>) -> String {
    String::from_utf8(edited.unwrap().after).unwrap()
}

fn warnings(source: &str) -> Vec<(Option<usize>, String)> {
    let warnings = enable(source).unwrap().warnings;
    warnings
        .into_iter()
        .map(|warning| (warning.position.map(|at| at.line), warning.message))
        .collect()
}

#[track_caller]
fn refused(edited: Result<Edited, Refusal>, class: RefusalClass, line: usize, reason: &str) {
    let refusal = edited.unwrap_err();
    assert!(refusal.reason().contains(reason), "{refusal}");
    assert_eq!(
        (refusal.class(), refusal.position.map(|at| at.line)),
        (class, Some(line)),
        "{refusal}"
    );
    assert!(!refusal.advice().is_empty());
}

#[test]
fn the_reader_of_a_file_is_detected() {
    for (source, kind) in [
        (HEAD.to_owned(), FileKind::Kubelet),
        (CLUSTER.to_owned(), FileKind::Kubeadm),
        (format!("{HEAD}---\n{JOIN}"), FileKind::Kubeadm),
        (
            format!("# kubeadm.k8s.io/v1beta3\n{HEAD}a: kubeadm.k8s.io/v1beta3\n"),
            FileKind::Kubelet,
        ),
        (format!("{CLUSTER}---\na: ["), FileKind::Kubeadm),
        (
            r#"{"apiVersion": "kubeadm.k8s.io/v1beta3", "kind": "InitConfiguration"}"#.to_owned(),
            FileKind::Kubeadm,
        ),
        (String::new(), FileKind::Kubelet),
        ("kubeadm.k8s.io\0".to_owned(), FileKind::Kubelet),
    ] {
        assert_eq!(FileKind::detect(source.as_bytes()), kind, "{source}");
    }
}

#[test]
fn a_position_is_that_of_the_character() {
    let refusal = enable(&format!("{HEAD}é: a\u{2028}\n")).unwrap_err();
    assert_eq!(refusal.position, Some(Position { line: 3, column: 5 }));
    assert_eq!(refusal.to_string(), refusal.reason());
}
