//! Whether the kubelet serves the certificate that was installed before its restart.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::commands::request::NothingServed;
use crate::host::tls;
use crate::node::{Node, NotServed};
use crate::x509::Certificate;

const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long a healthy kubelet may take until it serves what is in its store.
const TIME_TO_SERVE: Duration = Duration::from_secs(10);

/// Why the certificate that was installed does not count as served.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotInUse {
    /// An address presents another certificate.
    #[error("{address} serves another certificate, of {issuer} for {names}")]
    OtherCertificate {
        /// The address that was dialled.
        address: SocketAddr,
        /// Who signed what it presents.
        issuer: String,
        /// Which names it is for.
        names: String,
    },
    /// No certificate was seen.
    #[error(transparent)]
    NothingServed(#[from] NothingServed),
}

/// Whether every address of the Node serves the certificate that was installed. One out of this node's own reach (an
/// ExternalIP behind a NAT) does not count while another answers.
///
/// # Errors
/// Where it is not served, and what is.
pub(super) fn everywhere(
    certificate: &Certificate,
    node: &Node,
    port: u16,
    roots: &[Vec<u8>],
) -> Result<(), NotInUse> {
    let end = Instant::now() + TIME_TO_SERVE;
    let (ips, _) = node.serving_names();
    loop {
        let mut good = 0;
        let mut wrong = None;
        let mut silent = None;
        for ip in &ips {
            let address = SocketAddr::new(*ip, port);
            match tls::probe(address, roots) {
                Ok(served) if served.certificate == *certificate && served.verified.is_ok() => {
                    good += 1;
                }
                Ok(served) => {
                    wrong = Some(NotInUse::OtherCertificate {
                        address,
                        names: served.certificate.names.describe(),
                        issuer: served.certificate.issuer,
                    });
                }
                Err(error @ NotServed::NoCertificate) => {
                    wrong = Some(NothingServed::At(address, error).into());
                }
                Err(error) => silent = Some(NothingServed::At(address, error)),
            }
        }
        let trouble = match (good, wrong, silent) {
            (_, Some(wrong), _) => wrong,
            (0, None, silent) => silent.unwrap_or(NothingServed::NoAddress).into(),
            (_, None, _) => return Ok(()),
        };
        if Instant::now() >= end {
            return Err(trouble);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
