//! A stand-in for an HTTP proxy that leads every CONNECT to one server (RFC 9110, 9.3.6), spoken to in TLS.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::api::server::tls_config;
use crate::pki::Identity;

/// How long one side is listened to before it is the other one's turn.
const TURN: Duration = Duration::from_millis(2);

/// The running proxy. It ends with the process.
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one that shows `identity` to its clients, whose certificates must be of `ca_pem` if they have any, and leads
    /// to `server`.
    #[must_use]
    pub fn start(server: SocketAddr, ca_pem: &str, identity: &Identity) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let tls = tls_config(ca_pem, identity);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (tls, log) = (Arc::clone(&tls), Arc::clone(&log));
                // A client that goes away is its own affair.
                thread::spawn(move || drop(serve(client, server, tls, &log)));
            }
        });
        Self { address, asked }
    }

    /// `https://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The first line and the login of each request so far.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    client: TcpStream,
    server: SocketAddr,
    tls: Arc<ServerConfig>,
    log: &Mutex<Vec<String>>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(connection, client);
    let mut head = BufReader::with_capacity(1, &mut client);
    let mut line = String::new();
    head.read_line(&mut line)?;
    log.lock().unwrap().push(line.trim().to_owned());
    while line != "\r\n" && !line.is_empty() {
        line.clear();
        head.read_line(&mut line)?;
        if let Some((name, login)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("Proxy-Authorization")
        {
            log.lock().unwrap().push(login.trim().to_owned());
        }
    }
    let mut server = TcpStream::connect(server)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    client.flush()?;
    client.sock.set_read_timeout(Some(TURN))?;
    server.set_read_timeout(Some(TURN))?;
    while pass(&mut client, &mut server)? && pass(&mut server, &mut client)? {}
    Ok(())
}

/// Passes on what has come; false at the end.
fn pass(from: &mut impl Read, to: &mut impl Write) -> io::Result<bool> {
    let mut buffer = [0; 16 * 1024];
    match from.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(count) => {
            to.write_all(&buffer[..count])?;
            to.flush()?;
            Ok(true)
        }
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {
                Ok(true)
            }
            _ => Err(error),
        },
    }
}
