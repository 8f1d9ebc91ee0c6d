//! From the API server to metrics-server.

use super::*;

#[test]
fn an_unverified_first_channel_is_named() {
    let mut cluster = Cluster::new(&[]);
    cluster.api_service["spec"]["insecureSkipTLSVerify"] = true.into();
    let broken = "APIServerToMetricsServer=False(Broken)";
    assert_eq!(
        cluster.lacking(),
        ["APIServiceVerifies=False(SkipsVerification)", broken]
    );
    assert_eq!(
        cluster.message("APIServiceVerifies"),
        "insecureSkipTLSVerify is true: the API server accepts any process that answers in metrics-server's place"
    );
    assert_eq!(
        cluster.message("APIServerToMetricsServer"),
        "this channel is insecure or broken: see APIServiceVerifies"
    );
    cluster.api_service["spec"]["insecureSkipTLSVerify"] = false.into();
    cluster.api_service["spec"]["caBundle"] = Value::Null;
    assert_eq!(
        cluster.lacking(),
        [
            "APIServiceVerifies=False(NoCABundle)",
            "MetricsServerCertificateTrusted=Unknown(NotSeen)",
            broken
        ]
    );
    cluster.api_service["spec"]["caBundle"] = "!".into();
    assert_eq!(
        cluster.lacking()[0],
        "APIServiceVerifies=False(CABundleUnusable)"
    );
}

#[test]
fn a_served_certificate_that_does_not_verify_is_named() {
    let mut cluster = Cluster::new(&[]);
    let ca = Ca::new("other");
    let names = |name: &str| Sans {
        dns: vec![name.into()],
        ips: Vec::new(),
    };
    let host = "metrics-server.kube-system.svc";
    let mut with = |identity: Identity| {
        let port = kubelet(&identity).port();
        cluster.api_service["spec"]["service"]["port"] = port.into();
        let lacking = cluster.lacking();
        assert_eq!(lacking[1], "APIServerToMetricsServer=False(Broken)");
        lacking[0].clone()
    };
    assert_eq!(
        with(ca.server(host, &names(host))),
        "MetricsServerCertificateTrusted=False(UnknownAuthority)"
    );
    cluster.api_service["spec"]["caBundle"] = base64(ca.pem().as_bytes());
    let mut with = |identity: Identity| {
        let port = kubelet(&identity).port();
        cluster.api_service["spec"]["service"]["port"] = port.into();
        cluster.lacking().first().cloned().unwrap_or_default()
    };
    assert_eq!(with(ca.server(host, &names(host))), "");
    assert_eq!(
        with(ca.server(host, &Sans::default())),
        "MetricsServerCertificateTrusted=False(NameMissing)"
    );
    assert_eq!(
        with(ca.server(host, &names("metrics-server"))),
        "MetricsServerCertificateTrusted=False(NameMissing)"
    );
    assert_eq!(
        with(ca.expired_server(host, &names(host))),
        "MetricsServerCertificateTrusted=False(Expired)"
    );
}

#[test]
fn if_the_service_cannot_be_reached_the_secret_is_read_and_named() {
    let mut cluster = Cluster::new(&[]);
    cluster.api_service["spec"]["service"]["port"] = nowhere().port().into();
    assert_eq!(
        cluster.lacking(),
        ["APIServerToMetricsServer=Unknown(NotReached)"]
    );
    let message = cluster.message("MetricsServerCertificateTrusted");
    let secret = format!("secret/kube-system/{}", secret_name(&cluster.deployment));
    assert!(
        message.starts_with(&format!(
            "{secret} verifies for metrics-server.kube-system.svc, valid until "
        )),
        "{message}"
    );
    assert!(
        message.ends_with("cannot be reached from here: connection refused"),
        "{message}"
    );
    // The Secret of another directory.
    let other = Scene::new();
    other.write(&[]);
    let secret = json!({"data": {"tls.crt": base64(&other.files()["tls.crt"])}});
    let path = format!("{SYSTEM}/secrets/{}", secret_name(&cluster.deployment));
    cluster.api.set_object(&path, secret.to_string());
    assert_eq!(
        cluster.lacking()[0],
        "MetricsServerCertificateTrusted=False(UnknownAuthority)"
    );
    cluster.container()["args"] = json!([
        "--cert-dir=/tmp",
        "--kubelet-preferred-address-types=InternalIP"
    ]);
    assert_eq!(
        cluster.lacking(),
        [
            "MetricsServerCertificateTrusted=Unknown(NotSeen)",
            "APIServerToMetricsServer=Unknown(NotSeen)"
        ]
    );
}
