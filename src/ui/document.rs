//! Result documents as JSON and YAML.

use std::io::Write as _;

use serde::Serialize;

use crate::cli::Format;
use crate::report::{API_VERSION, Envelope, ErrorReport, NotBegun, ResultKind};

/// The document as JSON or YAML; `None` for the other formats.
pub(super) fn written<R: Serialize>(format: Format, document: &Envelope<'_, R>) -> Option<String> {
    match format {
        Format::Json => serde_json::to_string_pretty(document)
            .map(|text| text + "\n")
            .ok(),
        Format::Yaml => serde_yaml::to_string(document).ok(),
        Format::Text | Format::Name | Format::Prometheus => None,
    }
}

/// Prints what is wrong with the command line, for people, where its options could not be read.
pub(crate) fn usage(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// Prints the document of a verb that did not begin, because the command line is wrong.
pub(crate) fn document_only(format: Format, kind: ResultKind, error: ErrorReport) {
    let document = Envelope {
        api_version: API_VERSION,
        kind,
        result: &NotBegun {},
        warnings: Vec::new(),
        error: Some(error),
    };
    if let Some(text) = written(format, &document) {
        let _ = anstream::stdout().write_all(text.as_bytes());
    }
}
