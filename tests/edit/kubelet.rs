//! The configuration that the kubelet reads, as YAML and as JSON.

use super::*;

#[test]
fn the_value_alone_is_replaced() {
    for (before, after) in [
        (
            "serverTLSBootstrap: false # why\n",
            "serverTLSBootstrap: true # why\n",
        ),
        ("serverTLSBootstrap:   no", "serverTLSBootstrap:   true"),
        ("serverTLSBootstrap:\n", "serverTLSBootstrap: true\n"),
        (
            "serverTLSBootstrap: # why\n",
            "serverTLSBootstrap: true # why\n",
        ),
        (
            "serverTLSBootstrap:\t# why\n",
            "serverTLSBootstrap: true\t# why\n",
        ),
        (
            "serverTLSBootstrap:\n  false\n",
            "serverTLSBootstrap:\n  true\n",
        ),
        ("serverTLSBootstrap: !!bool\n", "serverTLSBootstrap: true\n"),
        (
            "serverTLSBootstrap: !!str &a # why\n",
            "serverTLSBootstrap: true # why\n",
        ),
        (
            "'serverTLSBootstrap' : \"\"\n",
            "'serverTLSBootstrap' : true\n",
        ),
        (
            "a: &a no\nserverTLSBootstrap: *a\n",
            "a: &a no\nserverTLSBootstrap: true\n",
        ),
        (
            "? serverTLSBootstrap\n: off\n",
            "? serverTLSBootstrap\n: true\n",
        ),
    ] {
        assert_eq!(
            text(enable(&format!("{HEAD}{before}"))),
            format!("{HEAD}{after}")
        );
        assert_eq!(
            text(disable(&format!("{HEAD}{after}"))),
            format!("{HEAD}{}", after.replace("true", "false"))
        );
    }
}

#[test]
fn a_line_comes_after_the_kind() {
    for (before, after) in [
        (HEAD.to_owned(), format!("{HEAD}serverTLSBootstrap: true\n")),
        ("kind: KubeletConfiguration # k\napiVersion: kubelet.config.k8s.io/v1beta1".into(),
         "kind: KubeletConfiguration # k\nserverTLSBootstrap: true\napiVersion: kubelet.config.k8s.io/v1beta1".into()),
        (HEAD.trim_end().replace('\n', "\r\n"), format!("{HEAD}serverTLSBootstrap: true").replace('\n', "\r\n")),
        (format!("--- # c\n  {}", HEAD.replace("\nk", "\n  k")),
         format!("--- # c\n  {}  serverTLSBootstrap: true\n", HEAD.replace("\nk", "\n  k"))),
        (format!("{}a: b\r\n", HEAD.replace('\n', "\r\n")), format!("{}serverTLSBootstrap: true\r\na: b\r\n", HEAD.replace('\n', "\r\n"))),
        (format!("{HEAD}a: b\r\n"), format!("{HEAD}serverTLSBootstrap: true\na: b\r\n")),
        ("kind: >-\n  KubeletConfiguration\n\n# v\napiVersion: kubelet.config.k8s.io/v1beta1\n".into(),
         "kind: >-\n  KubeletConfiguration\n\nserverTLSBootstrap: true\n# v\napiVersion: kubelet.config.k8s.io/v1beta1\n".into()),
        (HEAD.replace("kind: ", "kind: |-\n  "), format!("{}serverTLSBootstrap: true\n", HEAD.replace("kind: ", "kind: |-\n  "))),
        (HEAD.replace("kind", "&k kind"), format!("{}serverTLSBootstrap: true\n", HEAD.replace("kind", "&k kind"))),
    ] {
        let edited = enable(&before).unwrap();
        assert_eq!(String::from_utf8_lossy(&edited.after), after);
        let line = after.lines().position(|line| line.contains("TLS")).unwrap() + 1;
        assert_eq!(edited.change, Change::Inserted { line });
        assert_eq!(disable(&before).unwrap().change, Change::None);
    }
}

#[test]
fn json_stays_json() {
    for (before, after) in [
        (
            r#"{"kind":"KubeletConfiguration","apiVersion":"kubelet.config.k8s.io/v1beta1"}"#,
            r#"{"serverTLSBootstrap":true,"kind":"KubeletConfiguration","apiVersion":"kubelet.config.k8s.io/v1beta1"}"#,
        ),
        (
            "{\n\t\"kind\": \"KubeletConfiguration\",\n\t\"apiVersion\": \"kubelet.config.k8s.io/v1beta1\"\n}\n",
            "{\n\t\"serverTLSBootstrap\": true,\n\t\"kind\": \"KubeletConfiguration\",\n\t\"apiVersion\": \"kubelet.config.k8s.io/v1beta1\"\n}\n",
        ),
        (
            r#"{"kind":"KubeletConfiguration","apiVersion":"kubelet.config.k8s.io/v1beta1","a":"\ud83d\ude00","serverTLSBootstrap":null}"#,
            r#"{"kind":"KubeletConfiguration","apiVersion":"kubelet.config.k8s.io/v1beta1","a":"\ud83d\ude00","serverTLSBootstrap":true}"#,
        ),
    ] {
        assert_eq!(text(enable(before)), after);
    }
    let lax = "{kind: KubeletConfiguration, apiVersion: kubelet.config.k8s.io/v1beta1}";
    refused(enable(lax), RefusalClass::Input, 1, "not JSON");
    assert!(enable(&format!("# c\n{lax}")).is_ok());
    let piece = |document: &str| format!("{CLUSTER}---\n{document}\n");
    refused(enable(&piece(lax)), RefusalClass::Input, 4, "not JSON");
    let json = r#"{"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1"}"#;
    assert_eq!(
        text(enable(&piece(json))),
        piece(&json.replace("{\"", "{\"serverTLSBootstrap\": true, \""))
    );
    let yes = r#"{"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", "serverTLSBootstrap": yes}"#;
    refused(enable(&piece(yes)), RefusalClass::Input, 4, "not JSON");
}

#[test]
fn a_gate_that_makes_it_fatal_is_an_effect_and_no_obstacle_to_disabling() {
    for (gates, line) in [
        (
            "featureGates:\n  RotateKubeletServerCertificate: false\n",
            Some(4),
        ),
        ("featureGates: {AllBeta: off}\n", Some(3)),
        (
            "featureGates: {AllBeta: false, RotateKubeletServerCertificate: true}\n",
            None,
        ),
        ("featureGates: {AllAlpha: false}\n", None),
        ("x: &x {AllBeta: no}\nfeatureGates: *x\n", Some(3)),
        ("x: &x {AllBeta: no}\nfeatureGates: {<<: *x}\n", Some(3)),
        ("featureGates: {<<: {AllBeta: no}, AllBeta: yes}\n", None),
    ] {
        for key in ["", "serverTLSBootstrap: true\n"] {
            let source = format!("{HEAD}{gates}{key}");
            match line {
                Some(line) => refused(
                    enable(&source),
                    RefusalClass::Effect,
                    line,
                    "does not start",
                ),
                None => assert!(enable(&source).is_ok(), "{source}"),
            }
            assert_eq!(
                disable(&source).unwrap().change == Change::None,
                key.is_empty()
            );
        }
    }
}

#[test]
fn disabling_replaces_what_is_true_or_wrong_and_adds_nothing() {
    let disabled = |value: &str| {
        disable(&format!("{HEAD}serverTLSBootstrap: {value}\n"))
            .unwrap()
            .change
    };
    for value in ["true", "on", "'true'", "'false'", "1", "!!str no"] {
        assert_eq!(disabled(value), Change::Replaced { line: 3 }, "{value}");
    }
    for value in ["false", "", "~", "NULL", "!!bool no", "&a n"] {
        assert_eq!(disabled(value), Change::None, "{value}");
    }
    assert_eq!(disable(CLUSTER).unwrap().change, Change::None);
    assert_eq!(disable(JOIN).unwrap().change, Change::None);
}

#[test]
fn a_key_that_only_looks_like_it_is_named() {
    let line = |text: &str| warnings(&format!("{HEAD}{text}"));
    for (text, number) in [
        ("serverTlsBootstrap: true", 4),
        ("server-tls-bootstrap: true", 4),
        ("rotateServerCertificates: true", 4),
        ("authentication:\n  serverTLSBootstrap: true", 5),
        ("a:\n- b: [{serverTLSBootstrap: true}]", 5),
    ] {
        let found = line(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].0, Some(number - 1), "{text}");
    }
    for text in [
        "a: serverTLSBootstrap",
        "a: [serverTLSBootstrap]",
        "serverTLSBootstrap: true",
        "tlsCertFile: ''",
    ] {
        assert_eq!(line(text), [], "{text}");
    }
    assert!(
        line("tlsCertFile: /a\ntlsPrivateKeyFile: /b")[0]
            .1
            .contains("1.34")
    );
    assert_eq!(
        disable(&format!("{HEAD}serverTlsBootstrap: true"))
            .unwrap()
            .warnings,
        []
    );
}
