//! `diff FILE --api-server` and `apply FILE --api-server`.

use std::fs;

use super::{checked, kubelet_tls};

const NO: &str = include_str!("../../testdata/captured/1.36/kube-apiserver-v1beta4-no.yaml");
const YES: &str = include_str!("../../testdata/captured/1.36/kube-apiserver-v1beta4-yes.yaml");
const CLUSTER: &str = include_str!("../../testdata/captured/1.36/kubeadm-v1beta4-no.yaml");

#[test]
fn diff_shows_the_flag_where_kubeadm_writes_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("kube-apiserver.yaml"), NO).unwrap();
    fs::write(directory.path().join("kubeadm.yaml"), CLUSTER).unwrap();
    kubelet_tls(directory.path())
        .args([
            "diff",
            "kube-apiserver.yaml",
            "kubeadm.yaml",
            "--api-server",
        ])
        .assert()
        .code(1)
        .stderr_eq("")
        .stdout_eq(snapbox::str![[r#"
--- kube-apiserver.yaml
+++ kube-apiserver.yaml
@@ -39,6 +39,7 @@
     - --service-cluster-ip-range=10.96.0.0/12
     - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt
     - --tls-private-key-file=/etc/kubernetes/pki/apiserver.key
+    - --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt
     image: registry.k8s.io/kube-apiserver:v1.36.2
     imagePullPolicy: IfNotPresent
     livenessProbe:
--- kubeadm.yaml
+++ kubeadm.yaml
@@ -1,5 +1,9 @@
 apiVersion: kubeadm.k8s.io/v1beta4
 kind: ClusterConfiguration
+apiServer:
+  extraArgs:
+  - name: kubelet-certificate-authority
+    value: /etc/kubernetes/pki/ca.crt
 kubernetesVersion: v1.36.2
 controlPlaneEndpoint: cp.example:6443
 networking:

"#]]);
}

#[test]
fn apply_writes_the_manifest_and_disable_restores_the_first_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let manifests = directory.path().join("kubernetes/manifests");
    fs::create_dir_all(&manifests).unwrap();
    let path = manifests.join("kube-apiserver.yaml");
    fs::write(&path, NO).unwrap();
    let file = "kubernetes/manifests/kube-apiserver.yaml";
    let run = |arguments: &[&str]| {
        kubelet_tls(directory.path())
            .args(["apply", file, "--api-server"])
            .args(arguments)
            .assert()
    };
    run(&["--dry-run", "-o", "name"])
        .success()
        .stdout_eq(format!("{file}\n"));
    assert_eq!(fs::read_to_string(&path).unwrap(), NO);
    run(&[])
        .success()
        .stderr_eq(snapbox::str![[r#"
warning: kubernetes/manifests/kube-apiserver.yaml: the kubelet restarts the API server when this file changes, and a node whose kubelet has no certificate from the cluster's CA is then without logs, exec and port-forward

"#]]);
    assert_eq!(fs::read_to_string(&path).unwrap(), YES);
    run(&[]).success().stderr_eq(snapbox::str![[r#"
kubernetes/manifests/kube-apiserver.yaml: unchanged: kubelet-certificate-authority is already set

"#]]);
    let arguments = ["apply", file, "--api-server", "--disable", "-o", "json"];
    let output = kubelet_tls(directory.path())
        .args(arguments)
        .output()
        .unwrap();
    checked(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"changed\": true"));
    assert_eq!(fs::read_to_string(&path).unwrap(), NO);
    run(&["--disable"]).success().stderr_eq(snapbox::str![[r#"
kubernetes/manifests/kube-apiserver.yaml: unchanged: kubelet-certificate-authority is not set

"#]]);
    // the kubelet would read any other file there as a Pod
    assert_eq!(fs::read_dir(&manifests).unwrap().count(), 1);
}

#[test]
fn another_ca_is_shown_and_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kube-apiserver.yaml");
    let other = YES.replace(
        "authority=/etc/kubernetes/pki/ca.crt",
        "authority=/etc/other.crt",
    );
    fs::write(&path, &other).unwrap();
    for verb in ["diff", "apply"] {
        kubelet_tls(directory.path())
            .args([verb, "kube-apiserver.yaml", "--api-server"])
            .assert()
            .code(65)
            .stdout_eq("")
            .stderr_eq(snapbox::str![[r#"
error: cannot edit kube-apiserver.yaml:42:7: kubelet-certificate-authority is already "/etc/other.crt" here, and "/etc/kubernetes/pki/ca.crt" is expected; changing a CA is for an administrator: remove the flag first if the cluster's CA should verify kubelets
hint: ${EDITOR:-vi} +42 kube-apiserver.yaml

"#]]);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), other);
    // without a file it is another verb's work
    kubelet_tls(directory.path())
        .args(["diff", "--api-server"])
        .assert()
        .code(64);
}
