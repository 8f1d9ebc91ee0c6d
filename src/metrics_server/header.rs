//! The first line of a generated file, which says that kubelet-tls wrote it.
//!
//! YAML and PEM both allow a comment there. A manifest's line also holds the hash of what follows, so that an edited
//! manifest is refused and not lost. A certificate's does not, because a damaged certificate is replaced.

use crate::text::sha256;

/// How the first line of a generated file begins.
const HEADER: &str = "# written by kubelet-tls metrics-server";
const HASH: &str = "; edits are refused and lost, so put an overlay over this; sha256 ";

/// Who wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// kubelet-tls wrote it, and it was not changed since.
    Generated,
    /// kubelet-tls wrote it, and it was edited since.
    Edited,
    /// Something else wrote it.
    Foreign,
}

/// A certificate or a key below its header.
pub(super) fn with_header(pem: &str) -> String {
    format!("{HEADER}\n{pem}")
}

/// A manifest below its header, which holds the manifest's hash.
pub(super) fn checksummed(body: &str) -> String {
    format!("{HEADER}{HASH}{}\n{body}", sha256(body.as_bytes()))
}

/// Who wrote a file with these bytes.
pub fn ownership(bytes: &[u8]) -> Ownership {
    let Some(rest) = bytes.strip_prefix(HEADER.as_bytes()) else {
        return Ownership::Foreign;
    };
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, body) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
    match line.trim_ascii_end() {
        b"" => Ownership::Generated,
        line => match line.strip_prefix(HASH.as_bytes()) {
            Some(hash) if hash == sha256(body).as_bytes() => Ownership::Generated,
            Some(_) => Ownership::Edited,
            None => Ownership::Foreign,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_generated_edited_and_foreign_files_apart() {
        let manifest = checksummed("kind: Kustomization\n");
        assert_eq!(ownership(manifest.as_bytes()), Ownership::Generated);
        assert_eq!(
            ownership(format!("{manifest}x: y\n").as_bytes()),
            Ownership::Edited
        );
        assert_eq!(
            ownership(with_header("PEM").as_bytes()),
            Ownership::Generated
        );
        assert_eq!(
            ownership(with_header("torn").as_bytes()),
            Ownership::Generated
        );
        for theirs in [
            "",
            "kind: Kustomization\n",
            "# written by kubelet-tls metrics-servers\n",
        ] {
            assert_eq!(ownership(theirs.as_bytes()), Ownership::Foreign, "{theirs}");
        }
    }
}
