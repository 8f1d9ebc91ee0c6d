//! The TLS ports of many kubelets in one process, each at an address of its own of 127.0.0.0/8.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::sign::CertifiedKey;

use super::serving::{Serving, certified_key, clients_of};
use crate::pki::{Ca, Identity, Sans, kubelet_self_signed};
use rustls::server::danger::ClientCertVerifier;

/// What one kubelet of a [`Fleet`] serves.
#[derive(Clone)]
enum Serves {
    Certificate(Arc<CertifiedKey>),
    /// It waits for its certificate.
    Nothing,
    /// It accepts connections and says nothing.
    Silence,
}

type Kubelets = Arc<Mutex<HashMap<IpAddr, Serves>>>;

/// Many kubelets' TLS ports; they are all one port, and an address where no kubelet is closes its connections.
pub struct Fleet {
    port: u16,
    kubelets: Kubelets,
    clients: Clients,
}

/// Verifies the certificates of clients, the same of all kubelets.
type Clients = Arc<Mutex<Option<Arc<dyn ClientCertVerifier>>>>;

impl Fleet {
    /// Starts without kubelets.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let kubelets = Kubelets::default();
        let shared = Arc::clone(&kubelets);
        let clients = Clients::default();
        let known = Arc::clone(&clients);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kubelets, clients) = (Arc::clone(&shared), Arc::clone(&known));
                std::thread::spawn(move || answer(stream, &kubelets, &clients));
            }
        });
        Self {
            port,
            kubelets,
            clients,
        }
    }

    /// From now on they answer clients with a certificate of this CA, such as the API server.
    pub fn trust(&self, ca: &Ca) {
        *self.clients.lock().unwrap() = clients_of(ca.pem().as_bytes());
    }

    /// The port of every kubelet.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The kubelet of `node` at `address` serves what `ca` issued for these addresses.
    pub fn issued(&self, ca: &Ca, node: &str, address: &str, addresses: &[&str]) {
        let sans = sans(node, addresses);
        self.identity(address, &ca.server(&format!("system:node:{node}"), &sans));
    }

    /// It serves what it made itself.
    pub fn self_signed(&self, node: &str, address: &str) {
        self.identity(address, &kubelet_self_signed(node, &sans(node, &[])));
    }

    /// It serves this certificate.
    pub fn identity(&self, address: &str, identity: &Identity) {
        let pair = certified_key(identity.cert_pem.as_bytes(), identity.key_pem.as_bytes());
        self.set(address, Serves::Certificate(pair.unwrap()));
    }

    /// It waits for its certificate and ends every handshake.
    pub fn waiting(&self, address: &str) {
        self.set(address, Serves::Nothing);
    }

    /// It accepts connections and never says a word.
    pub fn silent(&self, address: &str) {
        self.set(address, Serves::Silence);
    }

    fn set(&self, address: &str, serves: Serves) {
        let address = address.parse().unwrap();
        self.kubelets.lock().unwrap().insert(address, serves);
    }
}

fn sans(node: &str, addresses: &[&str]) -> Sans {
    Sans {
        dns: vec![node.to_owned()],
        ips: addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect(),
    }
}

fn answer(stream: TcpStream, kubelets: &Kubelets, clients: &Clients) {
    let Ok(address) = stream.local_addr() else {
        return;
    };
    let serves = kubelets.lock().unwrap().get(&address.ip()).cloned();
    let serving = match serves {
        Some(Serves::Certificate(pair)) => Serving {
            fixed: Some(pair),
            clients: clients.lock().unwrap().clone(),
            ..Serving::default()
        },
        Some(Serves::Nothing) => Serving::default(),
        Some(Serves::Silence) => {
            std::thread::sleep(std::time::Duration::from_secs(30));
            return;
        }
        None => return,
    };
    // A client that goes away is its own affair.
    let _ = serving.answer(stream);
}
