//! `nodes/NODE/proxy`: what an instance asks of kubelets, and whether it verifies them, with Go's words for what fails.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct,
    Error, RootCertStore, SignatureScheme, StreamOwned,
};
use serde_json::Value;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::behaviour::CaFile;
use super::etcd::Etcd;
use super::flags::Flags;
use super::{FLAG, open_error, read};
use crate::api::User;
use crate::api::auth;
use crate::api::http::Response;
use crate::api::status::{Resource, Status};
use crate::pki;

/// How long a kubelet may take for a connection and for an answer; really 30 s.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the API server dials without `--kubelet-preferred-address-types`.
const DEFAULT_TYPES: [&str; 5] = [
    "Hostname",
    "InternalDNS",
    "InternalIP",
    "ExternalDNS",
    "ExternalIP",
];
const UNKNOWN_AUTHORITY: &str = "x509: certificate signed by unknown authority";

/// How this instance speaks to kubelets.
pub(super) struct Kubelets {
    tls: Arc<ClientConfig>,
    types: Vec<String>,
}

impl Kubelets {
    /// Reads the flags that begin with `--kubelet-`. The error is why the instance cannot start.
    pub(super) fn new(flags: &Flags, ca_file: CaFile, minor: u32) -> Result<Self, String> {
        let trust = match flags.get(FLAG).filter(|file| !file.is_empty()) {
            None => Trust::Anyone,
            Some(file) => trust(Path::new(file), ca_file)?,
        };
        let chain = read(&flags.path("kubelet-client-certificate")?)?;
        let key = read(&flags.path("kubelet-client-key")?)?;
        let verifier = Verifier {
            trust,
            // Go's since 1.20, with which Kubernetes is built since 1.27.
            prefix: if minor >= 27 {
                "tls: failed to verify certificate: "
            } else {
                ""
            },
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        };
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|why| why.to_string())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|why| why.to_string())?;
        let tls = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
            .with_safe_default_protocol_versions()
            .map_err(|why| why.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(chain, key)
            .map_err(|why| why.to_string())?;
        let types = flags.list("kubelet-preferred-address-types");
        let types = if types.is_empty() {
            DEFAULT_TYPES.to_vec()
        } else {
            types
        };
        Ok(Self {
            tls: Arc::new(tls),
            types: types.into_iter().map(str::to_owned).collect(),
        })
    }

    /// `GET nodes/NODE/proxy/PATH`, where NODE may be `NODE:PORT` or `https:NODE:PORT`.
    pub(super) fn proxy(
        &self,
        etcd: &Etcd,
        user: &User,
        node: &str,
        path: &str,
        minor: u32,
    ) -> Result<Response, Status> {
        let node = node.trim_start_matches("https:");
        let (name, port) = match node.split_once(':') {
            Some((name, port)) => (name, port.parse().ok()),
            None => (node, None),
        };
        auth::node_proxy(user, name)?;
        let object = etcd
            .get(&format!("/api/v1/nodes/{name}"))
            .map_err(|why| Status::unreachable(&why))?;
        if object["kind"] != "Node" {
            return Err(Status::not_found(Resource {
                group: "",
                plural: "nodes",
                name,
            }));
        }
        let own = object["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64();
        let port = port.or(own.and_then(|port| u16::try_from(port).ok()));
        let answered = self
            .address(&object)
            .and_then(|address| self.ask(&address, port.unwrap_or(10250), path));
        answered.map_err(|why| {
            let why = format!("error trying to reach service: {why}");
            if minor <= 19 {
                Status::internal(&why)
            } else {
                Status::unreachable(&why)
            }
        })
    }

    /// The first address of the first preferred type that the Node has.
    fn address(&self, node: &Value) -> Result<String, String> {
        let addresses = node["status"]["addresses"].as_array();
        let addresses = addresses.map(Vec::as_slice).unwrap_or_default();
        let of_type = |kind: &String| {
            let found = addresses.iter().find(|one| one["type"] == **kind)?;
            found["address"].as_str().map(str::to_owned)
        };
        self.types.iter().find_map(of_type).ok_or(format!(
            "no preferred addresses found; known addresses: {addresses:?}"
        ))
    }

    fn ask(&self, address: &str, port: u16, path: &str) -> Result<Response, String> {
        let target = (address, port)
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.next())
            .ok_or(format!("dial tcp: lookup {address}: no such host"))?;
        let mut tls = self.handshake(address, target)?;
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {address}:{port}\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        tls.write_all(head.as_bytes())
            .and_then(|()| tls.read_to_string(&mut answer))
            .map_err(|error| error.to_string())?;
        let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        Ok(Response::text(code.ok_or("EOF")?, body))
    }

    fn handshake(
        &self,
        address: &str,
        target: SocketAddr,
    ) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        let name = ServerName::try_from(address.to_owned()).map_err(|why| why.to_string())?;
        let dialled = TcpStream::connect_timeout(&target, PATIENCE);
        let mut stream = dialled.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                format!("dial tcp {target}: connect: connection refused")
            }
            _ => format!("dial tcp {target}: i/o timeout"),
        })?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .map_err(|error| error.to_string())?;
        let mut connection =
            ClientConnection::new(Arc::clone(&self.tls), name).map_err(|why| why.to_string())?;
        while connection.is_handshaking() {
            connection
                .complete_io(&mut stream)
                .map_err(|error| gos_words(&error))?;
        }
        Ok(StreamOwned::new(connection, stream))
    }
}

fn gos_words(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(Error::General(text)) => text.clone(),
        Some(Error::AlertReceived(AlertDescription::InternalError)) => {
            "remote error: tls: internal error".into()
        }
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".into(),
        None if error.kind() == io::ErrorKind::WouldBlock => {
            "net/http: TLS handshake timeout".into()
        }
        None => error.to_string(),
    }
}

/// Whom an instance believes.
#[derive(Debug)]
enum Trust {
    /// Any kubelet, because the flag is not set.
    Anyone,
    /// No kubelet, because the CA file is empty.
    NoOne,
    Roots(Arc<WebPkiServerVerifier>),
}

fn trust(path: &Path, ca_file: CaFile) -> Result<Trust, String> {
    let pem = match ca_file {
        CaFile::Hosts => read(path)?,
        CaFile::Missing => {
            return Err(open_error(path, &io::ErrorKind::NotFound.into()));
        }
        CaFile::Garbage => "not PEM\n".into(),
        CaFile::Empty => String::new(),
    };
    if pem.is_empty() {
        return Ok(Trust::NoOne);
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()).flatten() {
        let added = roots.add(certificate);
        added.map_err(|why| format!("unable to load root certificates: {why}"))?;
    }
    if roots.is_empty() {
        return Err("unable to load root certificates: unable to parse bytes as PEM block".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map(Trust::Roots).map_err(|why| why.to_string())
}

/// Verifies as Go does: the name first, then the chain.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    prefix: &'static str,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = |why: &str| Error::General(format!("{}{why}", self.prefix));
        if matches!(self.trust, Trust::Anyone) {
            return Ok(ServerCertVerified::assertion());
        }
        verify_name(leaf, &name.to_str()).map_err(|why| refused(&why))?;
        let Trust::Roots(roots) = &self.trust else {
            return Err(refused(UNKNOWN_AUTHORITY));
        };
        let verified = roots.verify_server_cert(leaf, intermediates, name, ocsp, now);
        verified.map_err(|why| match why {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                refused(UNKNOWN_AUTHORITY)
            }
            Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => refused("x509: certificate has expired or is not yet valid"),
            other => refused(&format!("x509: {other}")),
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// Whether the certificate is for the address that is dialled, an IP address or a name.
fn verify_name(leaf: &CertificateDer<'_>, dialled: &str) -> Result<(), String> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|why| format!("x509: {why}"))?;
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let mut ips = Vec::new();
    let mut dns = Vec::new();
    for name in names {
        match name {
            GeneralName::IPAddress(bytes) => {
                ips.extend(pki::ip(bytes).map(|ip| ip.to_string()));
            }
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            _ => {}
        }
    }
    let is_ip = dialled.parse::<IpAddr>().is_ok();
    let all = if is_ip { ips } else { dns };
    if all.iter().any(|name| name == dialled) {
        return Ok(());
    }
    Err(match (is_ip, all.is_empty()) {
        (true, true) => format!(
            "x509: cannot validate certificate for {dialled} because it doesn't contain any IP SANs"
        ),
        (false, true) => {
            format!("x509: certificate is not valid for any names, but wanted to match {dialled}")
        }
        (_, false) => format!(
            "x509: certificate is valid for {}, not {dialled}",
            all.join(", ")
        ),
    })
}
