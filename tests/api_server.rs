//! The edit by which the API server verifies kubelets: what kubeadm renders with the flag and without it, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

use std::path::Path;

use kubelet_tls::parts::edit::Change;
use kubelet_tls::parts::edit::api_server::{
    Manifest, Verification, edit, edit_configuration, edit_manifest,
};
use kubelet_tls::parts::kubelet::Refusal;
use serde::Deserialize as _;
use serde_yaml::Value;

const CA: &str = "/etc/kubernetes/pki/ca.crt";
const FLAG: &str = "kubelet-certificate-authority";

fn captured(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captured");
    std::fs::read_to_string(root.join(path)).unwrap()
}

fn enable(source: &str) -> Result<String, Refusal> {
    let edited = edit(source.as_bytes(), Verification::Enabled)?;
    Ok(String::from_utf8(edited.after).unwrap())
}

fn disable(source: &str) -> Result<String, Refusal> {
    let edited = edit(source.as_bytes(), Verification::Disabled)?;
    Ok(String::from_utf8(edited.after).unwrap())
}

fn documents(source: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(source)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// Enabled twice, disabled twice: each is done once.
fn round_trip(source: &str) -> String {
    let enabled = enable(source).unwrap();
    assert_eq!(enable(&enabled).as_ref(), Ok(&enabled));
    let again = edit(enabled.as_bytes(), Verification::Enabled).unwrap();
    assert_eq!(again.change, Change::None);
    assert_eq!(disable(source).unwrap(), source);
    assert_eq!(disable(&enabled).unwrap(), source, "{enabled}");
    enabled
}

#[test]
fn a_manifest_is_the_one_that_kubeadm_renders() {
    for name in [
        "1.19/kube-apiserver-v1beta2",
        "1.36/kube-apiserver-v1beta3",
        "1.36/kube-apiserver-v1beta4",
    ] {
        let (no, yes) = (
            captured(&format!("{name}-no.yaml")),
            captured(&format!("{name}-yes.yaml")),
        );
        assert_eq!(round_trip(&no), yes, "{name}");
        assert_eq!(disable(&yes).unwrap(), no, "{name}");
        let line = no
            .lines()
            .zip(yes.lines())
            .position(|(no, yes)| no != yes)
            .unwrap()
            + 1;
        let edited = edit_manifest(no.as_bytes(), Verification::Enabled).unwrap();
        assert_eq!(edited.change, Change::Inserted { line });
        let edited = edit_manifest(yes.as_bytes(), Verification::Disabled).unwrap();
        assert_eq!(edited.change, Change::Removed { line });
    }
}

#[test]
fn the_flag_is_placed_where_that_version_of_kubeadm_places_it() {
    let no = captured("1.36/kube-apiserver-v1beta4-no.yaml");
    for (tag, before) in [
        ("v1.31.14", "    - --kubelet-client-certificate="),
        ("v1.32.0", "    image:"),
        ("v1.37.0-beta.1@sha256:00", "    image:"),
        // no version, and the flags are sorted
        ("latest", "    - --kubelet-client-certificate="),
    ] {
        let source = no.replace("v1.36.2", tag);
        let line = format!("    - --{FLAG}={CA}\n{before}");
        assert_eq!(round_trip(&source), source.replacen(before, &line, 1));
    }
    let unsorted = no
        .replace("v1.36.2", "latest")
        .replace("    - --secure-port=6443\n", "")
        .replace(
            "    - --advertise",
            "    - --secure-port=6443\n    - --advertise",
        );
    let line = format!("    - --{FLAG}={CA}\n    image:");
    assert_eq!(round_trip(&unsorted), unsorted.replace("    image:", &line));
}

/// A manifest of these lines in its container.
fn manifest(container: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: sidecar\n    image: proxy:1\n    command: [proxy]\n{container}  \
         volumes:\n  - name: pki\n    hostPath: {{path: /srv/pki/}}\n  - name: scratch\n    emptyDir: {{}}\n"
    )
}

const MOUNT: &str = "    volumeMounts:\n    - {mountPath: /pki, name: pki}\n";

#[test]
fn a_manifest_that_is_not_kubeadms_is_edited_where_that_is_certain() {
    for (before, after) in [
        (
            "  - command: [kube-apiserver]\n    args: [--v=2, --client-ca-file=/pki/ca.crt]\n",
            "  - command: [kube-apiserver]\n    args: [--v=2, --client-ca-file=/pki/ca.crt, --kubelet-certificate-authority=/pki/ca.crt]\n",
        ),
        (
            "  - command:\n    - /usr/bin/kube-apiserver\n    - --client-ca-file\n    - /pki/ca.crt\n",
            "  - command:\n    - /usr/bin/kube-apiserver\n    - --client-ca-file\n    - /pki/ca.crt\n    - --kubelet-certificate-authority=/pki/ca.crt\n",
        ),
        (
            "  - image: r/kube-apiserver:v1.31.0\n    args:\n      - --client_ca_file=/pki/ca.crt # c\n      - --v=2\n",
            "  - image: r/kube-apiserver:v1.31.0\n    args:\n      - --client_ca_file=/pki/ca.crt # c\n      - --kubelet-certificate-authority=/pki/ca.crt\n      - --v=2\n",
        ),
    ] {
        let before = manifest(&format!("{before}{MOUNT}"));
        // without a version the sorted order alone says where
        let after = manifest(&format!("{after}{MOUNT}"));
        assert_eq!(enable(&before).as_deref(), Ok(after.as_str()));
        assert_eq!(disable(&after).as_deref(), Ok(before.as_str()));
    }
    let two_words = manifest(&format!(
        "  - command:\n    - kube-apiserver\n    - --kubelet-certificate-authority\n    - /pki/ca.crt\n    - --client-ca-file=/pki/ca.crt\n{MOUNT}"
    ));
    assert_eq!(enable(&two_words).as_deref(), Ok(two_words.as_str()));
    assert_eq!(
        disable(&two_words).unwrap(),
        two_words.replace(
            "    - --kubelet-certificate-authority\n    - /pki/ca.crt\n",
            ""
        )
    );
    let read = Manifest::read(two_words.as_bytes()).unwrap();
    assert_eq!(read.kubelet_ca.as_deref(), Some("/pki/ca.crt"));
    assert_eq!(read.ca_file_on_host, "/srv/pki/ca.crt");
    assert_eq!(read.flag("client-ca-file"), Some("/pki/ca.crt"));
    let json = serde_json::to_string(&documents(&two_words)[0]).unwrap();
    let disabled = disable(&json).unwrap();
    assert_eq!(disable(&disabled).as_ref(), Ok(&disabled));
    assert_eq!(
        documents(&enable(&disabled).unwrap())[0]["spec"]["containers"][1]["command"],
        serde_yaml::from_str::<Value>(
            "[kube-apiserver, --client-ca-file=/pki/ca.crt, --kubelet-certificate-authority=/pki/ca.crt]"
        )
        .unwrap()
    );
}

#[track_caller]
fn refused(source: &str, line: usize, reason: &str) {
    let refusal = enable(source).unwrap_err();
    assert!(refusal.reason().contains(reason), "{refusal}");
    assert_eq!(refusal.position.map(|at| at.line), Some(line), "{refusal}");
    assert!(!refusal.advice().is_empty());
}

#[test]
fn a_manifest_of_which_that_is_not_certain_is_refused() {
    let flags = |flags: &str, mount: &str| {
        manifest(&format!(
            "  - command:\n    - kube-apiserver\n    - --client-ca-file=/pki/ca.crt\n{flags}{mount}"
        ))
    };
    let ca = |value: &str| format!("    - --kubelet-certificate-authority={value}\n");
    for (source, line, reason) in [
        (flags(&ca("/other.crt"), MOUNT), 11, "\"/other.crt\" here"),
        (flags(&ca(""), MOUNT), 11, "\"\" here"),
        (
            flags(&ca("/pki/ca.crt").repeat(2), MOUNT),
            12,
            "second time",
        ),
        (
            flags("    - --kubelet_certificate_authority\n    - /x\n", MOUNT),
            11,
            "\"/x\"",
        ),
        (flags("", ""), 8, "no hostPath volume"),
        (
            flags("", &MOUNT.replace("name: pki", "name: scratch")),
            8,
            "no hostPath volume",
        ),
        (
            flags("", &MOUNT.replace("/pki", "/pk")),
            8,
            "no hostPath volume",
        ),
        (
            flags("", &MOUNT.replace("name: pki", "name: pki, subPath: a")),
            8,
            "no hostPath volume",
        ),
        (
            flags("", MOUNT).replace("/pki/ca.crt", "/pki/front.crt"),
            8,
            "client-ca-file is \"/pki/front.crt\"",
        ),
        (
            flags("", MOUNT).replace("--client-ca-file=/pki/ca.crt", "--v=2"),
            8,
            "no client-ca-file",
        ),
        (
            manifest("  - command: [/bin/sh, -c, exec kube-apiserver --v=2]\n"),
            8,
            "started by \"/bin/sh\"",
        ),
        (
            manifest("  - image: kube-apiserver:v1.31.0\n    command: [run]\n"),
            8,
            "started by run",
        ),
        (manifest(""), 1, "no container"),
        (
            manifest("  - command: [kube-apiserver]\n  - args: [kube-apiserver]\n"),
            9,
            "a second container",
        ),
        (
            format!("{}---\na: b\n", flags("", MOUNT)),
            19,
            "second document",
        ),
        (
            flags("    - *x\n", MOUNT).replace("image: proxy:1", "image: &x proxy:1"),
            0,
            "",
        ),
        (
            flags("", MOUNT).replace(
                "    - kube-apiserver\n",
                "    - kube-apiserver\n    - [a]\n",
            ),
            10,
            "plain string",
        ),
        (
            flags("", MOUNT).replace("  - command:", "  - <<: {}\n    command:"),
            8,
            "merge key",
        ),
        ("kind: Pod\n".to_owned(), 1, "neither"),
        ("a: b\n".to_owned(), 1, "neither"),
        (String::new(), 1, "neither"),
    ] {
        if line == 0 {
            // an alias is a string like another
            assert!(enable(&source).is_ok(), "{source}");
        } else {
            refused(&source, line, reason);
        }
    }
}

/// What kubeadm would read: `apiServer.extraArgs` as names and values, and the rest.
fn reading(source: &str) -> Vec<Value> {
    let mut documents = documents(source);
    for document in &mut documents {
        let Some(server) = document.get_mut("apiServer") else {
            continue;
        };
        if server
            .as_mapping()
            .is_some_and(serde_yaml::Mapping::is_empty)
            || server.is_null()
        {
            document.as_mapping_mut().unwrap().remove("apiServer");
        }
    }
    documents
}

#[test]
fn a_configuration_reads_as_the_one_with_the_flag() {
    for name in [
        "1.19/kubeadm-v1beta2",
        "1.36/kubeadm-v1beta3",
        "1.36/kubeadm-v1beta4",
    ] {
        let (no, yes) = (
            captured(&format!("{name}-no.yaml")),
            captured(&format!("{name}-yes.yaml")),
        );
        let enabled = round_trip(&no);
        assert_eq!(reading(&enabled), reading(&yes), "{name}");
        assert_eq!(enable(&yes).as_ref(), Ok(&yes));
        assert_eq!(reading(&disable(&yes).unwrap()), reading(&no), "{name}");
    }
}

#[test]
fn the_text_of_the_configmap_becomes_what_kubeadm_would_write() {
    for (version, before, after) in [
        (
            "1.19",
            "apiServer:\n  timeoutForControlPlane: 4m0s\n",
            "apiServer:\n  extraArgs:\n    kubelet-certificate-authority: /etc/kubernetes/pki/ca.crt\n  timeoutForControlPlane: 4m0s\n",
        ),
        (
            "1.36",
            "apiServer: {}\n",
            "apiServer:\n  extraArgs:\n  - name: kubelet-certificate-authority\n    value: /etc/kubernetes/pki/ca.crt\n",
        ),
    ] {
        let map = captured(&format!("{version}/kubeadm-config.json"));
        let map: serde_json::Value = serde_json::from_str(&map).unwrap();
        let text = map["data"]["ClusterConfiguration"].as_str().unwrap();
        assert!(text.starts_with(before));
        assert_eq!(round_trip(text), text.replacen(before, after, 1));
        let edited = edit_configuration(text.as_bytes(), Verification::Enabled).unwrap();
        assert_ne!(edited.change, Change::None);
    }
}

#[test]
fn other_arguments_stay_and_what_is_missing_is_added() {
    let head = |version: &str| {
        format!("apiVersion: kubeadm.k8s.io/{version}\nkind: ClusterConfiguration # k\n")
    };
    let (map, list) = (head("v1beta3"), head("v1beta4"));
    for (head, before, after) in [
        (&map, "", "apiServer:\n  extraArgs:\n    F: C\n"),
        (
            &list,
            "",
            "apiServer:\n  extraArgs:\n  - name: F\n    value: C\n",
        ),
        (
            &map,
            "networking: {}\napiServer:\n  extraArgs: {a: b}\n",
            "networking: {}\napiServer:\n  extraArgs: {F: C, a: b}\n",
        ),
        (
            &map,
            "networking: {}\napiServer:\n  extraArgs:\n    audit: b # c\n    v: \"2\"\n",
            "networking: {}\napiServer:\n  extraArgs:\n    audit: b # c\n    F: C\n    v: \"2\"\n",
        ),
        (
            &list,
            "networking: {}\napiServer:\n  certSANs: [a]\n  extraArgs:\n    - name: v\n      value: \"2\"\n  # c\n",
            "networking: {}\napiServer:\n  certSANs: [a]\n  extraArgs:\n    - name: v\n      value: \"2\"\n    - name: F\n      value: C\n  # c\n",
        ),
        (
            &list,
            "networking: {}\napiServer: {} # c\n",
            "networking: {}\napiServer: {extraArgs: [{name: F, value: C}]} # c\n",
        ),
        (
            &list,
            "networking: {}\napiServer:\n  certSANs:\n  - a\n",
            "networking: {}\napiServer:\n  certSANs:\n  - a\n  extraArgs:\n  - name: F\n    value: C\n",
        ),
        (
            &map,
            "certificatesDir: /srv/pki/\napiServer: {}\n",
            "certificatesDir: /srv/pki/\napiServer:\n  extraArgs:\n    F: /srv/pki/ca.crt\n",
        ),
    ] {
        let written = |text: &str| {
            let text = text.replace('F', FLAG).replace('C', CA);
            // the key that has the letter
            format!(
                "{head}{}",
                text.replace("/etc/kubernetes/pki/ca.crtertSANs", "certSANs")
            )
        };
        let (before, after) = (written(before), written(after));
        assert_eq!(round_trip(&before), after);
    }
    let json = r#"{"apiVersion":"kubeadm.k8s.io/v1beta4","kind":"ClusterConfiguration"}"#;
    assert_eq!(
        round_trip(json),
        json.replacen(
            '{',
            r#"{"apiServer":{"extraArgs":[{"name":"kubelet-certificate-authority","value":"/etc/kubernetes/pki/ca.crt"}]},"#,
            1
        )
    );
    let init = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n";
    assert_eq!(
        enable(init).unwrap(),
        format!(
            "{init}---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n  - name: {FLAG}\n    value: {CA}\n"
        )
    );
    assert_eq!(disable(init).as_deref(), Ok(init));
}

#[test]
fn a_configuration_with_another_value_or_shape_is_refused() {
    let cluster = |version: &str, rest: &str| {
        format!("apiVersion: kubeadm.k8s.io/{version}\nkind: ClusterConfiguration\n{rest}")
    };
    let arguments =
        |version: &str, rest: &str| cluster(version, &format!("apiServer:\n  extraArgs:\n{rest}"));
    let map = "    kubelet-certificate-authority: /x.crt\n";
    let list = "  - name: kubelet-certificate-authority\n    value: /etc/kubernetes/pki/ca.crt\n";
    for (source, line, reason) in [
        (arguments("v1beta3", map), 5, "already \"/x.crt\" here"),
        (
            arguments("v1beta3", "    kubelet_certificate_authority: \"\"\n"),
            5,
            "already \"\" here",
        ),
        (arguments("v1beta4", &list.repeat(2)), 7, "second time"),
        (arguments("v1beta4", "    a: b\n"), 5, "a list is expected"),
        (arguments("v1beta3", "  - a\n"), 5, "a mapping"),
        (arguments("v1beta3", "    <<: {}\n"), 5, "merge key"),
        (
            cluster("v1beta3", "x: &x {a: b}\napiServer: {extraArgs: *x}\n"),
            4,
            "an alias",
        ),
        (cluster("v1alpha3", ""), 1, "v1alpha3"),
        (cluster("v1beta5", ""), 1, "v1beta5"),
        (
            format!("{0}---\n{0}", cluster("v1beta4", "")),
            4,
            "second ClusterConfiguration",
        ),
        (
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n".to_owned(),
            1,
            "no ClusterConfiguration",
        ),
        (
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n".to_owned(),
            1,
            "neither",
        ),
    ] {
        refused(&source, line, reason);
    }
    let wrong = arguments("v1beta3", map);
    assert!(disable(&wrong).is_err());
}
