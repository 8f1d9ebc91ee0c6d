//! `metrics-server --dir`: looks at the directory, decides what it is to hold, writes what differs.

use std::path::Path;

use crate::cli;
use crate::host::clock;
use crate::host::files::{FileCause, FileError, OutputDirectory};
use crate::host::state::StateDirectory;
use crate::metrics_server::{
    self, CaRecord, DirectoryPlan, ExistingFile, GENERATED, KubeletCa, OverlayFormat, OverlaySpec,
    Ownership, file_names, ownership,
};
use crate::report::{CertificateReport, Code, FileAction, FileReport, Outcome, Problem};
use crate::text::hint::{self, Command};
use crate::x509::Certificate;

use super::super::Ui;
use super::MetricsServerResult;
use super::options::{self, INPUT_CAP};

/// A generated file is a manifest of the user's with a header, at most, in bytes.
const OUTPUT_CAP: u64 = 2 * INPUT_CAP;
/// A record holds eight hashes and a path, in bytes.
const RECORD_CAP: u64 = 64 * 1024;

/// Writes the directory. It fails with [`Code::Usage`] where the options contradict each other, with [`Code::Input`] where a
/// file is refused, also one in the directory that is not a generated one; or it says why nothing could be written.
pub(super) fn run(
    arguments: &cli::MetricsServer,
    path: &Path,
    ui: &Ui,
) -> Outcome<MetricsServerResult> {
    match write(arguments, path, ui) {
        Ok(result) => Outcome::done(result),
        Err(problem) => Outcome::failed(
            MetricsServerResult {
                changed: Some(false),
                ..MetricsServerResult::default()
            },
            problem,
        ),
    }
}

fn write(
    arguments: &cli::MetricsServer,
    path: &Path,
    ui: &Ui,
) -> Result<MetricsServerResult, Problem> {
    let spec = options::overlay(arguments)?;
    let directory = OutputDirectory::open(path).map_err(|error| in_directory(&error))?;
    let existing = existing(&directory)?;
    let state = StateOf::new(&directory);
    let certificate = options::certificate(arguments, &spec.names, clock::timestamp());
    let plan =
        metrics_server::decide(&spec, &certificate, &existing, &state.record).map_err(|why| {
            Problem::of(Code::Usage, why)
                .context("cannot make a certificate")
                .advise("name a shorter --duration")
                .hint("kubelet-tls metrics-server --help")
        })?;
    if let Some(reason) = &plan.renewal {
        ui.say(&format!("a new certificate is made: {reason}"));
    }
    // Before the files: a CA that is written and not recorded would not be trusted by the next run.
    if let Err(why) = state.remember(&plan) {
        ui.warn(format!(
            "cannot keep a record of {}, so the next run makes a new certificate: {why}",
            path.display()
        ));
    }
    execute(&directory, &plan)?;
    Ok(conclude(arguments, &spec, &plan, &directory, path, ui))
}

/// Writes and removes what the plan says.
fn execute(directory: &OutputDirectory, plan: &DirectoryPlan) -> Result<(), Problem> {
    if !plan.changes() {
        return Ok(());
    }
    let files: Vec<(&str, &[u8], u32)> = plan
        .to_write()
        .map(|file| (file.name, file.content.as_bytes(), file.mode))
        .collect();
    directory
        .write(&files, &plan.removed, plan.indexes())
        .map_err(|error| in_directory(&error))
}

fn in_directory(error: &FileError) -> Problem {
    let problem = Problem::from(error);
    let is_the_users = error.cause.is_permission() || error.cause.is_missing();
    if problem.hint.is_some() && !is_the_users {
        return problem;
    }
    problem.advise("--dir names a directory that may be written")
}

/// The generated files in the directory.
fn existing(directory: &OutputDirectory) -> Result<Vec<ExistingFile>, Problem> {
    let mut existing = Vec::new();
    for name in GENERATED {
        let path = directory.file(name);
        let refused = |why: &str, advice: &str| {
            Problem::new(
                Code::Input,
                format!("cannot write {}: {why}", path.display()),
            )
            .advise(advice)
            .hint(hint::move_away(&path))
        };
        let foreign = || {
            refused(
                "it exists, and kubelet-tls did not write it",
                "name an empty directory, or move it away",
            )
        };
        let content = match directory.read(name, OUTPUT_CAP) {
            Ok(Some(content)) => content,
            Ok(None) => continue,
            Err(FileError {
                cause: FileCause::NotRegular | FileCause::TooLarge(_),
                ..
            }) => return Err(foreign()),
            Err(error) => return Err(in_directory(&error)),
        };
        match ownership(&content.bytes) {
            Ownership::Generated => {}
            Ownership::Edited => {
                return Err(refused(
                    "it was edited after kubelet-tls wrote it",
                    "put your change into an overlay over this directory",
                ));
            }
            Ownership::Foreign => return Err(foreign()),
        }
        existing.push(ExistingFile {
            name,
            is_private: content.is_private(),
            mode: content.mode,
            bytes: content.bytes,
        });
    }
    Ok(existing)
}

/// The record of one directory, and where it is kept.
struct StateOf {
    real_path: String,
    state: Option<StateDirectory>,
    record: CaRecord,
}

impl StateOf {
    /// A record that cannot be read, or that another user could have written, remembers nothing.
    fn new(directory: &OutputDirectory) -> Self {
        let real_path = directory.real_path().display().to_string();
        let state = StateDirectory::of_clusters();
        let record = state.as_ref().and_then(|state| {
            let json = state.read(&CaRecord::file_name(&real_path), RECORD_CAP);
            json.ok().flatten()
        });
        Self {
            record: record.map_or_else(CaRecord::default, |json| CaRecord::read(&json)),
            real_path,
            state,
        }
    }

    fn remember(&self, plan: &DirectoryPlan) -> Result<(), FileError> {
        let (Some(state), Some(ca)) = (&self.state, plan.pair.chain.last()) else {
            return Ok(());
        };
        if self.record.contains(ca) {
            return Ok(());
        }
        let name = CaRecord::file_name(&self.real_path);
        state.write(&name, &self.record.with(&self.real_path, ca))
    }
}

/// The result, and what a person is told after the files are written.
fn conclude(
    arguments: &cli::MetricsServer,
    spec: &OverlaySpec,
    plan: &DirectoryPlan,
    directory: &OutputDirectory,
    path: &Path,
    ui: &Ui,
) -> MetricsServerResult {
    let reports = reports(plan, directory);
    for report in &reports {
        if report.action != FileAction::Unchanged {
            ui.bare_name(&report.path);
        }
    }
    ui.table(&table(&reports));
    let leaf = plan.pair.chain.first();
    let certificate = leaf.and_then(|der| Certificate::from_der(der).ok());
    if let Some(certificate) = &certificate {
        ui.say(&format!(
            "the certificate is for {} and ends at {}",
            certificate.names.describe(),
            certificate.not_after
        ));
    }
    warn(arguments, spec, plan, path, ui);
    if spec.names.namespace != "kube-system" {
        let create = Command::new("kubectl").args(["create", "namespace", &spec.names.namespace]);
        ui.say(&format!("the namespace must exist: {create}"));
    }
    ui.say(&match spec.format {
        OverlayFormat::Kustomize => format!(
            "to install: {}",
            Command::new("kubectl").args(["apply", "-k"]).arg(path)
        ),
        OverlayFormat::Helm => format!(
            "to install: the two commands at the top of {}",
            hint::path_word(&path.join("values.yaml"))
        ),
    });
    MetricsServerResult {
        changed: Some(plan.changes()),
        certificate: certificate.map(|certificate| CertificateReport::new(&certificate, true)),
        files: Some(reports),
        conditions: None,
    }
}

fn warn(
    arguments: &cli::MetricsServer,
    spec: &OverlaySpec,
    plan: &DirectoryPlan,
    path: &Path,
    ui: &Ui,
) {
    if spec.names.is_shortened() {
        ui.detail(
            "its common name is the Service's alone: the whole name has more than 64 characters",
        );
    }
    if plan.leaves_out_previous_ca {
        ui.warn(format!(
            "the caBundle does not hold the CA that was in {} before, because no record says that kubelet-tls created it there; where that CA is in use, the metrics API fails until the new Pod is ready",
            path.display()
        ));
    }
    if arguments.keep_ca_key {
        ui.warn(format!(
            "with {} anyone can impersonate metrics-server to the API server: keep it safe",
            path.join(file_names::CA_KEY).display()
        ));
    }
    if spec.kubelet_ca == KubeletCa::ControlPlane {
        ui.warn("a file of the host is mounted, which namespaces with the baseline or restricted Pod Security Standard refuse");
    }
    if spec.base.can_change() {
        ui.warn("kubectl fetches the manifest of --base as it is then: pin it with ?ref= and a commit's hash, or save it as a file");
    }
    if let Some(version) = spec.base.refused_from() {
        ui.warn(format!(
            "the APIService of --base has the apiVersion apiregistration.k8s.io/v1beta1, which Kubernetes {version} and later refuse"
        ));
    }
}

fn reports(plan: &DirectoryPlan, directory: &OutputDirectory) -> Vec<FileReport> {
    let report = |name: &str, action| FileReport {
        path: directory.file(name).display().to_string(),
        action,
    };
    let written = plan.files.iter().map(|planned| {
        let action = if planned.changes {
            FileAction::Written
        } else {
            FileAction::Unchanged
        };
        report(planned.file.name, action)
    });
    let removed = plan.removed.iter();
    let removed = removed.map(|name| report(name, FileAction::Removed));
    written.chain(removed).collect()
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
