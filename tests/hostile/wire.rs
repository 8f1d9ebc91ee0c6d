//! A connection to the API server that an attacker controls: what comes before any HTTP.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use standins::pki::{Ca, Identity, Sans};

/// Longer than any case.
const EVER: Duration = Duration::from_secs(90);

/// What happens to a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    /// It is accepted, and that is all.
    Silent,
    Closed,
    Reset,
    /// Another protocol.
    Plain(&'static str),
    /// The same bytes without end.
    Endless(&'static [u8]),
    /// The same bytes, one a second.
    Trickle(&'static [u8]),
    /// TLS with a certificate that is not good.
    Certificate(Kind),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    OtherCa,
    Expired,
    OtherName,
    SelfSigned,
    /// A client's certificate.
    Client,
}

pub(crate) const WIRES: [(&str, Wire); 15] = [
    ("accepted and silent", Wire::Silent),
    ("accepted and closed", Wire::Closed),
    ("accepted and reset", Wire::Reset),
    ("SSH", Wire::Plain("SSH-2.0-OpenSSH_9.2\r\n")),
    (
        "HTTP without TLS",
        Wire::Plain("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    ),
    ("a TLS alert", Wire::Plain("\x15\x03\x03\x00\x02\x02\x28")),
    (
        "half a TLS record",
        Wire::Plain("\x16\x03\x03\x40\x00\x02\x00"),
    ),
    ("zeros without end", Wire::Endless(&[0; 64])),
    (
        "TLS records without end",
        Wire::Endless(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"),
    ),
    // A ServerHello of 16 MB, begun.
    (
        "a handshake a byte a second",
        Wire::Trickle(b"\x16\x03\x03\x40\x00\x02\xff\xff\xff\x03\x03"),
    ),
    (
        "a certificate of another CA",
        Wire::Certificate(Kind::OtherCa),
    ),
    ("an expired certificate", Wire::Certificate(Kind::Expired)),
    (
        "a certificate for another name",
        Wire::Certificate(Kind::OtherName),
    ),
    (
        "a self-signed certificate",
        Wire::Certificate(Kind::SelfSigned),
    ),
    ("a client's certificate", Wire::Certificate(Kind::Client)),
];

/// Listens at `at`, leads the first `good` connections to the server, and does this to all others. It ends with the
/// test's process.
pub(crate) fn sit(wire: Wire, at: SocketAddr, to: SocketAddr, good: usize, ca: &Ca) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let address = listener.local_addr().unwrap();
    let config = match wire {
        Wire::Certificate(kind) => Some(tls_config(&kind.identity(ca))),
        _ => None,
    };
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let config = config.clone();
            thread::spawn(move || {
                if number < good {
                    lead(&stream, to)
                } else {
                    wire.play(stream, config)
                }
            });
        }
    });
    address
}

fn lead(client: &TcpStream, to: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    let (mut from, mut back) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut back);
        back.shutdown(std::net::Shutdown::Both)
    });
    io::copy(&mut &server, &mut &*client)?;
    client.shutdown(std::net::Shutdown::Both)
}

impl Wire {
    fn play(self, mut stream: TcpStream, config: Option<Arc<ServerConfig>>) -> io::Result<()> {
        match self {
            Self::Silent => thread::sleep(EVER),
            Self::Closed => {}
            // Bytes that were sent and not read make the kernel reset it.
            Self::Reset => drop(stream.peek(&mut [0])?),
            Self::Plain(bytes) => {
                stream.write_all(bytes.as_bytes())?;
                let _ = stream.read(&mut [0; 4096]);
                thread::sleep(Duration::from_millis(200));
            }
            Self::Endless(bytes) => loop {
                stream.write_all(&bytes.repeat(64))?;
                thread::sleep(Duration::from_millis(2));
            },
            Self::Trickle(start) => {
                for byte in start.iter().chain(std::iter::repeat_n(&0, 200)) {
                    stream.write_all(&[*byte])?;
                    thread::sleep(Duration::from_millis(500));
                }
            }
            Self::Certificate(_) => {
                let config = config.unwrap();
                let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
                loop {
                    connection.complete_io(&mut stream)?;
                }
            }
        }
        Ok(())
    }
}

impl Kind {
    fn identity(self, ca: &Ca) -> Identity {
        let sans = Sans {
            dns: vec!["localhost".into()],
            ips: vec![Ipv4Addr::LOCALHOST.into(), PROBED.into()],
        };
        match self {
            Self::OtherCa => Ca::new("kubernetes").server("kube-apiserver", &sans),
            Self::Expired => ca.expired_server("kube-apiserver", &sans),
            Self::OtherName => {
                let ips = vec![Ipv4Addr::new(10, 96, 0, 1).into()];
                ca.server("kube-apiserver", &Sans { dns: vec![], ips })
            }
            Self::SelfSigned => standins::pki::kubelet_self_signed("worker-1", &sans),
            Self::Client => ca.client("system:node:worker-1", &["system:nodes"]),
        }
    }
}

/// Where another process listens on the kubelet's port, which is on 127.0.0.1.
pub(crate) const PROBED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn tls_config(identity: &Identity) -> Arc<ServerConfig> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(identity.cert_pem.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}
