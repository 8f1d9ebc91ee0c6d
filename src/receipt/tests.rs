use std::path::PathBuf;

use super::*;
use crate::plan::Target;

const OLD: &str = "kind: KubeletConfiguration\nté: 1\ntoken: secret\n";
const NEW: &str = "kind: KubeletConfiguration\nserverTLSBootstrap: true\nté: 1\ntoken: secret\n";

fn receipt_of(edit: &Edit) -> NodeReceipt {
    Receipt::started(
        [edit],
        NodeSubject::default(),
        "2026-11-23T07:16:56Z".into(),
    )
}

fn receipt(before: &str, after: &str) -> NodeReceipt {
    receipt_of(&Edit::new(
        Target::File("/c.yaml".into()),
        before.into(),
        after.into(),
    ))
}

#[test]
fn a_file_that_is_not_a_receipt_is_quoted_briefly_and_escaped() {
    let long = format!(
        r#"{{"version": 1, "state": "Done", "started": "", "edits": [], "{}state": 1}}"#,
        ".".repeat(300)
    );
    let why = NodeReceipt::parse(long.as_bytes()).unwrap_err().to_string();
    assert!(
        why.starts_with("unknown field `...") && why.ends_with(".…"),
        "{why}"
    );
    let odd = br#"{"version": 1, "state": "Done", "started": "", "edits": [], "\u001b[2J": 1}"#;
    let whys = [
        NodeReceipt::parse(odd).unwrap_err(),
        ClusterReceipt::parse(odd).unwrap_err(),
    ];
    for why in whys {
        assert!(why.to_string().contains("\u{fffd}[2J"), "{why:?}");
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
        let change = NodeReceipt::parse(&written).unwrap().edits.remove(0);
        assert_eq!(change.compare(Some(before.as_bytes())), FileState::Before);
        match change.compare(Some(after.as_bytes())) {
            FileState::After(edit) => {
                assert_eq!(
                    (edit.bytes_before(), edit.bytes_after()),
                    (before.as_bytes(), after.as_bytes())
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(change.compare(None), FileState::Edited);
        for other in [
            "",
            "a: truf",
            "kind: KubeletConfiguration\nserverTLSBootstrap: true\n",
        ] {
            if other != before && other != after {
                assert_eq!(
                    change.compare(Some(other.as_bytes())),
                    FileState::Edited,
                    "{other:?}"
                );
            }
        }
    }
}

#[test]
fn the_receipt_of_a_created_file_removes_it() {
    let create = Edit::create("/p/kubeletconfiguration0+merge.yaml".into(), NEW.into());
    let written = receipt_of(&create).to_bytes();
    let change = NodeReceipt::parse(&written).unwrap().edits.remove(0);
    assert_eq!(change.compare(None), FileState::Before);
    assert_eq!(
        change.compare(Some(NEW.as_bytes())),
        FileState::After(create)
    );
    assert_eq!(change.compare(Some(b"")), FileState::Edited);
    assert_eq!(change.compare(Some(OLD.as_bytes())), FileState::Edited);
    // A creation of nothing but a part of the file is not one.
    let mut forged = change;
    forged.removed = "x".into();
    assert_eq!(forged.compare(Some(NEW.as_bytes())), FileState::Edited);
}

#[test]
fn it_holds_nothing_but_the_change() {
    let text = String::from_utf8(receipt(OLD, NEW).to_bytes()).unwrap();
    assert!(!text.contains("secret"), "{text}");
    assert!(text.contains("serverTLSBootstrap: true"));
}

#[test]
fn receipts_of_the_first_format_are_read() {
    let text = include_bytes!("../../testdata/receipt/v1/receipt.json");
    let receipt = NodeReceipt::parse(text).unwrap();
    assert_eq!(receipt.state, ReceiptState::Done);
    assert_eq!(receipt.edits[0].inserted, "serverTLSBootstrap: true\n");
    assert_eq!(receipt.to_bytes(), text.strip_suffix(b"\n").unwrap());
}

#[test]
fn cluster_receipts_of_the_first_format_are_read() {
    let text = include_bytes!("../../testdata/receipt/v1/cluster-receipt.json");
    let receipt = ClusterReceipt::parse(text).unwrap();
    assert_eq!(receipt.state, ReceiptState::Done);
    let (name, change) = receipt.change().unwrap();
    assert_eq!(name, "kubelet-config");
    assert_eq!(change.inserted, "serverTLSBootstrap: true\n");
    let as_json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    assert_eq!(as_json(&receipt.to_bytes()), as_json(text));
}

#[test]
fn a_file_that_is_not_a_receipt_is_an_error() {
    for text in [
        "",
        "{}",
        "[]",
        "{\"version\":2,\"state\":\"Done\",\"started\":\"\",\"edits\":[]}",
    ] {
        assert!(NodeReceipt::parse(text.as_bytes()).is_err(), "{text}");
    }
    for later in ["{\"version\":2,\"news\":[]}", "{\"version\":0}"] {
        for error in [
            NodeReceipt::parse(later.as_bytes()).unwrap_err(),
            ClusterReceipt::parse(later.as_bytes()).unwrap_err(),
        ] {
            assert!(
                error.to_string().contains("this program knows version 1"),
                "{error}"
            );
        }
    }
    // An offset from nowhere.
    let mut wrong = receipt(OLD, NEW).edits.remove(0);
    wrong.offset = usize::MAX;
    assert_eq!(wrong.compare(Some(NEW.as_bytes())), FileState::Edited);
}

#[test]
fn a_receipt_may_name_only_the_kubelets_own_store() {
    let pair = |link: &str, pair: &str| {
        let mut receipt = receipt(OLD, NEW);
        receipt.subject.installed = Some(Installed {
            link: link.into(),
            pair: pair.into(),
            replaced: None::<PathBuf>,
        });
        NodeReceipt::parse(&receipt.to_bytes())
    };
    let link = "/var/lib/kubelet/pki/kubelet-server-current.pem";
    let dated = "/var/lib/kubelet/pki/kubelet-server-2026-11-23-07-16-56.pem";
    assert!(pair(link, dated).is_ok());
    for (link, dated) in [
        (link, "/etc/passwd"),
        (link, "/var/lib/kubelet/pki/kubelet-client-current.pem"),
        (
            link,
            "/var/lib/kubelet/pki/kubelet-server-2026-11-23-07-16-5x.pem",
        ),
        (
            link,
            "/var/lib/kubelet/pki/kubelet-server-2026-11-23-07-16-56.pem.bak",
        ),
        (link, "/etc/kubelet-server-2026-11-23-07-16-56.pem"),
        (link, link),
        ("/var/lib/kubelet/pki/other.pem", dated),
        (
            "pki/kubelet-server-current.pem",
            "pki/kubelet-server-2026-11-23-07-16-56.pem",
        ),
        (
            "/a/../b/kubelet-server-current.pem",
            "/a/../b/kubelet-server-2026-11-23-07-16-56.pem",
        ),
    ] {
        assert_eq!(
            pair(link, dated).unwrap_err(),
            ReceiptError::NotKubeletPair,
            "{link} {dated}"
        );
    }
}

#[test]
fn a_receipt_of_the_cluster_undoes_byte_for_byte() {
    let edit = Edit::new(
        Target::ConfigMap {
            namespace: "kube-system".into(),
            name: "kubelet-config-1.19".into(),
        },
        b"a: false\ntoken: secret\n".into(),
        b"a: true\ntoken: secret\n".into(),
    );
    let subject = ClusterSubject {
        server: "s".into(),
        uid: "u".into(),
    };
    let written = ClusterReceipt::started([&edit], subject, "t".into()).to_bytes();
    assert!(!String::from_utf8_lossy(&written).contains("secret"));
    let read = ClusterReceipt::parse(&written).unwrap();
    let (name, change) = read.change().unwrap();
    assert_eq!(name, "kubelet-config-1.19");
    match change.compare(edit.after.as_deref()) {
        FileState::After(undo) => assert_eq!(undo.before, edit.before),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_not_a_cluster_receipt_is_an_error() {
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
        ClusterReceipt::parse(include_bytes!("../../testdata/receipt/v1/receipt.json")).is_err()
    );
}
