//! Certificates and keys, in every encoding that a kubeconfig may hold.

use super::*;

#[test]
fn certificates_are_read_inline_and_by_path() {
    let cluster = Cluster::new();
    for style in STYLES {
        let identity = cluster.identity();
        let output = csr(&cluster.write(&identity, style));
        assert_eq!(
            (output.code, output.stdout.trim()),
            (0, cluster.request.as_str()),
            "{style:?}: {}",
            output.stderr
        );
        check_silent(&output, &identity.key_pem);
    }
    // A relative path is relative to the kubeconfig, and the kubeconfig's own path may be relative too.
    cluster.write(&cluster.identity(), KubeconfigStyle::RelativePaths);
    let mut command = Command::new(binary());
    command
        .args(["csr", "--kubeconfig", "kubelet.conf"])
        .env_clear();
    let output = Output::of(command.current_dir(cluster.directory.path()));
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn keys_of_every_encoding_are_read() {
    let cluster = Cluster::new();
    let sec1 = |pkcs8: &str| openssl(&["ec"], pkcs8);
    let rsa = openssl(&["genrsa", "2048"], "").map(|key| {
        let pkcs1 = openssl(&["rsa", "-traditional"], &key).unwrap_or_default();
        (key, pkcs1)
    });
    let ecdsa = cluster.identity();
    let mut identities = vec![ecdsa.clone()];
    match (sec1(&ecdsa.key_pem), rsa) {
        (Some(sec1), Some((pkcs8, pkcs1))) => {
            assert!(sec1.contains("BEGIN EC PRIVATE KEY"), "not SEC1");
            assert!(pkcs8.contains("BEGIN PRIVATE KEY") && pkcs1.contains("BEGIN RSA PRIVATE KEY"));
            let cert_pem = certified(&cluster.api, &pkcs8);
            identities.push(Identity {
                key_pem: sec1,
                ..ecdsa
            });
            for key_pem in [pkcs8, pkcs1] {
                let cert_pem = cert_pem.clone();
                identities.push(Identity { cert_pem, key_pem });
            }
        }
        _ => eprintln!("skipped: SEC1 and RSA keys, because openssl, which makes them, is missing"),
    }
    for identity in identities {
        for style in STYLES {
            let output = csr(&cluster.write(&identity, style));
            let encoding = identity.key_pem.lines().next();
            assert_eq!(output.code, 0, "{encoding:?} {style:?}: {}", output.stderr);
            check_silent(&output, &identity.key_pem);
        }
    }
}

/// A node's client certificate for this key.
fn certified(api: &ApiServer, key_pem: &str) -> String {
    let key = rcgen::KeyPair::from_pem(key_pem).unwrap();
    let mut params = rcgen::CertificateParams::default();
    let name = &mut params.distinguished_name;
    *name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::OrganizationName, "system:nodes");
    name.push(rcgen::DnType::CommonName, "system:node:worker-1");
    let pem = params.serialize_request(&key).unwrap().pem().unwrap();
    let request = Request::parse(pem.as_bytes()).unwrap();
    let usages = ["digital signature".to_owned(), "client auth".to_owned()];
    api.ca()
        .sign(&request, &usages, standins::pki::YEAR)
        .unwrap()
}

/// What it makes of its input; none where it is not installed.
fn openssl(arguments: &[&str], input: &str) -> Option<String> {
    use std::io::Write as _;
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(input.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    assert!(output.status.success(), "openssl {arguments:?}");
    String::from_utf8(output.stdout).ok()
}

#[test]
fn an_apply_says_nothing_of_the_nodes_key() {
    let scene = Scene::new();
    let pair = fs::read_to_string(
        scene
            .node
            .path("/var/lib/kubelet/pki/kubelet-client-current.pem"),
    )
    .unwrap();
    let begin = pair.find("-----BEGIN PRIVATE KEY").unwrap();
    let run = scene.apply(&["-v", "--settle", "0s", "-o", "json"]);
    assert_eq!(run.output.code, 0, "{run}");
    check_silent(&run.output, &pair[begin..]);
}
