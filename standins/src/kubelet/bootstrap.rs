//! serverTLSBootstrap: the kubelet asks the cluster's CA for its serving certificate.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::klog;
use super::knobs::Knobs;
use super::serving::{self, Serving};
use crate::api::{from_base64, to_base64};
use crate::client::{Client, Kubeconfig};
use crate::pki::{Request, Sans};

const CSRS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// The kubelet's store and source of serving certificates.
pub(crate) struct Bootstrap {
    pub(crate) node: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) cert_dir: PathBuf,
    pub(crate) cloud_provider_is_external: bool,
    pub(crate) knobs: Knobs,
}

impl Bootstrap {
    /// `kubelet-server-current.pem`, if it is there and holds; an unreadable one is fatal.
    pub(crate) fn current(&self) -> Result<Option<Arc<CertifiedKey>>, String> {
        let path = self.cert_dir.join("kubelet-server-current.pem");
        if !path.exists() {
            return Ok(None);
        }
        let pair = serving::read_pair(&path, &path).map_err(|why| {
            format!("failed to run Kubelet: failed to initialize certificate manager: could not convert data from {:?} into cert/key pair: {why}", path)
        })?;
        Ok(Some(pair).filter(|p| holds_now(p)))
    }

    /// Asks until it has a certificate for all of the node's addresses; each denial doubles the pause.
    pub(crate) fn run(&self, serving: &Serving, mut current: Option<Arc<CertifiedKey>>) {
        std::thread::sleep(Duration::from_millis(self.knobs.csr_delay_ms));
        let mut backoff = self.knobs.csr_backoff_ms;
        let mut held_since = Instant::now();
        loop {
            let sans = self.addresses();
            if self.knobs.never_csr {
                return;
            }
            let renew_after = self.knobs.renew_after_ms.map(Duration::from_millis);
            let is_due = renew_after.is_some_and(|after| held_since.elapsed() >= after);
            if !is_due && current.as_ref().is_some_and(|c| self.satisfies(c, &sans)) {
                // Nothing to do for most of a year, unless an address changes.
                let Some(pause) = self.knobs.address_poll_ms.or(self.knobs.renew_after_ms) else {
                    return;
                };
                std::thread::sleep(Duration::from_millis(pause));
                continue;
            }
            klog::info(
                "certificate_manager.go:566",
                "\"Rotating certificates\" logger=\"kubernetes.io/kubelet-serving\"",
            );
            match self.request(&sans) {
                Ok(pair) => {
                    klog::info(
                        "certificate_manager.go:715",
                        "\"Certificate rotated\" logger=\"kubernetes.io/kubelet-serving\"",
                    );
                    serving.set_issued(Arc::clone(&pair));
                    current = Some(pair);
                    held_since = Instant::now();
                }
                Err(why) => {
                    klog::error(
                        "certificate_manager.go:596",
                        &format!(
                            "\"Unhandled Error\" err=\"kubernetes.io/kubelet-serving: {why}\""
                        ),
                    );
                    std::thread::sleep(Duration::from_millis(backoff));
                    // 2, 4, 8, 16, then always 32 s.
                    backoff = (backoff * 2).min(self.knobs.csr_backoff_ms * 16);
                }
            }
        }
    }

    fn client(&self) -> Result<Client, String> {
        let agent = format!(
            "kubelet/{} (linux/amd64) kubernetes/3f1ac0b",
            self.knobs.version
        );
        Client::new(&Kubeconfig::read(&self.kubeconfig)?, &agent)
    }

    /// The Node's addresses, waited for.
    fn addresses(&self) -> Sans {
        loop {
            match self.read_addresses() {
                Ok(sans)
                    if sans.ips.is_empty() && (self.knobs.minor() >= 31 || sans.dns.is_empty()) => {
                }
                Ok(sans) => return sans,
                Err(why) => klog::error(
                    "kubelet_node_status.go:1",
                    &format!("\"Error getting the current node from lister\" err=\"{why}\""),
                ),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn read_addresses(&self) -> Result<Sans, String> {
        let answer =
            self.client()?
                .request("GET", &format!("/api/v1/nodes/{}", self.node), None)?;
        if answer.code != 200 {
            return Err(answer.body);
        }
        let node: Value = serde_json::from_str(&answer.body).map_err(|e| e.to_string())?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let uninitialized = "node.cloudprovider.kubernetes.io/uninitialized";
        let tainted = list(&node["spec"]["taints"])
            .iter()
            .any(|t| t["key"] == uninitialized);
        let mut sans = Sans::default();
        if self.knobs.minor() >= 34 && self.cloud_provider_is_external && tainted {
            return Ok(sans);
        }
        for address in list(&node["status"]["addresses"]) {
            let text = address["address"].as_str().unwrap_or_default().to_owned();
            match (address["type"].as_str(), text.parse::<IpAddr>()) {
                (Some("InternalIP" | "ExternalIP"), Ok(ip)) => sans.ips.push(ip),
                (_, Ok(ip)) => sans.ips.push(ip),
                _ if sans.dns.contains(&text) => {}
                _ => sans.dns.push(text),
            }
        }
        Ok(sans)
    }

    fn satisfies(&self, pair: &CertifiedKey, wanted: &Sans) -> bool {
        let Some(leaf) = pair.cert.first() else {
            return false;
        };
        let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
            return false;
        };
        let name = leaf
            .subject()
            .iter_common_name()
            .next()
            .and_then(|n| n.as_str().ok().map(str::to_owned));
        let organizations: Vec<&str> = leaf
            .subject()
            .iter_organization()
            .filter_map(|o| o.as_str().ok())
            .collect();
        let mut has = Sans::default();
        if let Ok(Some(san)) = leaf.subject_alternative_name() {
            for general in &san.value.general_names {
                match general {
                    GeneralName::DNSName(n) => has.dns.push((*n).to_owned()),
                    GeneralName::IPAddress(n) => has.ips.extend(crate::pki::ip(n)),
                    _ => {}
                }
            }
        }
        holds_now(pair)
            && name.as_deref() == Some(&format!("system:node:{}", self.node))
            && organizations == ["system:nodes"]
            && wanted.dns.iter().all(|n| has.dns.contains(n))
            && wanted.ips.iter().all(|i| has.ips.contains(i))
    }

    /// One request, from a new key to the installed certificate.
    fn request(&self, sans: &Sans) -> Result<Arc<CertifiedKey>, String> {
        let client = self.client()?;
        let (request, key) = Request::make(
            &format!("system:node:{}", self.node),
            &["system:nodes"],
            sans,
        );
        let mut usages = vec!["digital signature", "key encipherment", "server auth"];
        if !self
            .knobs
            .key_encipherment
            .unwrap_or(self.knobs.minor() <= 26)
        {
            usages.remove(1);
        }
        let csr = json!({
            "kind": "CertificateSigningRequest",
            "apiVersion": "certificates.k8s.io/v1",
            "metadata": {"generateName": "csr-"},
            "spec": {
                "request": to_base64(request.as_bytes()),
                "signerName": "kubernetes.io/kubelet-serving",
                "usages": usages,
            },
            "status": {},
        });
        let answer = client.request("POST", CSRS, Some(&csr.to_string()))?;
        if answer.code != 201 {
            return Err(format!(
                "Failed while requesting a signed certificate from the control plane: cannot create certificate signing request: {}",
                answer.body
            ));
        }
        let created: Value = serde_json::from_str(&answer.body).map_err(|e| e.to_string())?;
        let certificate = wait_for(
            &client,
            created,
            Duration::from_millis(self.knobs.csr_timeout_ms),
        )?;
        self.install(&certificate, &key)
    }

    /// A dated file, and the symlink to it changed at one stroke.
    fn install(&self, certificate: &str, key: &str) -> Result<Arc<CertifiedKey>, String> {
        let t = OffsetDateTime::now_utc();
        let name = format!(
            "kubelet-server-{:04}-{:02}-{:02}-{:02}-{:02}-{:02}.pem",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        );
        let pair = serving::certified_key(certificate.as_bytes(), key.as_bytes())?;
        write_secret(&self.cert_dir.join(&name), &format!("{certificate}{key}"))
            .map_err(|e| e.to_string())?;
        let current = self.cert_dir.join("kubelet-server-current.pem");
        if current.symlink_metadata().is_ok_and(|m| !m.is_symlink()) {
            return Err(format!(
                "the file {:?} exists and is not a symlink",
                current
            ));
        }
        let updated = self.cert_dir.join("kubelet-server-updated.pem");
        let _ = fs::remove_file(&updated);
        symlink(self.cert_dir.join(&name), &updated)
            .and_then(|()| fs::rename(&updated, &current))
            .map_err(|e| e.to_string())?;
        Ok(pair)
    }
}

/// Watches a request from its creation until it is issued; denied, failed or deleted is an error.
fn wait_for(client: &Client, created: Value, timeout: Duration) -> Result<String, String> {
    let until = Instant::now() + timeout;
    let name = created["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut object = created;
    loop {
        if let Some(outcome) = judge(&name, &json!({"type": "MODIFIED", "object": object})) {
            return outcome;
        }
        let version = object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default();
        let target = format!(
            "{CSRS}?fieldSelector=metadata.name%3D{name}&watch=true&allowWatchBookmarks=true&timeoutSeconds=600&resourceVersion={version}"
        );
        let mut outcome = None;
        let ended = client.watch(&target, |line| {
            outcome = judge(&name, &serde_json::from_str(line).unwrap_or_default());
            // Bookmarks come often enough to look at the time.
            if outcome.is_none() && Instant::now() >= until {
                outcome = Some(Err(format!("timed out waiting for {name} to be approved")));
            }
            outcome.is_none()
        });
        if let Some(outcome) = outcome {
            return outcome;
        }
        klog::warning(
            "reflector.go:1",
            &format!("watch of {name} ended: {ended:?}"),
        );
        // What happened while it did not watch.
        loop {
            std::thread::sleep(Duration::from_millis(100));
            match client.request("GET", &format!("{CSRS}/{name}"), None) {
                Ok(answer) if answer.code == 404 => return Err(deleted(&name)),
                Ok(answer) if answer.code == 200 => {
                    object = serde_json::from_str(&answer.body).unwrap_or_default();
                    break;
                }
                _ => {}
            }
        }
    }
}

fn deleted(name: &str) -> String {
    format!("certificate signing request {name} was deleted")
}

fn judge(name: &str, event: &Value) -> Option<Result<String, String>> {
    match event["type"].as_str()? {
        "DELETED" => return Some(Err(deleted(name))),
        "ADDED" | "MODIFIED" => {}
        _ => return None,
    }
    let status = &event["object"]["status"];
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let (reason, message) = (&condition["reason"], &condition["message"]);
        match condition["type"].as_str() {
            Some("Denied") => {
                return Some(Err(format!(
                    "certificate signing request {name} is denied, reason: {reason}, message: {message}"
                )));
            }
            Some("Failed") => {
                return Some(Err(format!(
                    "certificate signing request {name} failed, reason: {reason}, message: {message}"
                )));
            }
            _ => {}
        }
    }
    let pem = from_base64(status["certificate"].as_str()?)?;
    Some(String::from_utf8(pem).map_err(|e| e.to_string()))
}

fn holds_now(pair: &CertifiedKey) -> bool {
    let Some(leaf) = pair.cert.first() else {
        return false;
    };
    X509Certificate::from_der(leaf).is_ok_and(|(_, leaf)| leaf.validity().is_valid())
}

pub(crate) fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    std::io::Write::write_all(&mut file, text.as_bytes())
}
