//! What a TLS server on the wire serves, verified as metrics-server and the API server would.

mod verifier;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, ClientConfig, ClientConnection};

use crate::approval::{NotVerified, ServedAt};
use crate::node::{NotServed, Served, Unverified};
use crate::x509::Certificate;

use self::verifier::Recorder;
pub(super) use self::verifier::{unverified, verifier};
use super::parallel::in_parallel;

/// A handshake on the same machine takes a few milliseconds; one that takes longer than this altogether is given up.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);
/// A Node has a handful of addresses; of one with more than this the rest are not asked.
const MOST_PROBES: usize = 32;

/// Chooses the one provider of cryptography. Before anything else that speaks TLS.
pub fn install_provider() {
    // It fails only where one is installed already, and that is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What a kubelet serves on `port` of `ips`, as the rule of renewals looks at it.
pub fn served_at(ips: &[IpAddr], port: u16, roots: &[Vec<u8>]) -> Vec<ServedAt> {
    let addresses = ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    let answers = probe_all(addresses, None, roots).into_iter();
    let seen = answers.map(|(address, answer)| ServedAt {
        address: address.ip(),
        certificate: match answer {
            Ok(served) => match served.verified {
                Ok(()) => Ok(served.certificate),
                Err(error) => Err(NotVerified::Unverified(error.to_string())),
            },
            Err(error) => Err(NotVerified::NotServed(error.to_string())),
        },
    });
    seen.collect()
}

/// An address, and what was served there.
pub type ProbeAnswer = (SocketAddr, Result<Served, NotServed>);

/// Probes `addresses`, all at once, so that many silent ones take no longer than one. As many answers, in the same order.
/// What each presents is to be for `name`, a DNS name or an IP address; without a name, for the address.
pub fn probe_all(
    addresses: Vec<SocketAddr>,
    name: Option<&str>,
    roots: &[Vec<u8>],
) -> Vec<ProbeAnswer> {
    let (probed, _) = addresses.split_at(addresses.len().min(MOST_PROBES));
    let mut answers = in_parallel(probed, MOST_PROBES, &|address| match name {
        Some(name) => probe_as(*address, name, roots),
        None => probe(*address, roots),
    });
    let unchecked = || {
        let why = "not checked (too many addresses)";
        Err(NotServed::Other(why.to_owned()))
    };
    answers.resize_with(addresses.len(), unchecked);
    addresses.into_iter().zip(answers).collect()
}

/// Does a TLS handshake with `address` and verifies what it presents against the DER certificates `roots`.
///
/// # Errors
/// When no certificate was presented: nothing listens, or the server has no certificate yet (a kubelet that waits for its
/// certificate ends every handshake with the alert `internal error`).
pub fn probe(address: SocketAddr, roots: &[Vec<u8>]) -> Result<Served, NotServed> {
    shake(address, ServerName::from(address.ip()), roots)
}

/// The same, where what it presents is to be for `name`: a DNS name or an IP address.
///
/// # Errors
/// As [`probe`]; or when `name` is neither.
pub fn probe_as(address: SocketAddr, name: &str, roots: &[Vec<u8>]) -> Result<Served, NotServed> {
    shake(address, server_name(name)?, roots)
}

fn server_name(name: &str) -> Result<ServerName<'static>, NotServed> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| NotServed::Other(format!("{name:?} is not a server name")))
}

/// Verifies a chain in DER that no one presents, as if a server called `name` did.
///
/// # Errors
/// When the chain is empty, or `name` is not a server's name.
pub fn examine(chain: &[Vec<u8>], name: &str, roots: &[Vec<u8>]) -> Result<Served, NotServed> {
    let chain: Vec<_> = chain
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let Some((end_entity, intermediates)) = chain.split_first() else {
        return Err(NotServed::Other("no certificate".to_owned()));
    };
    let certificate =
        Certificate::from_der(end_entity).map_err(|error| NotServed::Other(error.to_string()))?;
    let verdict = verifier(roots)?.verify_server_cert(
        end_entity,
        intermediates,
        &server_name(name)?,
        &[],
        UnixTime::now(),
    );
    Ok(Served {
        certificate,
        verified: verdict.map(drop).map_err(|error| unverified(&error)),
    })
}

/// Does a TLS handshake over a connection that exists, with a server called `name`: a DNS name or an IP address. The
/// connection ends in time by itself, as [`Until`] does.
///
/// # Errors
/// As [`probe`]; or when `name` is neither.
pub(super) fn presented(
    stream: impl io::Read + io::Write,
    name: &str,
    roots: &[Vec<u8>],
) -> Result<Served, NotServed> {
    shake_over(|| Ok(stream), server_name(name)?, roots)
}

fn shake(
    address: SocketAddr,
    name: ServerName<'static>,
    roots: &[Vec<u8>],
) -> Result<Served, NotServed> {
    let end = Instant::now() + DEADLINE;
    let connect = || {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        Ok(Until::new(stream, end))
    };
    shake_over(connect, name, roots)
}

fn shake_over<S: io::Read + io::Write>(
    connect: impl FnOnce() -> io::Result<S>,
    name: ServerName<'static>,
    roots: &[Vec<u8>],
) -> Result<Served, NotServed> {
    let other = |error: &dyn std::fmt::Display| NotServed::Other(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let recorder = Arc::new(Recorder::new(roots)?);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| other(&error))?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_no_client_auth();
    let shaken = handshake(connect, name, config);
    match (recorder.presented.get(), shaken) {
        (Some((der, verdict)), shaken) => {
            let certificate = Certificate::from_der(der).map_err(|error| other(&error))?;
            // A good certificate whose key the server does not hold is not verified either.
            let shaken = shaken.map_err(|error| Unverified::Other(not_served(&error).to_string()));
            Ok(Served {
                certificate,
                verified: verdict.clone().and(shaken),
            })
        }
        (None, Err(error)) => Err(not_served(&error)),
        (None, Ok(())) => Err(NotServed::Other("no certificate was presented".to_owned())),
    }
}

fn handshake<S: io::Read + io::Write>(
    connect: impl FnOnce() -> io::Result<S>,
    name: ServerName<'static>,
    config: ClientConfig,
) -> io::Result<()> {
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = connect()?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(())
}

/// A stream on which everything together ends in time, however slowly the other side drips.
#[derive(Debug)]
pub(super) struct Until {
    stream: TcpStream,
    end: Instant,
}

impl Until {
    /// A stream that ends at `end`.
    pub(super) fn new(stream: TcpStream, end: Instant) -> Self {
        Self { stream, end }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl io::Read for Until {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl io::Write for Until {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn not_served(error: &io::Error) -> NotServed {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::AlertReceived(AlertDescription::InternalError)), _) => {
            NotServed::NoCertificate
        }
        (_, io::ErrorKind::ConnectionRefused) => NotServed::Refused,
        (_, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => NotServed::Silent,
        _ => NotServed::Other(error.to_string()),
    }
}
