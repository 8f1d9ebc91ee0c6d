//! Which files are this program's own: their first line says so.
//!
//! YAML and PEM both take a comment there. A manifest's also holds the hash of what follows, so that one which a person
//! has edited since is told from one that may be written anew; a certificate's does not, because a damaged one is to be
//! replaced.

use std::fmt::Write as _;

/// What the first line of a file of ours begins with.
const MARK: &str = "# written by kubelet-tls metrics-server";
const HASH: &str = "; edits are refused and lost, so put an overlay over this; sha256 ";

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This program wrote it, and it is as it was written.
    Ours,
    /// This program wrote it, and somebody has edited it.
    Edited,
    /// Somebody else wrote it.
    Theirs,
}

/// Marks a certificate or a key.
pub(super) fn marked(pem: &str) -> String {
    format!("{MARK}\n{pem}")
}

/// Marks a manifest, with the hash of what it says.
pub(super) fn sealed(body: &str) -> String {
    format!("{MARK}{HASH}{}\n{body}", sha256(body.as_bytes()))
}

/// Whose a file with these bytes is.
pub fn whose(bytes: &[u8]) -> Whose {
    let Some(rest) = bytes.strip_prefix(MARK.as_bytes()) else {
        return Whose::Theirs;
    };
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, body) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
    match line.trim_ascii_end() {
        b"" => Whose::Ours,
        line => match line.strip_prefix(HASH.as_bytes()) {
            Some(hash) if hash == sha256(body).as_bytes() => Whose::Ours,
            Some(_) => Whose::Edited,
            None => Whose::Theirs,
        },
    }
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String never fails.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_edited_and_theirs() {
        let sealed = sealed("kind: Kustomization\n");
        assert_eq!(whose(sealed.as_bytes()), Whose::Ours);
        assert_eq!(whose(format!("{sealed}x: y\n").as_bytes()), Whose::Edited);
        assert_eq!(whose(marked("PEM").as_bytes()), Whose::Ours);
        assert_eq!(whose(marked("torn").as_bytes()), Whose::Ours);
        for theirs in [
            "",
            "kind: Kustomization\n",
            "# written by kubelet-tls metrics-servers\n",
        ] {
            assert_eq!(whose(theirs.as_bytes()), Whose::Theirs, "{theirs}");
        }
    }
}
