//! The options, and the files that they name, as values.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli;
use crate::host::clock;
use crate::host::files;
use crate::metrics_server::{
    Base, CaKey, CertificateSpec, KubeletCa, OFFICIAL_RELEASE, OverlayFormat, OverlaySpec,
    ServiceNames, authorities,
};
use crate::report::{Code, Problem};
use crate::text::hint::Command;

/// A file that the user names, a manifest or CAs, is at most this long, in bytes.
pub(super) const INPUT_CAP: u64 = 1024 * 1024;

/// What the overlay is to be.
///
/// # Errors
/// [`Code::Usage`] where the options contradict each other; [`Code::Input`] where a file that they name is refused; or why
/// it cannot be read.
pub(super) fn overlay(arguments: &cli::MetricsServer) -> Result<OverlaySpec, Problem> {
    let usage = |message: String| Problem::new(Code::Usage, message);
    let names = ServiceNames {
        namespace: arguments.namespace.clone(),
        service: arguments.service.clone(),
        cluster_domain: arguments.cluster_domain.clone(),
    };
    names
        .check()
        .map_err(|why| usage(format!("cannot name the certificate: {why}")))?;
    if arguments.duration < Duration::from_secs(1) {
        return Err(usage(
            "cannot make a certificate: --duration must be at least a second".into(),
        ));
    }
    if arguments.renew_before >= arguments.duration {
        return Err(usage(
            "cannot make a certificate: it would be due for renewal at once, because --renew-before is not shorter than --duration".into(),
        )
        .hint("kubelet-tls metrics-server --help"));
    }
    if arguments.format == OverlayFormat::Helm && arguments.base.is_some() {
        return Err(usage(
            "cannot use --base with --format helm: the chart brings its own manifest".into(),
        ));
    }
    Ok(OverlaySpec {
        base: match &arguments.base {
            Some(named) => base(named)?,
            None => Base::Official,
        },
        kubelet_ca: kubelet_ca(arguments)?,
        names,
        format: arguments.format,
    })
}

/// What the certificate is to be like.
pub(super) fn certificate<'a>(
    arguments: &cli::MetricsServer,
    names: &'a ServiceNames,
    now: Timestamp,
) -> CertificateSpec<'a> {
    CertificateSpec {
        names,
        lifetime: arguments.duration,
        renew_before: arguments.renew_before,
        ca_key: if arguments.keep_ca_key {
            CaKey::Kept
        } else {
            CaKey::Forgotten
        },
        now,
    }
}

fn base(named: &str) -> Result<Base, Problem> {
    if named.contains("://") {
        return Base::url(named).map_err(|why| {
            Problem::of(Code::Usage, why)
                .context(format!("cannot use --base {named}"))
                .advise("download it, and name the file")
                .hint(Command::new("curl").args(["-fsSLO", named]))
        });
    }
    let bytes = files::read(Path::new(named), INPUT_CAP)?;
    Base::file(&bytes).map_err(|why| {
        let official = Command::new("curl").args(["-fsSL", OFFICIAL_RELEASE]);
        Problem::of(Code::Input, why)
            .context(format!("cannot use {named}"))
            .hint(official.pipe(Command::new("diff").arg("-").arg(named)))
    })
}

fn kubelet_ca(arguments: &cli::MetricsServer) -> Result<KubeletCa, Problem> {
    let Some(path) = &arguments.kubelet_ca else {
        return Ok(if arguments.control_plane_ca {
            KubeletCa::ControlPlane
        } else {
            KubeletCa::InCluster
        });
    };
    let bytes = files::read(path, INPUT_CAP)?;
    authorities(&bytes, clock::timestamp())
        .map(KubeletCa::Certificates)
        .map_err(|why| {
            Problem::of(Code::Input, why)
                .context(format!("cannot use {}", path.display()))
                .advise("it must hold the certificate of the CA that signs the kubelets' certificates, on kubeadm /etc/kubernetes/pki/ca.crt")
                .hint(Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(path))
        })
}
