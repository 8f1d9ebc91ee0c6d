//! A control-plane node's own instance of the API server: what kubeadm lays down for it, and what a test asks it.

use std::fs;
use std::path::Path;

use super::{Release, free_port};
use crate::ApiServer;
use crate::api::auth::INSTANCE;
use crate::client::{Client, Kubeconfig};
use crate::kube_apiserver::{Behaviour, FLAG};
use crate::pki::Sans;

/// Where kubeadm writes the static Pod of the API server.
pub const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
/// Where a test says how the instance behaves from its next start on.
const BEHAVIOUR: &str = "/etc/kubernetes/pki/standin-apiserver.json";

/// One instance: a static Pod of the node's kubelet, in front of the cluster's [`ApiServer`].
#[derive(Clone, Debug)]
pub struct ControlPlane {
    release: Release,
    address: String,
    port: u16,
    /// What replaces `/` in the manifest's paths: empty, or the node's directory.
    root: String,
    admin: Kubeconfig,
}

/// A file of a node.
#[derive(Clone, Debug)]
pub struct NodeFile {
    /// Its path on the node.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its mode.
    pub mode: u32,
}

impl ControlPlane {
    /// An instance for a node with this address, on a free port. Its files see the node's `/` at `root`.
    #[must_use]
    pub fn new(api: &ApiServer, release: Release, address: &str, root: &str) -> Self {
        let port = free_port();
        let identity = api.client_identity("kubernetes-admin", &["system:masters"]);
        Self {
            release,
            address: address.to_owned(),
            port,
            root: root.to_owned(),
            admin: Kubeconfig {
                server: format!("https://{address}:{port}"),
                ca_pem: api.ca_pem().into(),
                client: Some((identity.cert_pem.into(), identity.key_pem.into())),
            },
        }
    }

    /// Its URL, at its own address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.admin.server
    }

    /// Its manifest as kubeadm renders it, without the flag by which it verifies kubelets, or with it.
    #[must_use]
    pub fn manifest(&self, api: &ApiServer, verifies: bool) -> String {
        self.release
            .manifest(verifies)
            .replace("192.0.2.10", &self.address)
            .replace("6443", &self.port.to_string())
            // Last: the cluster's port is random and may contain the digits of the ports above.
            .replace("https://127.0.0.1:2379", &api.url())
            .replace("/etc/kubernetes", &format!("{}/etc/kubernetes", self.root))
    }

    /// Everything that kubeadm lays down for it; what a node has anyway, such as `ca.crt`, is not among it.
    #[must_use]
    pub fn files(&self, api: &ApiServer) -> Vec<NodeFile> {
        let sans = Sans {
            dns: vec!["kubernetes".into(), "localhost".into()],
            ips: [&*self.address, "127.0.0.1"]
                .map(|ip| ip.parse().unwrap())
                .into(),
        };
        let mut files = Vec::new();
        let mut put = |path: &str, text: &str, mode| {
            files.push(NodeFile {
                path: format!("/etc/kubernetes/{path}"),
                text: text.to_owned(),
                mode,
            });
        };
        for (name, identity) in [
            ("apiserver", api.ca().server("kube-apiserver", &sans)),
            (
                "apiserver-etcd-client",
                api.client_identity(INSTANCE, &["system:masters"]),
            ),
            (
                "apiserver-kubelet-client",
                api.client_identity("kube-apiserver-kubelet-client", &["system:masters"]),
            ),
        ] {
            put(&format!("pki/{name}.crt"), &identity.cert_pem, 0o644);
            put(&format!("pki/{name}.key"), &identity.key_pem, 0o600);
        }
        put("pki/etcd/ca.crt", api.ca_pem(), 0o644);
        put("admin.conf", &self.admin_conf(api), 0o600);
        // Last: the kubelet runs it at once.
        let manifest = self.manifest(api, false);
        put("manifests/kube-apiserver.yaml", &manifest, 0o600);
        files
    }

    /// `admin.conf`, which names this instance alone.
    fn admin_conf(&self, api: &ApiServer) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = api.admin_kubeconfig(directory.path());
        let text = fs::read_to_string(path).unwrap();
        text.replace(&api.url(), self.url())
    }

    /// The file that says how it behaves from its next start on.
    #[must_use]
    pub fn behaviour(behaviour: &Behaviour) -> NodeFile {
        NodeFile {
            path: BEHAVIOUR.into(),
            text: serde_json::to_string(behaviour).unwrap(),
            mode: 0o644,
        }
    }

    /// A client of this instance with an administrator's certificate.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.admin, "kubectl/v1.36.2").unwrap()
    }

    /// What its `/readyz` answers to a client without a certificate; None: it is not reached.
    #[must_use]
    pub fn readyz(&self) -> Option<u16> {
        let anonymous = Kubeconfig {
            client: None,
            ..self.admin.clone()
        };
        let client = Client::new(&anonymous, "kube-probe/1.36").unwrap();
        Some(client.request("GET", "/readyz", None).ok()?.code)
    }

    /// Code and body of `GET nodes/NODE/proxy/healthz` through this instance.
    pub fn healthz_of(&self, node: &str) -> Result<(u16, String), String> {
        let path = format!("/api/v1/nodes/{node}/proxy/healthz");
        let answer = self.client().request("GET", &path, None)?;
        Ok((answer.code, answer.body))
    }

    /// Its process, found in `proc` by its command line, and the value there of the flag by which it verifies kubelets.
    #[must_use]
    pub fn process(&self, proc: &Path) -> Option<(u32, Option<String>)> {
        let port = format!("--secure-port={}", self.port);
        let entries = fs::read_dir(proc).ok()?.flatten();
        entries
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
                let words: Vec<&str> = line.split_terminator('\0').collect();
                let is_mine = words.first() == Some(&"kube-apiserver") && words.contains(&&*port);
                let flag = format!("--{FLAG}=");
                let value = words.iter().rev().find_map(|word| word.strip_prefix(&flag));
                is_mine.then(|| (pid, value.map(str::to_owned)))
            })
            .next()
    }
}
