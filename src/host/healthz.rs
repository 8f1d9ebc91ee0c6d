//! The kubelet's own word on its health: `http://127.0.0.1:10248/healthz`, plain HTTP on loopback.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::listener::listens;

/// A healthy kubelet answers in a few milliseconds; one that needs longer than this is not healthy.
const DEADLINE: Duration = Duration::from_secs(1);
/// The status line and headers are a few hundred bytes.
const ANSWER_CAP: usize = 4096;

/// Where a kubelet answers /healthz; none with `healthzPort: 0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Healthz {
    address: SocketAddr,
}

/// Why a kubelet is not healthy by its own word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealthzError {
    /// Nothing came back, as from a kubelet that is still starting.
    #[error("http://{address}/healthz {why}")]
    NoAnswer {
        /// Where the kubelet was asked.
        address: SocketAddr,
        /// What happened instead of an answer.
        why: NoAnswer,
    },
    /// It answered, and not with 200.
    #[error("http://{address}/healthz answers {answer}")]
    Unhealthy {
        /// Where the kubelet was asked.
        address: SocketAddr,
        /// The status, or that it was not HTTP.
        answer: NotOk,
    },
    /// What answers is another process: the process that takes the port first may say anything.
    #[error("http://{address}/healthz is answered by another process than the kubelet (PID {pid})")]
    Foreign {
        /// Where the kubelet was asked.
        address: SocketAddr,
        /// The kubelet's process, which does not listen there.
        pid: u32,
    },
}

/// What happened instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// No whole status line came before the deadline.
    #[error("does not answer within {DEADLINE:?}")]
    Timeout,
    /// Which step failed, as a clause, and how.
    #[error("{0}: {1}")]
    Failed(&'static str, ErrorKind),
}

/// A status line that is not 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOk {
    /// An HTTP status other than 200.
    #[error("{0}")]
    Status(u16),
    /// A line that does not begin an HTTP/1 answer.
    #[error("no HTTP")]
    NotHttp,
}

impl Healthz {
    /// Of a kubelet that binds `address` and `port`. An unspecified address is reached through loopback.
    pub fn new(address: IpAddr, port: u16) -> Option<Self> {
        let reachable = match address {
            IpAddr::V4(v4) if v4.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(v6) if v6.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            other => other,
        };
        (port != 0).then(|| Self {
            address: SocketAddr::new(reachable, port),
        })
    }

    /// Asks once, and looks whether it is process `pid` that answers. Where that cannot be determined, as in a service
    /// without the right to look at the kubelet's files, the answer is assumed to be the kubelet's.
    ///
    /// # Errors
    /// As [`Self::check`], and [`HealthzError::Foreign`].
    pub fn check_of(&self, pid: u32) -> Result<(), HealthzError> {
        self.check()?;
        match listens(pid, self.address) {
            Some(false) => Err(HealthzError::Foreign {
                address: self.address,
                pid,
            }),
            Some(true) | None => Ok(()),
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// When it does not answer, or not with 200.
    pub fn check(&self) -> Result<(), HealthzError> {
        let end = Instant::now() + DEADLINE;
        let address = self.address;
        let failed = |step: &'static str, error: io::Error| HealthzError::NoAnswer {
            address,
            why: match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => NoAnswer::Timeout,
                kind => NoAnswer::Failed(step, kind),
            },
        };
        let mut stream = TcpStream::connect_timeout(&address, DEADLINE)
            .map_err(|error| failed("cannot be reached", error))?;
        let _ = stream.set_write_timeout(Some(DEADLINE));
        let request =
            format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .map_err(|error| failed("cannot be asked", error))?;
        let mut answer = Vec::new();
        let mut buffer = [0; 512];
        // The status line is all that counts, and a server that trickles must not hold us up.
        while !answer.contains(&b'\n') && answer.len() < ANSWER_CAP {
            let left = end
                .saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1));
            let _ = stream.set_read_timeout(Some(left));
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) => return Err(failed("does not answer", error)),
            }
            if Instant::now() >= end {
                break;
            }
        }
        parse_status(&answer).map_err(|answer| HealthzError::Unhealthy { address, answer })
    }
}

fn parse_status(answer: &[u8]) -> Result<(), NotOk> {
    let line = answer
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.trim_end().splitn(3, ' ');
    match (words.next(), words.next()) {
        (Some("HTTP/1.1" | "HTTP/1.0"), Some("200")) => Ok(()),
        (Some("HTTP/1.1" | "HTTP/1.0"), Some(code)) => {
            Err(code.parse().map_or(NotOk::NotHttp, NotOk::Status))
        }
        _ => Err(NotOk::NotHttp),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "another process is started")]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn only_200_is_healthy() {
        assert_eq!(parse_status(b"HTTP/1.1 200 OK\r\n\r\nok"), Ok(()));
        assert_eq!(
            parse_status(b"HTTP/1.1 500 Internal Server Error\r\n"),
            Err(NotOk::Status(500))
        );
        assert_eq!(parse_status(b"HTTP/1.1 2000\r\n"), Err(NotOk::Status(2000)));
        for odd in [
            &b""[..],
            b"ok",
            b"HTTP/1.1\r\n",
            b"\xff\xff 200",
            b"HTTP/2 200",
        ] {
            assert_eq!(parse_status(odd), Err(NotOk::NotHttp));
        }
    }

    #[test]
    fn port_0_means_without_it_and_unspecified_means_loopback() {
        assert_eq!(Healthz::new(Ipv4Addr::LOCALHOST.into(), 0), None);
        let any = Healthz::new(Ipv4Addr::UNSPECIFIED.into(), 10248).unwrap();
        assert_eq!(any.address, "127.0.0.1:10248".parse().unwrap());
        let any = Healthz::new(std::net::Ipv6Addr::UNSPECIFIED.into(), 10248).unwrap();
        assert_eq!(any.address, "[::1]:10248".parse().unwrap());
    }

    #[test]
    fn an_answer_of_another_process_is_not_the_kubelets() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 512]);
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nok").unwrap();
            }
            listener
        });
        let healthz = Healthz::new(address.ip(), address.port()).unwrap();
        assert_eq!(healthz.check_of(std::process::id()), Ok(()));
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = other.id();
        assert_eq!(
            healthz.check_of(pid),
            Err(HealthzError::Foreign { address, pid })
        );
        other.kill().unwrap();
        other.wait().unwrap();
        server.join().unwrap();
    }

    #[test]
    fn a_closed_port_and_a_silent_one_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let healthz = Healthz::new(address.ip(), address.port()).unwrap();
        assert_eq!(
            healthz.check().unwrap_err().to_string(),
            format!("http://{address}/healthz does not answer within 1s")
        );
        drop(listener);
        // Another program on this machine may take a port that has just become free.
        let closed = (0..5).any(|_| {
            let address = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            let said = Healthz::new(address.ip(), address.port()).unwrap().check();
            said.is_err_and(|error| {
                error.to_string()
                    == format!("http://{address}/healthz cannot be reached: connection refused")
            })
        });
        assert!(closed);
    }
}
