//! The stand-in of etcd: the API server in the test's own process, which has the cluster's objects.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use super::flags::Flags;
use super::read;
use crate::api::User;
use crate::api::auth::{REMOTE_CREDENTIAL, REMOTE_GROUP, REMOTE_USER};
use crate::api::http::{Conn, Request};
use crate::client::{Client, Kubeconfig, client_config, connect};

/// The way there.
pub(super) struct Etcd {
    address: String,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    client: Client,
}

impl Etcd {
    /// Reads the flags that begin with `--etcd-`.
    pub(super) fn connect(flags: &Flags) -> Result<Self, String> {
        let server = flags.get("etcd-servers").unwrap_or_default();
        let address = server.trim_start_matches("https://").to_owned();
        let host = address.rsplit_once(':').map_or("", |(host, _)| host);
        let pem = |flag: &str| read(&flags.path(flag)?).map(String::into_bytes);
        let ca_pem = pem("etcd-cafile")?;
        let (cert, key) = (pem("etcd-certfile")?, pem("etcd-keyfile")?);
        Ok(Self {
            name: ServerName::try_from(host.to_owned()).map_err(|why| why.to_string())?,
            tls: client_config(&ca_pem, Some((&cert, &key)))?,
            client: Client::new(
                &Kubeconfig {
                    server: server.to_owned(),
                    ca_pem,
                    client: Some((cert, key)),
                },
                "kube-apiserver",
            )?,
            address,
        })
    }

    /// The minor version of Kubernetes.
    pub(super) fn minor(&self) -> Result<u32, String> {
        let version = self.get("/version")?;
        let minor = version["minor"]
            .as_str()
            .and_then(|minor| minor.parse().ok());
        minor.ok_or_else(|| format!("no version: {version}"))
    }

    /// Gets an object for the instance itself.
    pub(super) fn get(&self, path: &str) -> Result<Value, String> {
        let failed = |why: String| format!("Error while dialing: {why}");
        let answer = self.client.request("GET", path, None).map_err(failed)?;
        serde_json::from_str(&answer.body).map_err(|why| format!("{path}: {why}"))
    }

    /// Passes a request on in the name of `user`, and the answer back as it comes, to the end of both connections.
    pub(super) fn relay(&self, conn: &mut Conn, request: &Request, user: &User) -> io::Result<()> {
        let mut stream = connect(&self.address, self.name.clone(), &self.tls)?;
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
        let replaced = ["connection", REMOTE_USER, REMOTE_GROUP, REMOTE_CREDENTIAL];
        let kept = request.headers.iter().filter(|(name, _)| {
            !replaced
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other))
        });
        let groups = user.groups.iter().map(|group| (REMOTE_GROUP, group));
        let credential = user.credential_id.iter();
        let added = [(REMOTE_USER, &user.name)]
            .into_iter()
            .chain(groups)
            .chain(credential.map(|id| (REMOTE_CREDENTIAL, id)));
        for (name, value) in kept.map(|(name, value)| (&**name, value)).chain(added) {
            head += &format!("{name}: {value}\r\n");
        }
        head += "Connection: close\r\n\r\n";
        stream.write_all(head.as_bytes())?;
        stream.write_all(&request.body)?;
        stream.flush()?;
        back(&mut stream, conn)
    }
}

fn back(stream: &mut StreamOwned<ClientConnection, TcpStream>, conn: &mut Conn) -> io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 32 << 10];
    let mut is_head = true;
    loop {
        let length = stream.read(&mut part)?;
        if length == 0 {
            return Ok(());
        }
        if !is_head {
            conn.send(&part[..length])?;
            continue;
        }
        head.extend(&part[..length]);
        if let Some(end) = head.windows(4).position(|end| end == b"\r\n\r\n") {
            is_head = false;
            // The client is to ask the next thing on another connection.
            let close = b"\r\nConnection: close".iter().copied();
            conn.send(&[&head[..end], &close.collect::<Vec<u8>>(), &head[end..]].concat())?;
        }
    }
}
