//! kubeconfig files as kubeadm and the kubelet write them.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{ApiServer, to_base64};
use crate::pki::Identity;

/// Where a kubeconfig has its certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubeconfigStyle {
    /// As on a joined node: the CA inline, certificate and key in one file, `kubelet-client-current.pem`, a symlink.
    Kubelet,
    /// Everything inline, as in `admin.conf`.
    Inline,
    /// Everything by path: `ca.crt`, `client.crt`, `client.key`.
    Paths,
    /// Everything by path, the paths relative to the kubeconfig.
    RelativePaths,
}

impl ApiServer {
    /// Writes `DIR/kubelet.conf` with a new client certificate for this node, and what it refers to beside it.
    pub fn kubeconfig_for_node(&self, node: &str, dir: &Path, style: KubeconfigStyle) -> PathBuf {
        let identity = self.node_identity(node);
        self.write_kubeconfig(&dir.join("kubelet.conf"), dir, &identity, style)
    }

    /// Writes `DIR/admin.conf` with a new certificate of the group `system:masters`.
    pub fn admin_kubeconfig(&self, dir: &Path) -> PathBuf {
        let identity = self.client_identity("kubernetes-admin", &["system:masters"]);
        self.write_kubeconfig(
            &dir.join("admin.conf"),
            dir,
            &identity,
            KubeconfigStyle::Inline,
        )
    }

    /// Writes a kubeconfig for this identity, and the files it refers to into `pki`.
    pub fn write_kubeconfig(
        &self,
        path: &Path,
        pki: &Path,
        identity: &Identity,
        style: KubeconfigStyle,
    ) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::create_dir_all(pki).unwrap();
        let inline = |key: &str, pem: &str| format!("{key}-data: {}", to_base64(pem.as_bytes()));
        let file = |key: &str, name: &str, pem: &str| {
            let file = pki.join(name);
            write_secret(&file, pem);
            match style {
                KubeconfigStyle::RelativePaths => format!("{key}: {name}"),
                _ => format!("{key}: {}", file.display()),
            }
        };
        let (ca, cert, key) = match style {
            KubeconfigStyle::Kubelet => {
                let current = write_client_pair(pki, identity);
                let path = current.display();
                let ca = inline("certificate-authority", self.ca_pem());
                (
                    ca,
                    format!("client-certificate: {path}"),
                    format!("client-key: {path}"),
                )
            }
            KubeconfigStyle::Inline => (
                inline("certificate-authority", self.ca_pem()),
                inline("client-certificate", &identity.cert_pem),
                inline("client-key", &identity.key_pem),
            ),
            KubeconfigStyle::Paths | KubeconfigStyle::RelativePaths => (
                file("certificate-authority", "ca.crt", self.ca_pem()),
                file("client-certificate", "client.crt", &identity.cert_pem),
                file("client-key", "client.key", &identity.key_pem),
            ),
        };
        let server = self.url();
        let text = format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    {ca}\n    server: {server}\n  name: default-cluster\ncontexts:\n- context:\n    cluster: default-cluster\n    namespace: default\n    user: default-auth\n  name: default-context\ncurrent-context: default-context\nkind: Config\nusers:\n- name: default-auth\n  user:\n    {cert}\n    {key}\n"
        );
        write_secret(path, &text);
        path.to_owned()
    }
}

/// `kubelet-client-current.pem`, a symlink to a dated file, as the kubelet keeps it.
fn write_client_pair(pki: &Path, identity: &Identity) -> PathBuf {
    let dated = pki.join("kubelet-client-2026-11-23-07-14-45.pem");
    write_secret(&dated, &identity.pair_pem());
    let current = pki.join("kubelet-client-current.pem");
    let _ = fs::remove_file(&current);
    symlink(&dated, &current).unwrap();
    current
}

fn write_secret(path: &Path, text: &str) {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}
