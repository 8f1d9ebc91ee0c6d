//! What the directory is to hold, decided from what it holds.

use super::CaRecord;
use super::files::{self, GENERATED, GeneratedFile, INDEXES};
use super::pair::{CertificateError, Pair};
use super::renewal::{
    self, CertificateSpec, ExistingFile, ExistingFiles, RenewalReason, leaves_out_previous_ca,
    previous_ca,
};
use super::spec::{OverlaySpec, file_names};

/// What the directory is to hold. It has no `Debug`: it holds keys.
pub struct DirectoryPlan {
    /// Every file that is to be there, the one that refers to the others last.
    pub files: Vec<PlannedFile>,
    /// The files that are no longer needed.
    pub removed: Vec<&'static str>,
    /// The certificate in the directory.
    pub pair: Pair,
    /// Why the certificate is a new one, if it is.
    pub renewal: Option<RenewalReason>,
    /// Whether an earlier CA is not trusted any more, for want of a record of it.
    pub leaves_out_previous_ca: bool,
}

/// A file that is to be there.
pub struct PlannedFile {
    /// What it is to be.
    pub file: GeneratedFile,
    /// Whether it is something else now, or has wider permissions.
    pub changes: bool,
}

/// Decides what the directory is to hold. Nothing is read or written; a new certificate takes randomness.
///
/// # Errors
/// When a new certificate is due and cannot be issued.
pub fn decide(
    spec: &OverlaySpec,
    certificate: &CertificateSpec<'_>,
    existing: &[ExistingFile],
    record: &CaRecord,
) -> Result<DirectoryPlan, CertificateError> {
    let found = existing_files(existing, record);
    let (pair, renewal) = match renewal::reusable(&found, certificate) {
        Ok(pair) => (pair, None),
        Err(reason) => (renewal::renew(&found, certificate)?, Some(reason)),
    };
    let previous = previous_ca(&found, &pair, certificate.now);
    let files = files::files(spec, &pair, previous.as_deref());
    let removed = GENERATED
        .into_iter()
        .filter(|name| find(existing, name).is_some())
        .filter(|name| files.iter().all(|file| file.name != *name))
        .collect();
    let planned = |file: GeneratedFile| PlannedFile {
        changes: find(existing, file.name).is_none_or(|there| {
            there.bytes != file.content.as_bytes() || there.mode & !file.mode != 0
        }),
        file,
    };
    Ok(DirectoryPlan {
        files: files.into_iter().map(planned).collect(),
        removed,
        leaves_out_previous_ca: leaves_out_previous_ca(&found, &pair, certificate.now),
        pair,
        renewal,
    })
}

impl DirectoryPlan {
    /// Whether a file is to be written or removed.
    pub fn changes(&self) -> bool {
        !self.removed.is_empty() || self.files.iter().any(|planned| planned.changes)
    }

    /// Whether exactly one file is to be written or removed, so that no tool can meet one half of a change.
    fn changes_one_file(&self) -> bool {
        self.files.iter().filter(|planned| planned.changes).count() + self.removed.len() == 1
    }

    /// The files that no tool takes a directory without, and that are away while others change.
    pub fn indexes(&self) -> &'static [&'static str] {
        if self.changes_one_file() {
            &[]
        } else {
            &INDEXES
        }
    }

    /// The files to write. The index is written with any other file, so that it is never there with half of the rest.
    pub fn to_write(&self) -> impl Iterator<Item = &GeneratedFile> {
        let indexes = self.indexes();
        self.files
            .iter()
            .filter(move |planned| planned.changes || indexes.contains(&planned.file.name))
            .map(|planned| &planned.file)
    }
}

fn find<'a>(existing: &'a [ExistingFile], name: &str) -> Option<&'a ExistingFile> {
    existing.iter().find(|file| file.name == name)
}

fn existing_files(existing: &[ExistingFile], record: &CaRecord) -> ExistingFiles {
    let file = |name| find(existing, name).cloned();
    ExistingFiles {
        certificate: file(file_names::CERTIFICATE),
        key: file(file_names::KEY),
        ca: file(file_names::CA),
        ca_key: file(file_names::CA_KEY),
        record: record.clone(),
    }
}
