//! From metrics-server to the kubelets.

use super::*;

#[test]
fn an_unverified_second_channel_is_named() {
    let mut cluster = Cluster::new(&[]);
    cluster.container()["args"]
        .as_array_mut()
        .unwrap()
        .push("--kubelet-insecure-tls".into());
    assert_eq!(
        cluster.lacking(),
        [
            "KubeletsVerified=False(InsecureFlag)",
            "MetricsServerToKubelets=False(Broken)"
        ]
    );
}

#[test]
fn a_stalled_rollout_is_seen_in_the_pods() {
    let mut cluster = Cluster::new(&[]);
    cluster.pod_args = Some(json!(["--cert-dir=/tmp", "--kubelet-insecure-tls"]));
    cluster.deployment["status"]["updatedReplicas"] = 0.into();
    assert_eq!(
        cluster.lacking(),
        [
            "KubeletsVerified=False(InsecureFlag)",
            "MetricsServerToKubelets=False(Broken)"
        ]
    );
    assert_eq!(
        cluster.message("KubeletsVerified"),
        "pod/metrics-server-x7f2k still runs with --kubelet-insecure-tls, which deployment/metrics-server no longer has"
    );
    cluster.pod_args = None;
    let unknown = |reason: &str| {
        [
            format!("KubeletsVerified=Unknown({reason})"),
            "MetricsServerToKubelets=Unknown(NotSeen)".to_owned(),
        ]
    };
    assert_eq!(cluster.lacking(), unknown("RolloutUnfinished"));
    cluster.deployment["status"]["updatedReplicas"] = 1.into();
    cluster.deployment["status"]["unavailableReplicas"] = 1.into();
    assert_eq!(cluster.lacking(), unknown("RolloutUnfinished"));
    cluster.deployment["status"]["unavailableReplicas"] = 0.into();
    cluster.deployment["metadata"]["generation"] = 3.into();
    assert_eq!(cluster.lacking(), unknown("RolloutUnfinished"));
    cluster.deployment["metadata"]["generation"] = 2.into();
    cluster.pod_args = Some(json!(["--kubelet-preferred-address-types=Hostname"]));
    assert_eq!(cluster.lacking(), unknown("PodsDiffer"));
}

#[test]
fn a_kubelet_that_does_not_verify_is_named() {
    let other = Ca::new("kubernetes");
    for (address, reason) in [
        (
            kubelet(&kubelet_self_signed("worker-3", &loopback())),
            "SelfSigned",
        ),
        (
            kubelet(&other.server("system:node:worker-3", &loopback())),
            "UnknownAuthority",
        ),
        (waiting_kubelet(), "NoCertificate"),
    ] {
        let mut cluster = Cluster::new(&[]);
        cluster.add_node("worker-3", address);
        assert_eq!(
            cluster.lacking(),
            [
                format!("KubeletsTrusted=False({reason})"),
                "MetricsServerToKubelets=False(Broken)".to_owned()
            ]
        );
        let message = cluster.message("KubeletsTrusted");
        assert!(
            message.contains("worker-3") && !message.contains("worker-1"),
            "{message}"
        );
    }
    let mut cluster = Cluster::new(&[]);
    let ca = cluster.api.ca();
    let expired = kubelet(&ca.expired_server("system:node:worker-3", &loopback()));
    let nameless = kubelet(&ca.server(
        "system:node:worker-4",
        &Sans {
            dns: vec!["worker-4".into()],
            ips: vec![],
        },
    ));
    cluster.add_node("worker-4", nameless);
    assert_eq!(cluster.lacking()[0], "KubeletsTrusted=False(NameMissing)");
    cluster.add_node("worker-3", expired);
    assert_eq!(cluster.lacking()[0], "KubeletsTrusted=False(Expired)");
    assert!(cluster.message("KubeletsTrusted").contains("worker-4"));
    // By name it would be good: the arguments say which address is dialled.
    cluster.nodes.pop();
    cluster.container()["args"] = json!([
        "--tls-cert-file=/etc/kubelet-tls/serving/tls.crt",
        "--kubelet-preferred-address-types=Hostname"
    ]);
    assert_eq!(cluster.lacking()[0], "KubeletsTrusted=False(NameMissing)");
    assert!(
        cluster.message("KubeletsTrusted").starts_with("worker-2 "),
        "{}",
        cluster.message("KubeletsTrusted")
    );
    let mut cluster = Cluster::new(&[]);
    cluster.add_node("worker-3", nowhere());
    assert_eq!(
        cluster.lacking(),
        [
            "KubeletsTrusted=Unknown(Unreachable)",
            "MetricsServerToKubelets=Unknown(NotSeen)"
        ]
    );
}

#[test]
fn the_kubelets_ca_comes_from_where_the_pod_has_it() {
    let mut cluster = Cluster::new(&["--kubelet-ca", "ca.crt"]);
    // ca.crt is the CA of another cluster.
    let path = format!("{SYSTEM}/configmaps/metrics-server-kubelet-ca");
    let config_map = |pem: &str| json!({"data": {"ca.crt": pem}}).to_string();
    let other = fs::read_to_string(cluster.scene.path("ca.crt")).unwrap();
    cluster.api.set_object(&path, config_map(&other));
    assert_eq!(
        cluster.lacking()[0],
        "KubeletsTrusted=False(UnknownAuthority)"
    );
    cluster
        .api
        .set_object(&path, config_map(cluster.api.ca_pem()));
    assert_eq!(cluster.lacking(), [""; 0]);
    // From a file of the host, if this is the host.
    let file = cluster.scene.path("host-ca.crt");
    let volumes = &mut cluster.deployment["spec"]["template"]["spec"]["volumes"];
    volumes[1] =
        json!({"name": "kubelet-tls-kubelet-ca", "hostPath": {"path": cluster.scene.work.path()}});
    cluster.container()["volumeMounts"][1]["subPath"] = "host-".into();
    cluster.container()["volumeMounts"][1]["mountPath"] = "/etc/kubelet-tls/kubelet-ca".into();
    assert_eq!(cluster.lacking()[0], "KubeletsVerified=Unknown(CANotSeen)");
    cluster.container()["volumeMounts"][1]
        .as_object_mut()
        .unwrap()
        .remove("subPath");
    fs::write(cluster.scene.path("ca.crt"), cluster.api.ca_pem()).unwrap();
    assert_eq!(cluster.lacking(), [""; 0], "{}", file.display());
}

#[test]
fn a_cluster_without_the_cas_configmap_is_checked_too() {
    let cluster = Cluster::new(&[]);
    let path = format!("{SYSTEM}/configmaps/kube-root-ca.crt");
    cluster.api.set_object(&path, "{}");
    assert_eq!(
        cluster.lacking()[..2],
        [
            "KubeletsVerified=Unknown(CANotSeen)",
            "KubeletsTrusted=Unknown(NotSeen)"
        ]
    );
    cluster.api.remove_object(&path);
    assert_eq!(cluster.lacking(), [""; 0]);
    let message = cluster.message("KubeletsVerified");
    assert!(
        message.ends_with("against the in-cluster CA, that of the kubeconfig"),
        "{message}"
    );
}
