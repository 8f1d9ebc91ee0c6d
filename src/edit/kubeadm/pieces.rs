//! How kubeadm cuts its file into documents: at lines, before it parses the pieces (`YAMLReader.Read` in apimachinery's
//! pkg/util/yaml/decoder.go; its releases disagree about a comment after the dashes).

use std::ops::Range;

use crate::kubelet::{Refusal, Shape, Warning};
use crate::yaml::{Position, Stream};

/// Refuses a file in which a document of YAML's is not a piece of kubeadm's: of each piece kubeadm reads the first document
/// alone, so every document must begin after a line of `---` and white space.
pub(in crate::edit) fn refuse_unseen_documents(stream: &Stream<'_>) -> Result<(), Refusal> {
    let unseen =
        |offset: usize, shape: Shape| Err(Refusal::at(Position::of(stream.source, offset), shape));
    // an empty one without --- may seem to start at the next one's
    let first = stream.documents.first();
    let first = first
        .filter(|document| document.explicit)
        .map(|document| document.start);
    let mut offset = 0;
    let mut cuts = 0;
    for line in stream.source.split_inclusive('\n') {
        let marked = line.len();
        let line = line.trim_start_matches('\u{feff}');
        offset += marked - line.len();
        if let Some(rest) = line.strip_prefix("---") {
            let is_bare = rest.trim().is_empty();
            if !is_bare
                && (Some(offset) != first
                    || !rest.starts_with([' ', '\t'])
                    || !rest.trim_start().starts_with('#'))
            {
                return unseen(offset, Shape::UnseenDocument);
            }
            cuts += 1;
        }
        if line.starts_with('%') {
            return unseen(offset, Shape::Directive);
        }
        offset += line.len();
    }
    let explicit = stream.documents.iter().filter(|document| document.explicit);
    let explicit = explicit.count();
    let mut later = stream.documents.iter().skip(1);
    match later.find(|document| !document.explicit) {
        Some(document) => unseen(document.start, Shape::UnseenDocument),
        None if cuts != explicit => unseen(0, Shape::DocumentsDisagree),
        None => Ok(()),
    }
}

/// The bytes of a document that is read as JSON because its piece of the file starts with `{` (`hasJSONPrefix`, same file).
/// The first piece has its `---` in it, if there is one.
pub(in crate::edit) fn json_piece(stream: &Stream<'_>, number: usize) -> Option<Range<usize>> {
    let document = stream.documents.get(number)?;
    let start = match number {
        0 => 0,
        _ => document.start + stream.source.get(document.start..)?.find('\n')? + 1,
    };
    let end = stream
        .documents
        .get(number + 1)
        .map_or(stream.source.len(), |next| next.start);
    let piece = stream.source.get(start..end)?;
    piece.trim_start().starts_with('{').then_some(start..end)
}

/// Warns of pieces without content, which kubeadm refuses because they have no kind: comments or empty lines alone, also those
/// before the first `---`. The last one is left out if a document is appended to it (`filled`).
pub(super) fn warn_empty(stream: &Stream<'_>, filled: bool, warnings: &mut Vec<Warning>) {
    let mut pieces: Vec<(usize, bool)> = Vec::new();
    // where the piece begins, and whether it has content, once it has a line
    let mut piece: Option<(usize, bool)> = None;
    for (number, line) in (1..).zip(stream.source.trim_start_matches('\u{feff}').lines()) {
        let is_cut = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.trim().is_empty());
        if is_cut && let Some(ended) = piece.take() {
            pieces.push(ended);
            continue;
        }
        let body = line.strip_prefix("---").unwrap_or(line).trim();
        let has_content = !body.is_empty() && !body.starts_with('#');
        let (start, had) = piece.unwrap_or((number, false));
        piece = Some((start, had || has_content));
    }
    pieces.extend(piece.filter(|_| !filled));
    for (line, _) in pieces.into_iter().filter(|(_, has_content)| !has_content) {
        let position = Position { line, column: 1 };
        let message = "a document of comments or empty lines alone, which kubeadm refuses: remove it and its ---";
        warnings.push(Warning::at(position, message));
    }
}
