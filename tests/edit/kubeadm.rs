//! Kubeadm's files.

use super::*;

#[test]
fn a_document_is_appended_for_kubeadm_init() {
    let document = format!("---\n{HEAD}serverTLSBootstrap: true\n");
    for (source, line) in [
        (CLUSTER.to_owned(), 3),
        (format!("{INIT}---\n{CLUSTER}"), 6),
        (format!("{JOIN}---\n{CLUSTER}"), 6),
    ] {
        let edited = enable(&source).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&edited.after),
            format!("{source}{document}")
        );
        assert_eq!(edited.change, Change::Appended { line });
    }
    let edited = enable(CLUSTER.trim_end()).unwrap();
    assert_eq!(
        (text(Ok(edited.clone())), edited.change),
        (format!("{CLUSTER}{document}"), Change::Appended { line: 3 })
    );
    let begun = format!("{CLUSTER}---\n# here\n");
    assert_eq!(
        text(enable(&begun)),
        format!("{begun}{HEAD}serverTLSBootstrap: true\n")
    );
    let crlf = CLUSTER.replace('\n', "\r\n");
    assert_eq!(
        text(enable(&crlf)),
        format!("{crlf}{}", document.replace('\n', "\r\n"))
    );
    for (end, line) in [
        ("clusterName: |\n  a", 4),
        ("clusterName: |", 3),
        ("a: [b]\nclusterName: >+\n\n  ", 6),
    ] {
        let source = format!("{CLUSTER}{end}");
        refused(
            enable(&source),
            RefusalClass::Input,
            line,
            "within a block scalar",
        );
    }
    assert!(enable(&format!("{CLUSTER}clusterName: |\n  a\n# c")).is_ok());
}

#[test]
fn nothing_is_set_where_kubeadm_does_not_read_it() {
    refused(enable(JOIN), RefusalClass::Effect, 1, "kubeadm join");
    assert!(
        enable(JOIN)
            .unwrap_err()
            .advice()
            .contains("kubelet-tls cluster apply")
    );
    refused(
        enable(&JOIN.replace("Join", "Reset")),
        RefusalClass::Effect,
        1,
        "ResetConfiguration",
    );
    let beside = enable(&format!("{JOIN}---\n{HEAD}")).unwrap();
    let refusal = beside.without_effect.unwrap();
    assert_eq!(refusal.cause, Effect::BesideJoin.into());
    let kubelet_alone = edit(HEAD.as_bytes(), FileKind::Kubeadm, Bootstrap::Enabled).unwrap();
    assert!(
        kubelet_alone.warnings[0]
            .message
            .contains("kubeadm init refuses")
    );
    assert_eq!(
        warnings(&format!("{CLUSTER}serverTLSBootstrap: true\n"))[0].0,
        Some(3)
    );
    assert_eq!(
        warnings(&format!("{CLUSTER}a: {{serverTLSBootstrap: true}}\n"))[0].0,
        Some(3)
    );
}

#[test]
fn the_flag_that_beats_the_file_is_named() {
    let init = |args: &str| {
        warnings(&format!(
            "{INIT}nodeRegistration:\n  kubeletExtraArgs:\n{args}"
        ))
    };
    assert_eq!(
        init("    rotate-server-certificates: 'false'\n")[0].0,
        Some(5)
    );
    assert_eq!(
        init(
            "  - name: a\n    value: b\n  - name: rotate-server-certificates\n    value: 'false'\n"
        )[0]
        .0,
        Some(8)
    );
    assert_eq!(init("    rotate-server-certificates: 'true'\n"), []);
    assert_eq!(init("    v: '2'\n"), []);
}

#[test]
fn every_document_must_be_one_that_kubeadm_cuts_out() {
    for (source, line) in [
        (format!("{CLUSTER}--- # c\n{HEAD}"), 3),
        (format!("{CLUSTER}---\tx\n"), 3),
        (format!("{CLUSTER}...\n{HEAD}"), 4),
        // found by fuzzing: the empty block scalar has no place, and so seemed to be where the --- is
        (format!(" |\n--- # c\n{CLUSTER}"), 2),
        (format!("%TAG ! tag:x:\n---\n{CLUSTER}"), 1),
        (format!("{CLUSTER}---\na: b\n"), 4),
        (format!("{CLUSTER}<<: {{kind: KubeletConfiguration}}\n"), 3),
        (
            format!("{CLUSTER}a: &k kind\n*k : KubeletConfiguration\n"),
            4,
        ),
        (format!("{CLUSTER}kind: KubeletConfiguration\n"), 3),
        (
            format!("{CLUSTER}!!binary a2luZA==: KubeletConfiguration\n"),
            3,
        ),
    ] {
        refused(enable(&source), RefusalClass::Input, line, "");
    }
    for source in [
        format!("--- # c\n{CLUSTER}"),
        format!("# c\n---\n{CLUSTER}"),
        format!("\u{feff}---\n{CLUSTER}"),
        format!("{CLUSTER}---  \t\n{HEAD}"),
    ] {
        assert!(enable(&source).is_ok(), "{source}: {:?}", enable(&source));
    }
    assert_eq!(warnings(&format!("---\n---\n{CLUSTER}"))[0].0, Some(1));
}
