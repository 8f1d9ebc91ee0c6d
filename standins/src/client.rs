//! A little HTTPS client: what the stand-in kubelet speaks to the API server with, and tests to anything.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::Deserialize;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long a server may say nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The parts of a kubeconfig, read in.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// `https://HOST:PORT`
    pub server: String,
    /// The CA's certificates.
    pub ca_pem: Vec<u8>,
    /// The client certificate and key, if any.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    clusters: Vec<Cluster>,
    users: Vec<User>,
}

#[derive(Deserialize)]
struct Cluster {
    cluster: Fields,
}

#[derive(Deserialize)]
struct User {
    user: Fields,
}

/// Of clusters and users alike: each lacks the other's.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Fields {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
}

impl Kubeconfig {
    /// Reads the file and those it refers to. The stand-ins' kubeconfigs have one context.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("open {}: {e}", path.display()))?;
        let file: File =
            serde_yaml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        let load = |file: &Option<String>, data: &Option<String>| match (file, data) {
            (_, Some(data)) => crate::api::from_base64(data)
                .ok_or_else(|| "illegal base64 data".to_owned())
                .map(Some),
            (Some(name), None) => fs::read(dir.join(name))
                .map(Some)
                .map_err(|e| format!("unable to read {name}: {e}")),
            (None, None) => Ok(None),
        };
        let cluster = &file.clusters.first().ok_or("no clusters")?.cluster;
        let user = &file.users.first().ok_or("no users")?.user;
        let cert = load(&user.client_certificate, &user.client_certificate_data)?;
        let key = load(&user.client_key, &user.client_key_data)?;
        Ok(Self {
            server: cluster.server.clone(),
            ca_pem: load(
                &cluster.certificate_authority,
                &cluster.certificate_authority_data,
            )?
            .unwrap_or_default(),
            client: cert.zip(key),
        })
    }

    /// The CN of the client certificate.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        let (cert, _) = self.client.as_ref()?;
        let der = CertificateDer::from_pem_slice(cert).ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let name = parsed
            .subject()
            .iter_common_name()
            .next()?
            .as_str()
            .ok()?
            .to_owned();
        Some(name)
    }
}

/// A client of one server; a connection per request.
pub struct Client {
    address: String,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    agent: String,
}

/// An answer, its body without the chunks.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The head as it came.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Client {
    /// A client with this kubeconfig's server and identity, called `agent`.
    pub fn new(kubeconfig: &Kubeconfig, agent: &str) -> Result<Self, String> {
        let address = kubeconfig
            .server
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_owned();
        let host = address
            .rsplit_once(':')
            .map_or(address.as_str(), |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|e| e.to_string())?;
        let client = kubeconfig
            .client
            .as_ref()
            .map(|(c, k)| (c.as_slice(), k.as_slice()));
        let tls = client_config(&kubeconfig.ca_pem, client)?;
        Ok(Self {
            address,
            name,
            tls,
            agent: agent.into(),
        })
    }

    /// One request and its whole answer.
    pub fn request(
        &self,
        method: &str,
        target: &str,
        body: Option<&str>,
    ) -> Result<Answer, String> {
        self.typed(method, target, "application/json", body.unwrap_or(""))
    }

    /// The same, with a content type, for patches.
    pub fn typed(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: &str,
    ) -> Result<Answer, String> {
        let mut reader = self
            .send(method, target, content_type, body)
            .map_err(|e| e.to_string())?;
        let (code, head) = read_head(&mut reader).map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        if is_chunked(&head) {
            while let Some(part) = read_chunk(&mut reader).map_err(|e| e.to_string())? {
                bytes.extend(part);
            }
        } else if let Some(length) = content_length(&head) {
            bytes.resize(length, 0);
            reader.read_exact(&mut bytes).map_err(|e| e.to_string())?;
        } else {
            reader.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        }
        Ok(Answer {
            code,
            head,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// A watch: `on_line` sees each event and returns whether it wants more.
    pub fn watch(&self, target: &str, mut on_line: impl FnMut(&str) -> bool) -> Result<(), String> {
        let mut reader = self
            .send("GET", target, "application/json", "")
            .map_err(|e| e.to_string())?;
        let (code, head) = read_head(&mut reader).map_err(|e| e.to_string())?;
        if code != 200 || !is_chunked(&head) {
            return Err(format!("the server answered {code}"));
        }
        let mut pending = Vec::new();
        while let Some(part) = read_chunk(&mut reader).map_err(|e| e.to_string())? {
            pending.extend(part);
            while let Some(end) = pending.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                if !on_line(String::from_utf8_lossy(&line).trim_end()) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Every byte the server sends to a request until the connection ends, and how it ended.
    pub fn raw(&self, method: &str, target: &str) -> (Vec<u8>, io::Result<()>) {
        let mut bytes = Vec::new();
        let end = self
            .send(method, target, "application/json", "")
            .and_then(|mut r| r.read_to_end(&mut bytes));
        (bytes, end.map(|_| ()))
    }

    fn send(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: &str,
    ) -> io::Result<BufReader<StreamOwned<ClientConnection, TcpStream>>> {
        let mut stream = connect(&self.address, self.name.clone(), &self.tls)?;
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: application/json\r\nConnection: close\r\n",
            self.address, self.agent
        );
        if !body.is_empty() {
            request += &format!(
                "Content-Type: {content_type}\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        request += "\r\n";
        request += body;
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        Ok(BufReader::new(stream))
    }
}

/// The client's side of TLS.
pub fn client_config(
    ca_pem: &[u8],
    client: Option<(&[u8], &[u8])>,
) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots
            .add(certificate.map_err(|e| e.to_string())?)
            .map_err(|e| e.to_string())?;
    }
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = CertificateDer::pem_slice_iter(cert)
                .collect::<Result<_, _>>()
                .map_err(|e| e.to_string())?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| e.to_string())?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| e.to_string())?
        }
    };
    Ok(Arc::new(config))
}

/// A TLS handshake with `address`, whose certificate must be for `name`.
pub fn connect(
    address: &str,
    name: ServerName<'static>,
    tls: &Arc<ClientConfig>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_nodelay(true)?;
    let mut connection = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let code = head
        .split(' ')
        .nth(1)
        .and_then(|c| c.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok((code, head))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let named = |line: &'a str| {
        line.split_once(':')
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    head.lines().find_map(named).map(|(_, value)| value.trim())
}

fn is_chunked(head: &str) -> bool {
    header(head, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"))
}

fn content_length(head: &str) -> Option<usize> {
    header(head, "content-length")?.parse().ok()
}

fn read_chunk(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut size = String::new();
    if reader.read_line(&mut size)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let size = usize::from_str_radix(size.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; size + 2];
    reader.read_exact(&mut bytes)?;
    bytes.truncate(size);
    Ok((size > 0).then_some(bytes))
}
