//! The handle by which a test holds the API server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::store::{Store, Watched};
use super::{
    Cluster, Condition, Config, ConfigMap, Csr, CsrSpec, Fault, KUBELET_SERVING, Logged, Matcher,
    NodeSpec, PolicyRule, ServerCertificate, approved, random_suffix, random_uid, server, services,
    to_base64,
};
use crate::pace;
use crate::pki::{Ca, Identity, Sans};

/// The running API server. Stops when dropped.
pub struct ApiServer {
    cluster: Arc<Cluster>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

impl ApiServer {
    /// Starts it, with the ConfigMaps that kubeadm leaves in a cluster and nothing else.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let ca = Ca::new("kubernetes");
        let sans = Sans {
            dns: vec!["localhost".into(), "kubernetes".into()],
            ips: vec![Ipv4Addr::LOCALHOST.into()],
        };
        let identity = match config.server_certificate {
            ServerCertificate::Valid => ca.server("kube-apiserver", &sans),
            ServerCertificate::OtherCa => Ca::new("kubernetes").server("kube-apiserver", &sans),
            ServerCertificate::Expired => ca.expired_server("kube-apiserver", &sans),
            ServerCertificate::OtherName => {
                let elsewhere = Sans {
                    dns: vec!["elsewhere.example".into()],
                    ips: vec![],
                };
                ca.server("kube-apiserver", &elsewhere)
            }
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).unwrap();
        let address = listener.local_addr().unwrap();
        let tls = server::tls_config(ca.pem(), &identity);
        let cluster = Arc::new_cyclic(|me| Cluster {
            config,
            ca,
            store: Mutex::new(Store::new()),
            changed: Condvar::new(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            objects: Mutex::default(),
            auto_approve: Mutex::default(),
            grants: Mutex::default(),
            tokens: Mutex::default(),
            tls: Mutex::new(tls),
            stopping: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            hushed: AtomicBool::new(false),
            sockets: Mutex::default(),
            me: me.clone(),
        });
        cluster.seed_configmaps();
        let accepting = {
            let cluster = Arc::clone(&cluster);
            std::thread::spawn(move || cluster.accept(&listener))
        };
        Self {
            cluster,
            address,
            accepting: Some(accepting),
        }
    }

    /// `https://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The cluster's CA certificate.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.cluster.ca.pem()
    }

    /// The cluster's CA, to issue whatever a test wants.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.cluster.ca
    }

    /// A client certificate of a node.
    #[must_use]
    pub fn node_identity(&self, node: &str) -> Identity {
        self.client_identity(&format!("system:node:{node}"), &["system:nodes"])
    }

    /// A client certificate of any user.
    #[must_use]
    pub fn client_identity(&self, user: &str, groups: &[&str]) -> Identity {
        self.cluster.ca.client(user, groups)
    }

    /// From now on RBAC grants this user, who is neither an administrator nor a node, these rules and no others.
    pub fn grant(&self, user: &str, rules: &[PolicyRule]) {
        let mut grants = self.cluster.grants.lock().unwrap();
        grants.insert(user.to_owned(), rules.into());
    }

    /// From now on this bearer token is the user's.
    pub fn add_token(&self, token: &str, user: &str, groups: &[&str]) {
        self.cluster.tokens.lock().unwrap().add(token, user, groups);
    }

    /// From now on requests with this token are answered with 401. A watch that runs already continues, as it does in the
    /// real one.
    pub fn revoke_token(&self, token: &str) {
        self.cluster.tokens.lock().unwrap().revoke(token);
    }

    /// From now on requests without any credential are answered with 401, as with `--anonymous-auth=false`.
    pub fn require_credentials(&self) {
        self.cluster.tokens.lock().unwrap().require();
    }

    /// From now on new connections are shown this certificate.
    pub fn present(&self, identity: &Identity) {
        let tls = server::tls_config(self.ca_pem(), identity);
        *self.cluster.tls.lock().unwrap() = tls;
    }

    /// Makes the Node, or changes it.
    pub fn set_node(&self, node: NodeSpec) {
        self.cluster.put_node(node);
    }

    /// Removes the Node.
    pub fn remove_node(&self, name: &str) {
        self.cluster.delete_node(name);
    }

    /// Makes a Service: `spec` and `status` as the API has them.
    pub fn add_service(&self, namespace: &str, name: &str, spec: Value, status: Value) {
        let mut service = services::service(namespace, name, "");
        service["spec"] = spec;
        service["status"] = status;
        let mut store = self.cluster.store.lock().unwrap();
        service["metadata"]["resourceVersion"] = store.next_version().into();
        store.tell(Watched::Services, "ADDED", name, service.to_string());
        store.services.services.push(service);
        drop(store);
        self.cluster.changed.notify_all();
    }

    /// Where the instances of the API server listen, as the Endpoints of `default/kubernetes` have it.
    pub fn set_api_endpoints(&self, addresses: &[&str]) {
        let addresses = addresses.iter().map(|ip| (*ip).to_owned()).collect();
        self.cluster.store.lock().unwrap().services.endpoints = addresses;
    }

    /// Answers an administrator's GET of `path` with this JSON, whatever else the server would say.
    pub fn set_object(&self, path: &str, json: impl Into<String>) {
        let mut objects = self.cluster.objects.lock().unwrap();
        objects.insert(path.to_owned(), json.into());
    }

    /// Answers `path` again as ever.
    pub fn remove_object(&self, path: &str) {
        self.cluster.objects.lock().unwrap().remove(path);
    }

    /// Makes the ConfigMap, or changes its data.
    pub fn set_configmap(&self, namespace: &str, name: &str, data: &[(&str, &str)]) {
        self.cluster.put_configmap(namespace, name, data);
    }

    /// Makes the ConfigMap, or replaces it whole, with whatever metadata this has.
    pub fn set_configmap_object(&self, object: ConfigMap) {
        self.cluster.put_configmap_object(object);
    }

    /// Removes the ConfigMap.
    pub fn remove_configmap(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        self.cluster.store.lock().unwrap().configmaps.remove(&key);
    }

    /// The ConfigMap.
    #[must_use]
    pub fn configmap(&self, namespace: &str, name: &str) -> Option<ConfigMap> {
        let key = (namespace.to_owned(), name.to_owned());
        self.cluster
            .store
            .lock()
            .unwrap()
            .configmaps
            .get(&key)
            .cloned()
    }

    /// All requests, by name.
    #[must_use]
    pub fn csrs(&self) -> Vec<Csr> {
        self.cluster
            .store
            .lock()
            .unwrap()
            .csrs
            .values()
            .map(|s| s.csr.clone())
            .collect()
    }

    /// The requests of one node, oldest first.
    #[must_use]
    pub fn csrs_of(&self, node: &str) -> Vec<Csr> {
        let requestor = format!("system:node:{node}");
        let store = self.cluster.store.lock().unwrap();
        let mut mine: Vec<_> = store
            .csrs
            .values()
            .filter(|s| s.csr.spec.username == requestor)
            .collect();
        mine.sort_by_key(|s| store.created.get(&s.csr.metadata.name));
        mine.into_iter().map(|s| s.csr.clone()).collect()
    }

    /// One request.
    #[must_use]
    pub fn csr(&self, name: &str) -> Option<Csr> {
        self.cluster
            .store
            .lock()
            .unwrap()
            .csrs
            .get(name)
            .map(|s| s.csr.clone())
    }

    /// Waits for a request of this node beyond the first `known` ones.
    #[must_use]
    pub fn wait_for_csr(&self, node: &str, known: usize, timeout: Duration) -> Option<Csr> {
        let mut mine = Vec::new();
        let came = pace::wait_for(timeout, || {
            mine = self.csrs_of(node);
            mine.len() > known
        });
        came.then(|| mine.swap_remove(known))
    }

    /// `kubectl certificate approve`. False: no such request.
    pub fn approve(&self, name: &str) -> bool {
        self.cluster.decide(name, approved())
    }

    /// `kubectl certificate deny`.
    pub fn deny(&self, name: &str) -> bool {
        let message = "This CSR was denied by kubectl certificate deny.";
        self.cluster
            .decide(name, Condition::new("Denied", "KubectlDeny", message))
    }

    /// Approves a request and gives it this certificate, whatever it asked for: a signer gone wrong.
    pub fn issue(&self, name: &str, certificate_pem: &str) {
        let mut csr = self.csr(name).unwrap();
        csr.status.conditions.push(approved());
        csr.status.certificate = Some(super::to_base64(certificate_pem.as_bytes()));
        self.add_csr(csr);
    }

    /// Puts this request into the store as it is; what it lacks of metadata is filled in.
    pub fn add_csr(&self, csr: Csr) -> String {
        self.add_csrs([csr]).pop().unwrap()
    }

    /// The same for thousands at once.
    pub fn add_csrs(&self, csrs: impl IntoIterator<Item = Csr>) -> Vec<String> {
        let mut names = Vec::new();
        let mut store = self.cluster.store.lock().unwrap();
        for mut csr in csrs {
            let metadata = &mut csr.metadata;
            if metadata.name.is_empty() {
                metadata.generate_name = "csr-".into();
                metadata.name = format!("csr-{}", random_suffix());
            }
            if metadata.uid.is_empty() {
                metadata.uid = random_uid();
            }
            metadata
                .creation_timestamp
                .get_or_insert_with(crate::clock::rfc3339);
            names.push(metadata.name.clone());
            store.put(csr);
        }
        drop(store);
        self.cluster.changed.notify_all();
        names
    }

    /// Removes a request, as garbage collection does.
    pub fn delete_csr(&self, name: &str) {
        self.cluster.store.lock().unwrap().remove(name);
        self.cluster.changed.notify_all();
    }

    /// From now on approves every new request after this delay; None: no longer.
    pub fn auto_approve(&self, delay: impl Into<Option<Duration>>) {
        *self.cluster.auto_approve.lock().unwrap() = delay.into();
    }

    /// Every request so far, in the order in which they were read.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        self.cluster.requests.lock().unwrap().clone()
    }

    /// Forgets them.
    pub fn clear_requests(&self) {
        self.cluster.requests.lock().unwrap().clear();
    }

    /// When this CSR was created.
    #[must_use]
    pub fn created_at(&self, name: &str) -> Option<Instant> {
        self.cluster
            .store
            .lock()
            .unwrap()
            .created
            .get(name)
            .copied()
    }

    /// From now on requests that match go wrong like this. The first match wins.
    pub fn inject(&self, matcher: Matcher, fault: Fault) {
        self.cluster.faults.lock().unwrap().push((matcher, fault));
    }

    /// From now on nothing goes wrong.
    pub fn clear_faults(&self) {
        self.cluster.faults.lock().unwrap().clear();
    }

    /// Compacts the history: older continue tokens and watch versions are gone.
    pub fn compact(&self) {
        self.cluster.store.lock().unwrap().compact();
    }

    /// New connections are accepted, but nothing is said on them, not even in TLS, until this is undone.
    pub fn mute(&self, mute: bool) {
        self.cluster.mute.store(mute, Ordering::Relaxed);
    }

    /// Watches are accepted, but nothing is said on them, new ones and old ones, until this is undone: what happens
    /// meanwhile is told then.
    pub fn hush_watches(&self, hush: bool) {
        self.cluster.hushed.store(hush, Ordering::Relaxed);
        self.cluster.changed.notify_all();
    }

    /// Cuts all connections, as a restart of the API server does.
    pub fn disconnect_all(&self) {
        for socket in self.cluster.sockets.lock().unwrap().drain(..) {
            if let Some(socket) = socket.upgrade() {
                let _ = socket.shutdown(std::net::Shutdown::Both);
            }
        }
    }

    /// Stops: no connection is left, none is accepted.
    pub fn stop(&mut self) {
        let Some(accepting) = self.accepting.take() else {
            return;
        };
        self.cluster.stopping.store(true, Ordering::Relaxed);
        self.cluster.changed.notify_all();
        // Wakes the accepting thread, which then sees that it is to stop.
        let _ = TcpStream::connect(self.address);
        self.disconnect_all();
        let _ = accepting.join();
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Csr {
    /// A kubelet's pending request for this node, as the kubelet makes it, for [`ApiServer::add_csr`].
    #[must_use]
    pub fn kubelet_serving(node: &str, sans: &Sans) -> Self {
        let (request, _key) =
            crate::pki::Request::make(&format!("system:node:{node}"), &["system:nodes"], sans);
        Self {
            spec: CsrSpec {
                request: to_base64(request.as_bytes()),
                signer_name: KUBELET_SERVING.into(),
                usages: vec!["digital signature".into(), "server auth".into()],
                username: format!("system:node:{node}"),
                groups: vec!["system:nodes".into(), "system:authenticated".into()],
                ..CsrSpec::default()
            },
            ..Self::default()
        }
    }
}
