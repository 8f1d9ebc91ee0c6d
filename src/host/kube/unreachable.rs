//! Why the API server cannot be reached, in the reader's words, from the typed causes of the HTTP client's error.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use super::resolver::UnknownHost;

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The name of the host, or that of its proxy, has no IP address.
    #[error(transparent)]
    UnknownHost(UnknownHost),
    /// Nothing listens on that port.
    #[error("connection refused")]
    Refused,
    /// The connection was closed or reset.
    #[error("the connection was closed")]
    Closed,
    /// No route, or no such network.
    #[error("no route to it")]
    NoRoute,
    /// No answer in time.
    #[error("it does not answer in time")]
    Timeout,
    /// An answer began, and nothing more of it came for this long.
    #[error("silent for {0:?}")]
    Silent(Duration),
    /// Another CA signed its certificate.
    #[error("its certificate is not signed by the CA in the kubeconfig")]
    UnknownAuthority,
    /// Its certificate is for other names.
    #[error("its certificate is not valid for this address")]
    WrongName,
    /// Its certificate has expired, or this machine's clock is wrong.
    #[error("its certificate has expired or is not valid yet (is this machine's clock right?)")]
    Expired,
    /// It does not speak TLS.
    #[error("it does not speak TLS")]
    NotTls,
    /// It ended the handshake, such as for a client certificate that it does not accept.
    #[error("it ended the TLS handshake: {0}")]
    Alert(String),
    /// A failure that none of the others names, as the system words it.
    #[error("{0}")]
    Other(String),
}

impl Unreachable {
    /// What the causes of `error` come to.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        let mut innermost = error;
        let mut found = None;
        while let Some(cause) = next {
            innermost = cause;
            let known = cause
                .downcast_ref::<io::Error>()
                .and_then(of_io)
                .or_else(|| cause.downcast_ref::<rustls::Error>().map(of_tls))
                .or_else(|| {
                    let unknown = cause.downcast_ref::<UnknownHost>();
                    unknown.cloned().map(Self::UnknownHost)
                });
            // The innermost cause is the most precise.
            found = known.or(found);
            next = cause.source();
        }
        found.unwrap_or_else(|| Self::Other(innermost.to_string().replace(['\n', '\r'], " ")))
    }
}

fn of_io(error: &io::Error) -> Option<Unreachable> {
    // An io::Error that wraps another error is not among the sources of that error's parent.
    let wrapped = error.get_ref();
    if let Some(tls) = wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Some(of_tls(tls));
    }
    if let Some(inner) = wrapped.and_then(|inner| inner.downcast_ref::<io::Error>()) {
        return of_io(inner);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(Unreachable::Refused),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(Unreachable::Closed),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some(Unreachable::NoRoute)
        }
        io::ErrorKind::TimedOut => Some(Unreachable::Timeout),
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> Unreachable {
    match error {
        rustls::Error::InvalidCertificate(invalid) => match invalid {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Unreachable::UnknownAuthority
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Unreachable::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Unreachable::Expired,
            other => Unreachable::Other(format!("its certificate is not valid: {other}")),
        },
        rustls::Error::InvalidMessage(_) => Unreachable::NotTls,
        rustls::Error::AlertReceived(alert) => Unreachable::Alert(format!("{alert:?}")),
        other => Unreachable::Other(other.to_string()),
    }
}

/// An error with its causes, on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.replace(['\n', '\r'], " ")
}
