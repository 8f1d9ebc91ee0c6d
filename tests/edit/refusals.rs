//! What is refused, and where.

use super::*;

#[test]
fn a_question_mark_or_a_colon_at_the_start_of_a_word_in_braces_is_refused() {
    // found by fuzzing: in YAML 1.1 a key, in YAML 1.2 a part of the word; refused by the place, or else by two readings
    for entry in [
        "?\"serverTLSBootstrap\":falsey",
        "?\"serverTLSBootstrap\"\n:falsey",
        "?serverTLSBootstrap: falsey",
        "a: [b, :c]",
        "a: [[b], ?c]",
    ] {
        let source = format!(
            "# c\n{{apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration,\n {entry}}}\n"
        );
        for wanted in [Bootstrap::Enabled, Bootstrap::Disabled] {
            for kind in [FileKind::Kubelet, FileKind::Kubeadm] {
                let edited = edit(source.as_bytes(), kind, wanted);
                assert!(edited.is_err(), "{source} {kind:?} {wanted:?} {edited:?}");
            }
        }
    }
    for line in [
        "a: ::1\n",
        "a: ?b\n",
        "a: {b: '?c', d: e?f:g}\n",
        "a: [b]\nc: :d\n",
        "a: {? b : c}\n",
    ] {
        let source = format!("{HEAD}{line}");
        assert!(enable(&source).is_ok(), "{source}: {:?}", enable(&source));
    }
}

#[test]
fn a_drop_in_is_changed_only_where_it_has_the_key() {
    let kind = "kind: KubeletConfiguration\n";
    let set =
        |line: &str, wanted| text(drop_in(&format!("{kind}{line}"), wanted)).replace(kind, "");
    assert_eq!(
        set("servertlsbootstrap: false\n", Bootstrap::Enabled),
        "servertlsbootstrap: true\n"
    );
    assert_eq!(
        set("serverTLSBootstrap: true", Bootstrap::Disabled),
        "serverTLSBootstrap: false"
    );
    assert_eq!(set("a: b", Bootstrap::Disabled), "a: b");
    refused(
        drop_in(kind, Bootstrap::Enabled),
        RefusalClass::Input,
        1,
        "does not have serverTLSBootstrap",
    );
    let twice = format!("{kind}serverTLSBootstrap: true\nServerTLSBootstrap: true\n");
    refused(
        drop_in(&twice, Bootstrap::Enabled),
        RefusalClass::Input,
        3,
        "in case only",
    );
    // found by fuzzing: the kubelet writes its own spelling after this one, and so over it
    for wanted in [Bootstrap::Enabled, Bootstrap::Disabled] {
        refused(
            drop_in(&format!("{kind}SERVERTLSBOOTSTRAP: true\n"), wanted),
            RefusalClass::Input,
            2,
            "does not read",
        );
    }
    refused(
        drop_in("kind: Pod\n", Bootstrap::Enabled),
        RefusalClass::Input,
        1,
        "Pod",
    );
    refused(
        drop_in("a: b\n---\nc: d\n", Bootstrap::Enabled),
        RefusalClass::Input,
        3,
        "second document",
    );
    let kindless = drop_in("serverTLSBootstrap: false\n", Bootstrap::Enabled).unwrap();
    assert!(kindless.warnings[0].message.contains("no kind"));
}

#[test]
fn what_is_ambiguous_is_refused_where_it_is() {
    for (source, line, reason) in [
        (
            "serverTLSBootstrap: true\nserverTLSBootstrap: true\n",
            4,
            "second time",
        ),
        ("a: &a b\n*a : c\n", 4, "alias"),
        ("!!binary c2VydmVyVExTQm9vdHN0cmFw: true\n", 3, "tag"),
        ("serverTLSBootstrap: !!str\n  no\n", 3, "several lines"),
        ("serverTLSBootstrap: 'fal\n  se'\n", 3, "several lines"),
        ("serverTLSBootstrap: &a no\nb: *a\n", 3, "anchor"),
        ("serverTLSBootstrap: []\n", 3, "collection"),
        ("---\na: [\n", 4, ""),
        (
            "---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n",
            4,
            "second KubeletConfiguration",
        ),
        ("a: *b\n", 3, "anchor"),
    ] {
        refused(
            enable(&format!("{HEAD}{source}")),
            RefusalClass::Input,
            line,
            reason,
        );
    }
    refused(
        enable(&format!("%YAML 1.2\n---\n{HEAD}")),
        RefusalClass::Input,
        2,
        "%YAML",
    );
    refused(
        enable(&format!("---\n---\n{HEAD}")),
        RefusalClass::Input,
        3,
        "not the first document",
    );
    refused(
        enable(&HEAD.replace("kind", "&x kind").replace("v1beta1", "v1")),
        RefusalClass::Input,
        1,
        "apiVersion",
    );
    refused(
        enable(&format!("--- !foo\n{HEAD}")),
        RefusalClass::Input,
        1,
        "tag",
    );
}
