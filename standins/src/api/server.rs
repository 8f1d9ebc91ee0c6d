//! Connections: TLS, requests, faults, and where each path leads.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::auth::User;
use super::fault::{Fault, Then, WatchFault};
use super::http::{Conn, Request, Response, Socket, chunk};
use super::status::Status;
use super::store::Watched;
use super::watch::Watch;
use super::{Cluster, Logged, PolicyRule, discovery};
use crate::pki::Identity;

/// What a request is answered with.
enum Answer {
    Whole(Response),
    Watch(Watch),
}

/// The server's side of TLS. Client certificates are optional, but must be the CA's if there is one.
pub(crate) fn tls_config(ca_pem: &str, identity: &Identity) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap())
        .unwrap();
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(identity.cert_pem.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

impl Cluster {
    /// Accepts until stopped; a thread per connection.
    pub(crate) fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.is_stopping() {
                return;
            }
            let Ok(stream) = stream else { continue };
            let cluster = Arc::clone(self);
            let tls = Arc::clone(&self.tls.lock().unwrap());
            std::thread::spawn(move || {
                // A client that goes away is its own affair.
                let _ = cluster.serve(stream, tls);
            });
        }
    }

    fn serve(&self, stream: TcpStream, tls: Arc<ServerConfig>) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        {
            let mut sockets = self.sockets.lock().unwrap();
            sockets.retain(|s| s.strong_count() > 0);
            sockets.push(Arc::downgrade(&stream));
        }
        while self.mute.load(Ordering::Relaxed) && !self.is_stopping() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
        let mut tls = StreamOwned::new(connection, Socket(stream));
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        let certificate = tls.conn.peer_certificates().and_then(|c| c.first());
        let certified = certificate.and_then(User::of_certificate);
        let mut conn = Conn::new(tls);
        while let Some(request) = conn.read()? {
            let known = self.tokens.lock().unwrap();
            let user = known.user_of(certified.as_ref(), &request);
            drop(known);
            let user = user.map(|user| {
                let mut user = user.on_behalf(&request).unwrap_or(user);
                user.rules = self.granted(&user.name);
                user
            });
            match self.respond(&mut conn, &request, user)? {
                Then::Cut => return Ok(()),
                Then::KeepAlive if request.keeps_alive() && !self.is_stopping() => {}
                _ => break,
            }
        }
        conn.close();
        Ok(())
    }

    /// Answers `user`, or a client that is not one.
    fn respond(
        &self,
        conn: &mut Conn,
        request: &Request,
        user: Result<User, Status>,
    ) -> std::io::Result<Then> {
        let (user, refused) = match user {
            Ok(user) => (user, None),
            Err(status) => (User::anonymous(), Some(status)),
        };
        self.log(request, &user);
        let fault = self.fault_for(request, &user.name);
        if let Some(fault) = &fault {
            match fault.before(conn, request)? {
                Then::Answer => {}
                then => return Ok(then),
            }
        }
        let answer = match refused {
            None => self.answer(request, &user),
            Some(status) => Err(status),
        };
        let answer = answer.unwrap_or_else(|status| Answer::Whole(status.into()));
        match answer {
            Answer::Whole(response) => {
                match &fault {
                    Some(Fault::Lost) => return Ok(Then::Cut),
                    Some(Fault::Trickle(pause)) => trickle(conn, &response, *pause)?,
                    _ => conn.send(&response.bytes())?,
                }
                Ok(Then::KeepAlive)
            }
            Answer::Watch(watch) => {
                let fault = WatchFault::of(fault.as_ref());
                self.serve_watch(conn, &watch, &fault)?;
                if fault.reset {
                    // Let the last event arrive: RST throws away what the client has not read yet.
                    std::thread::sleep(Duration::from_millis(20));
                    conn.reset_on_close();
                }
                Ok(if fault.ends_connection() {
                    Then::Cut
                } else {
                    Then::KeepAlive
                })
            }
        }
    }

    fn watch(&self, of: Watched, user: &User, request: &Request) -> Result<Answer, Status> {
        Watch::parse(of, user, request, self.minor()).map(Answer::Watch)
    }

    fn answer(&self, request: &Request, user: &User) -> Result<Answer, Status> {
        const CSRS: [&str; 4] = [
            "apis",
            "certificates.k8s.io",
            "v1",
            "certificatesigningrequests",
        ];
        let segments: Vec<&str> = request.path.split('/').filter(|s| !s.is_empty()).collect();
        let method = request.method.as_str();
        if method == "GET" && user.is_admin() {
            let objects = self.objects.lock().unwrap();
            if let Some(json) = objects.get(&request.path) {
                return Ok(Answer::Whole(Response::json(json.clone())));
            }
        }
        let whole = match (method, segments.as_slice()) {
            ("GET", ["version"]) => Ok(self.version()),
            ("GET", ["healthz" | "livez" | "readyz"]) => Ok(Response::text(200, "ok")),
            (_, path) if path.starts_with(&CSRS) => match (method, &path[CSRS.len()..]) {
                ("GET", []) if request.is_watch() => {
                    return self.watch(Watched::Csrs, user, request);
                }
                ("GET", []) => self.list_csrs(user, request),
                ("POST", []) => self.create_csr(user, request),
                ("GET", [name]) => self.get_csr(user, name),
                ("DELETE", [name]) => self.delete_csr(user, name),
                ("GET", [name, "approval"]) => self.get_approval(user, name),
                ("PUT" | "PATCH", [name, "approval"]) => self.update_approval(user, name, request),
                _ => Err(Status::method_not_allowed()),
            },
            ("GET", ["api", "v1", "nodes"]) if request.is_watch() => {
                return self.watch(Watched::Nodes, user, request);
            }
            ("GET", ["api", "v1", "services"]) if request.is_watch() => {
                return self.watch(Watched::Services, user, request);
            }
            ("GET", ["api", "v1", "nodes"]) => self.list_nodes(user, request),
            ("GET", ["api", "v1", "services"]) => self.list_services(user, request),
            (
                "GET",
                [
                    "apis",
                    "discovery.k8s.io",
                    "v1",
                    "namespaces",
                    "default",
                    "endpointslices",
                ],
            ) if self.minor() >= 21 => self.list_endpoint_slices(user, request),
            ("GET", ["apis", "networking.k8s.io", "v1", "servicecidrs"]) if self.minor() >= 33 => {
                self.list_service_cidrs(user, request)
            }
            ("GET", ["api", "v1", "namespaces", ns, "endpoints", name]) => {
                self.get_endpoints(user, ns, name)
            }
            ("GET", ["api", "v1", "nodes", name]) => self.get_node(user, name),
            ("GET", ["api", "v1", "nodes", name, "proxy", "configz"]) => {
                self.get_configz(user, name)
            }
            ("GET", ["api", "v1", "namespaces", ns, "pods"]) => self.list_pods(user, ns, request),
            ("PUT", ["api", "v1", "namespaces", ns, "pods", name]) => {
                self.report_pod(user, ns, name, request)
            }
            ("GET", ["api", "v1", "namespaces", ns, "configmaps"]) => {
                self.list_configmaps(user, ns)
            }
            ("GET", ["api", "v1", "namespaces", ns, "configmaps", name]) => {
                self.get_configmap(user, ns, name)
            }
            ("PUT" | "PATCH", ["api", "v1", "namespaces", ns, "configmaps", name]) => {
                self.update_configmap(user, ns, name, request)
            }
            (
                "POST",
                [
                    "apis",
                    "authorization.k8s.io",
                    "v1",
                    "selfsubjectaccessreviews",
                ],
            ) if !user.is_anonymous() => discovery::may_i(user, request, self.minor()),
            ("GET", path) if !user.is_anonymous() => {
                discovery::answer(path).ok_or_else(Status::no_such_path)
            }
            _ if user.is_anonymous() => Err(Status::forbidden_path(
                &user.name,
                &method.to_ascii_lowercase(),
                &request.path,
            )),
            _ => Err(Status::no_such_path()),
        };
        whole.map(Answer::Whole)
    }

    fn granted(&self, user: &str) -> Arc<[PolicyRule]> {
        let grants = self.grants.lock().unwrap();
        grants.get(user).cloned().unwrap_or_default()
    }

    fn log(&self, request: &Request, user: &User) {
        self.requests.lock().unwrap().push(Logged {
            method: request.method.clone(),
            target: request.target.clone(),
            user: user.name.clone(),
            headers: request.headers.clone(),
            at: Instant::now(),
        });
    }

    fn fault_for(&self, request: &Request, user: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        faults
            .iter_mut()
            .find_map(|(matcher, fault)| matcher.takes(request, user).then(|| fault.clone()))
    }
}

fn trickle(conn: &mut Conn, response: &Response, pause: Duration) -> std::io::Result<()> {
    conn.send(response.head("Transfer-Encoding: chunked").as_bytes())?;
    for byte in &response.body {
        conn.send(&chunk(&[*byte]))?;
        std::thread::sleep(pause);
    }
    conn.send(&chunk(b""))
}
