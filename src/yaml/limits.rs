//! What is looked at at all: the caps, and the characters on which YAML parsers disagree.

use super::{Error, YamlCause};

/// The largest file that is read, in bytes. The API server's limit for a ConfigMap, in which kubeadm keeps such files,
/// is the same (`MaxSecretSize` in Kubernetes' core validation); a real one has 1 to 50 kB.
pub const MAX_BYTES: usize = 1 << 20;

/// How deeply collections may nest, aliases followed. A KubeletConfiguration nests 5 deep. The second parser gives up at
/// 128, and every level costs stack there.
pub const MAX_DEPTH: usize = 100;

/// How many scalars, collections and aliases a stream may hold. A file of [`MAX_BYTES`] with a key and a value on each
/// line has about 70,000; a file of `{,,,,` has a million, at a hundred bytes of memory each.
pub const MAX_NODES: usize = 250_000;

/// How large a document may become when its aliases are followed, in bytes and nodes. goyaml refuses "excessive
/// aliasing" by a ratio (`allowedAliasRatio` in its decode.go); what no alias multiplies always fits.
pub const MAX_WEIGHT: usize = 4 * MAX_BYTES;

/// How many documents a stream may hold. A kubeadm file has at most six kinds.
pub const MAX_DOCUMENTS: usize = 1000;

/// How many lines may start with `%`. libyaml looks at all earlier `%TAG` directives for each one, so a file full of them
/// would take it minutes.
pub const MAX_DIRECTIVES: usize = 32;

/// The bytes as text in which every parser sees the same characters and the same lines.
pub(super) fn admit(bytes: &[u8]) -> Result<&str, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error {
            position: None,
            cause: YamlCause::TooLarge(bytes.len()),
        });
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err(Error::at("", 0, YamlCause::Utf16));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let valid = std::str::from_utf8(valid).unwrap_or_default();
        Error::at(valid, valid.len(), YamlCause::NotUtf8)
    })?;
    match first_refused_character(text) {
        Some((offset, character)) => Err(Error::at(text, offset, YamlCause::Character(character))),
        None => Ok(text),
    }
}

/// Characters that YAML 1.1 (goyaml: `yaml_parser_update_buffer` and `is_break`) forbids or takes for a line break, and
/// YAML 1.2 or an editor does not.
fn first_refused_character(text: &str) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    let at = |offset: usize| bytes.get(offset).copied().unwrap_or(0);
    let mut directives = 0;
    for (offset, byte) in bytes.iter().copied().enumerate() {
        let refused = match byte {
            b'\t' | b'\n' => false,
            b'\r' => at(offset + 1) != b'\n',
            b'%' if offset == 0 || at(offset - 1) == b'\n' => {
                directives += 1;
                directives > MAX_DIRECTIVES
            }
            0..0x20 | 0x7F => true,
            0xC2 => at(offset + 1) < 0xA0,
            0xE2 => at(offset + 1) == 0x80 && matches!(at(offset + 2), 0xA8 | 0xA9),
            0xEF => match (at(offset + 1), at(offset + 2)) {
                (0xBB, 0xBF) => offset != 0,
                (0xBF, 0xBE | 0xBF) => true,
                _ => false,
            },
            _ => false,
        };
        if refused {
            return text
                .get(offset..)
                .and_then(|rest| rest.chars().next())
                .map(|found| (offset, found));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Position;

    #[test]
    fn characters_that_parsers_read_differently_are_refused_with_their_position() {
        for (text, line, column) in [
            ("a\rb", 1, 2),
            ("ä\nb\u{85}", 2, 2),
            ("\u{2028}", 1, 1),
            ("a: \u{2029}", 1, 4),
            ("a\u{feff}", 1, 2),
            ("a\0", 1, 2),
            ("\u{7f}", 1, 1),
            ("\u{9f}", 1, 1),
            ("\u{ffff}", 1, 1),
        ] {
            let error = admit(text.as_bytes()).unwrap_err();
            assert_eq!(error.position, Some(Position { line, column }), "{text:?}");
        }
        for text in ["", "\u{feff}a: b\r\n\tc", "\u{a0}é\u{2027}\u{fffd}😀"] {
            assert_eq!(admit(text.as_bytes()), Ok(text));
        }
    }

    #[test]
    fn a_file_is_text_of_a_bounded_size() {
        assert!(admit(&vec![b' '; MAX_BYTES]).is_ok());
        assert!(admit(&vec![b' '; MAX_BYTES + 1]).is_err());
        assert_eq!(admit(b"\xFF\xFEa\0").unwrap_err().cause, YamlCause::Utf16);
        assert_eq!(
            admit(b"a\n\xE4").unwrap_err().position,
            Some(Position { line: 2, column: 1 })
        );
        assert!(admit("%TAG\n".repeat(MAX_DIRECTIVES).as_bytes()).is_ok());
        assert!(admit("%TAG\n".repeat(MAX_DIRECTIVES + 1).as_bytes()).is_err());
    }
}
