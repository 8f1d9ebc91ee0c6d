//! Looks at the directory, decides what it is to hold, writes what differs.

use std::path::Path;

use crate::cli;
use crate::host::clock;
use crate::host::files::{self, Content, FileCause, FileError, OutputDirectory};
use crate::metrics_server::{
    self, Base, CaKey, Demand, Format, INDEXES, Kept, KubeletCa, MAY_BE_OURS, Names,
    OFFICIAL_MANIFEST, Pair, Wanted, Whose, kept_names, whose,
};
use crate::report::{CertificateReport, Code, Document, FileAction, FileReport, Problem};
use crate::text::hint::{self, path_word};
use crate::x509::Certificate;

use super::super::Ui;
use super::super::files::problem_of;

/// What the user brings, a manifest or CAs, in bytes.
const INPUT_CAP: u64 = 1024 * 1024;
/// A file of ours is a manifest of the user's with a line before it, at most, in bytes.
const OUTPUT_CAP: u64 = 2 * INPUT_CAP;

/// Writes the directory.
///
/// # Errors
/// [`Code::Usage`] where the options contradict each other; [`Code::Input`] where a file is refused, also one in the
/// directory that is not ours; else why nothing could be written.
pub(crate) fn run(
    arguments: &cli::MetricsServer,
    out: &Path,
    ui: &Ui,
    document: &mut Document,
) -> Result<(), Problem> {
    document.changed = Some(false);
    let wanted = wanted(arguments)?;
    let directory = OutputDirectory::open(out).map_err(|error| in_directory(&error))?;
    let present = present(&directory)?;
    let (pair, kept) = certificate(arguments, &wanted, &present, ui)?;
    let now = clock::timestamp();
    let previous = metrics_server::previous(&kept, &pair, now);
    let files = metrics_server::files(&wanted, &pair, previous.as_deref());
    let path = |name: &str| directory.file(name).display().to_string();

    let content = |name: &str| {
        present
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, content)| content)
    };
    let differs = |file: &&metrics_server::File| {
        content(file.name).is_none_or(|content| {
            content.bytes != file.content.as_bytes() || content.mode & !file.mode.bits() != 0
        })
    };
    let changed: Vec<_> = files.iter().filter(differs).collect();
    let gone: Vec<&str> = present
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| files.iter().all(|file| file.name != *name))
        .collect();
    write(&directory, &files, &changed, &gone)?;
    let mut reports: Vec<FileReport> = files
        .iter()
        .map(|file| FileReport {
            path: path(file.name),
            action: if changed.iter().any(|other| other.name == file.name) {
                FileAction::Written
            } else {
                FileAction::Unchanged
            },
        })
        .collect();
    reports.extend(gone.iter().map(|name| FileReport {
        path: path(name),
        action: FileAction::Removed,
    }));
    document.changed = Some(!changed.is_empty() || !gone.is_empty());
    for report in &reports {
        if report.action != FileAction::Unchanged {
            ui.bare_name(&report.path);
        }
    }
    ui.table(&table(&reports));
    document.files = Some(reports);
    conclude(arguments, &wanted, &pair, out, ui, document)
}

/// Writes what differs. The index goes with anything that does, so that it is never there with half of the rest.
fn write(
    directory: &OutputDirectory,
    files: &[metrics_server::File],
    changed: &[&metrics_server::File],
    gone: &[&str],
) -> Result<(), Problem> {
    if changed.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let alone = changed.len() + gone.len() == 1;
    let written: Vec<(&str, &[u8], u32)> = files
        .iter()
        .filter(|file| {
            changed.iter().any(|other| other.name == file.name)
                || (!alone && INDEXES.contains(&file.name))
        })
        .map(|file| (file.name, file.content.as_bytes(), file.mode.bits()))
        .collect();
    directory
        .write(&written, gone, if alone { &[] } else { &INDEXES })
        .map_err(|error| in_directory(&error))
}

fn in_directory(error: &FileError) -> Problem {
    let problem = problem_of(error);
    if problem.hint.is_some() && !error.cause.is_permission() {
        return problem;
    }
    problem.advise("--out names a directory that may be written")
}

/// Everything that the options and the files they name say.
fn wanted(arguments: &cli::MetricsServer) -> Result<Wanted, Problem> {
    let usage = |message: String| Problem::new(Code::Usage, message);
    let names = Names {
        namespace: arguments.namespace.clone(),
        service: arguments.service.clone(),
        cluster_domain: arguments.cluster_domain.clone(),
    };
    names
        .check()
        .map_err(|why| usage(format!("cannot name the certificate: {why}")))?;
    if arguments.duration.as_secs() == 0 {
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
    let format = match arguments.format {
        cli::Packaging::Kustomize => Format::Kustomize,
        cli::Packaging::Helm => Format::Helm,
    };
    if format == Format::Helm && arguments.base.is_some() {
        return Err(usage(
            "cannot use --base with --format helm: the chart brings its own manifest".into(),
        ));
    }
    Ok(Wanted {
        base: base(arguments.base.as_deref().unwrap_or(OFFICIAL_MANIFEST))?,
        kubelet_ca: kubelet_ca(arguments)?,
        names,
        format,
    })
}

fn base(named: &str) -> Result<Base, Problem> {
    if named.contains("://") {
        return Base::url(named)
            .map_err(|why| Problem::new(Code::Usage, format!("cannot use --base {named}: {why}")));
    }
    let bytes = files::read(Path::new(named), INPUT_CAP).map_err(|error| problem_of(&error))?;
    Base::file(&bytes).map_err(|why| {
        Problem::new(Code::Input, format!("cannot use {named}: {why}")).hint(format!(
            "curl -fsSL {OFFICIAL_MANIFEST} | diff - {}",
            path_word(Path::new(named))
        ))
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
    let bytes = files::read(path, INPUT_CAP).map_err(|error| problem_of(&error))?;
    metrics_server::authorities(&bytes, clock::timestamp())
        .map(KubeletCa::Certificates)
        .map_err(|why| {
            Problem::new(Code::Input, format!("cannot use {}: {why}", path.display()))
                .advise("it is to hold the certificate of the CA that signs the kubelets' certificates, on kubeadm /etc/kubernetes/pki/ca.crt")
                .hint(format!("openssl x509 -noout -text -in {}", path_word(path)))
        })
}

type Present = Vec<(&'static str, Content)>;

/// The files in the directory under names of ours, if they are ours.
fn present(directory: &OutputDirectory) -> Result<Present, Problem> {
    let mut present = Vec::new();
    for name in MAY_BE_OURS {
        let path = directory.file(name);
        let not_ours = |why: &str| {
            Problem::new(
                Code::Input,
                format!("cannot write {}: {why}", path.display()),
            )
        };
        let content = match directory.read(name, OUTPUT_CAP) {
            Ok(Some(content)) => content,
            Ok(None) => continue,
            Err(FileError {
                cause: FileCause::NotRegular | FileCause::TooLarge(_),
                ..
            }) => {
                return Err(
                    not_ours("it is there already, and not a file of kubelet-tls")
                        .advise("name an empty directory, or move it away")
                        .hint(hint::move_away(&path)),
                );
            }
            Err(error) => return Err(in_directory(&error)),
        };
        match whose(&content.bytes) {
            Whose::Ours => present.push((name, content)),
            Whose::Edited => {
                return Err(not_ours("it was edited after kubelet-tls wrote it")
                    .advise("put your change into an overlay over this directory")
                    .hint(hint::move_away(&path)));
            }
            Whose::Theirs => {
                return Err(
                    not_ours("it is there already, and not a file of kubelet-tls")
                        .advise("name an empty directory, or move it away")
                        .hint(hint::move_away(&path)),
                );
            }
        }
    }
    Ok(present)
}

/// The pair that is there, or a new one where it does not do.
fn certificate(
    arguments: &cli::MetricsServer,
    wanted: &Wanted,
    present: &Present,
    ui: &Ui,
) -> Result<(Pair, Kept), Problem> {
    let bytes = |wanted: &str| {
        let found = present.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, content)| content.bytes.clone())
    };
    let kept = Kept {
        certificate: bytes(kept_names::CERTIFICATE),
        key: bytes(kept_names::KEY),
        ca: bytes(kept_names::CA),
        ca_key: bytes(kept_names::CA_KEY),
    };
    let demand = Demand {
        names: &wanted.names,
        lifetime: arguments.duration,
        renew_before: arguments.renew_before,
        ca_key: if arguments.keep_ca_key {
            CaKey::Kept
        } else {
            CaKey::Forgotten
        },
        now: clock::timestamp(),
    };
    let due = match metrics_server::due(&kept, &demand) {
        Ok(pair) => return Ok((pair, kept)),
        Err(due) => due,
    };
    let pair = metrics_server::renew(&kept, &demand).map_err(|why| {
        Problem::new(Code::Usage, format!("cannot make a certificate: {why}"))
            .advise("name a shorter --duration")
            .hint("kubelet-tls metrics-server --help")
    })?;
    ui.say(&format!("a new certificate is made: {due}"));
    Ok((pair, kept))
}

/// As kubectl prints what it did to objects.
fn table(reports: &[FileReport]) -> String {
    reports
        .iter()
        .map(|report| {
            let action = match report.action {
                FileAction::Written => "written",
                FileAction::Unchanged => "unchanged",
                FileAction::Removed => "removed",
            };
            format!("{} {action}\n", report.path)
        })
        .collect()
}

fn conclude(
    arguments: &cli::MetricsServer,
    wanted: &Wanted,
    pair: &Pair,
    out: &Path,
    ui: &Ui,
    document: &mut Document,
) -> Result<(), Problem> {
    let certificate = pair
        .chain
        .first()
        .and_then(|der| Certificate::from_der(der).ok());
    if let Some(certificate) = &certificate {
        ui.say(&format!(
            "the certificate is for {} and ends at {}",
            certificate.names.describe(),
            certificate.not_after
        ));
        document.certificate = Some(Some(CertificateReport::new(certificate, true)));
    }
    if wanted.names.is_shortened() {
        ui.detail(
            "its common name is the Service's alone: the whole name has more than 64 characters",
        );
    }
    if arguments.keep_ca_key {
        ui.warn(format!(
            "{} signs whatever the API server then takes for metrics-server: keep it safe",
            out.join(kept_names::CA_KEY).display()
        ));
    }
    if wanted.kubelet_ca == KubeletCa::ControlPlane {
        ui.warn("a file of the host is mounted, which namespaces with the baseline or restricted Pod Security Standard refuse",
        );
    }
    if wanted.names.namespace != "kube-system" {
        ui.say(&format!(
            "the namespace must exist: kubectl create namespace {}",
            wanted.names.namespace
        ));
    }
    let out = out.display();
    ui.say(&match wanted.format {
        Format::Kustomize => format!("to install: kubectl apply -k {out}"),
        Format::Helm => format!("to install: the two commands at the top of {out}/values.yaml"),
    });
    Ok(())
}
