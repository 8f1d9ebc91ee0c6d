//! Why a stream cannot be read, or a change not be made in it: every cause there is, its text and the way out.

use std::fmt;

use super::Position;
use super::limits::{MAX_BYTES, MAX_DEPTH, MAX_DIRECTIVES, MAX_DOCUMENTS, MAX_NODES};

/// Why a stream cannot be read, or a change not be made in it, and where. It displays as the cause alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Error {
    /// Where, if it is one place.
    pub position: Option<Position>,
    /// What is wrong, as a clause for a message.
    pub cause: YamlCause,
}

/// Why a stream cannot be read, or a change not be made in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamlCause {
    /// A file of this many bytes.
    #[error("the file has {0} bytes, and no more than {MAX_BYTES} are read")]
    TooLarge(usize),
    /// The mark of UTF-16 at the start.
    #[error("the file is UTF-16, not UTF-8")]
    Utf16,
    /// Bytes that are not UTF-8.
    #[error("the file is not UTF-8 here")]
    NotUtf8,
    /// A character that YAML forbids, or that parsers read differently.
    #[error("{}", Character(*.0))]
    Character(char),
    /// A `%YAML` directive of a version other than 1.1.
    #[error("the %YAML directive asks for a version other than 1.1")]
    YamlVersion,
    /// The stream has more documents than are read.
    #[error("more than {MAX_DOCUMENTS} documents")]
    Documents,
    /// Collections in collections in collections.
    #[error("nested more than {MAX_DEPTH} deep")]
    Depth,
    /// Too many scalars, collections and aliases.
    #[error("more than {MAX_NODES} values")]
    Nodes,
    /// Aliases of aliases of aliases.
    #[error("the aliases make the document too large")]
    AliasWeight,
    /// `*a` without `&a`.
    #[error("an alias of an anchor that is not in this document")]
    UnknownAnchor,
    /// `&a [*a]`.
    #[error("an alias inside the node it refers to")]
    Recursive,
    /// `{?a: b}`: YAML 1.1 ends the word there, YAML 1.2 does not.
    #[error("a word that starts with {0} in braces or brackets, which the kubelet reads otherwise")]
    Sign(char),
    /// Not YAML, in the parser's own words.
    #[error("{0}")]
    Syntax(String),
    /// The second parser cannot read it, in its own words, in which no value of the file is quoted.
    #[error("not YAML 1.1: {0}")]
    NotYaml(String),
    /// The file is read as JSON and is not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The path leads through something that has more than one meaning, or none.
    #[error("{0}")]
    Path(PathCause),
    /// The value of a key cannot be replaced.
    #[error("the value of {key} {cause}")]
    Value {
        /// The key, or the number of the item.
        key: String,
        /// Why it cannot be set.
        cause: ValueCause,
        /// The entry as it should be written.
        line: String,
    },
    /// A new line cannot be placed.
    #[error("{cause}")]
    Place {
        /// Why the line cannot be placed.
        cause: PlaceCause,
        /// The entry as it should be written.
        line: String,
    },
    /// The two parsers read different values.
    #[error("two parsers disagree about the value of {0}")]
    Disagree(String),
    /// The change was made and then found to be more than the change.
    #[error("the edit cannot be verified: {0}")]
    Unproved(Unproved),
}

/// Why a path does not lead to one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathCause {
    /// A key is looked for in a scalar or a sequence.
    #[error("a mapping of keys to values is expected here")]
    NotMapping,
    /// An item is looked for in a scalar or a mapping.
    #[error("a list is expected here")]
    NotSequence,
    /// An alias, or a value that an alias refers to: the change would show in two places.
    #[error("an alias refers to this value, so a change in it would show in two places")]
    Shared,
    /// A tag, which may give a collection another meaning.
    #[error("this has a tag")]
    Tagged,
    /// `<<`.
    #[error("a merge key (<<), which may set or override any other key")]
    Merge,
    /// A key that is an alias, a collection or tagged.
    #[error("a key that is not a plain word")]
    Key,
    /// The same key twice in one mapping.
    #[error("this key is here a second time")]
    SecondTime,
    /// Two items of which one is looked for.
    #[error("a second item of this name")]
    SecondItem,
    /// The value to be removed does not exist.
    #[error("the value to be removed does not exist")]
    Missing,
}

/// Why a value cannot be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueCause {
    /// A block scalar in a boolean's place.
    #[error("is a block scalar, not true or false")]
    BlockScalar,
    /// A mapping or a sequence in a scalar's place.
    #[error("is a collection, not true or false")]
    Collection,
    /// Its anchor has aliases.
    #[error("has an anchor that other values refer to, which would change with it")]
    Anchored,
    /// Nothing, and not in a place that can be told.
    #[error("is empty and its place cannot be seen")]
    Unseen,
    /// It does not end on its line.
    #[error("spans several lines")]
    SeveralLines,
}

/// Why a line cannot be added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceCause {
    /// The entry before the new line has no end that can be told.
    #[error("the end of this entry cannot be seen, and a line should come after it")]
    End,
    /// Tabs, or an entry that does not start its line.
    #[error("the indentation of this document cannot be seen")]
    Indentation,
    /// What is to be removed shares its line with something else.
    #[error("this is not on lines of its own")]
    SharedLine,
    /// What is to be removed has a comment in it.
    #[error("a comment would be removed with it")]
    Comment,
    /// Its collection would be left without content.
    #[error("this is the only entry")]
    OnlyEntry,
    /// A document cannot be appended to a block scalar without an end.
    #[error("the file ends within a block scalar, without an end of line")]
    OpenBlockScalar,
}

/// What was found in the result of a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// The result is not YAML.
    #[error("the result cannot be read: {0}")]
    Unreadable(Box<Error>),
    /// The events differ in more than the change.
    #[error("more than the value would change")]
    Events,
    /// The second parser finds another difference.
    #[error("a second parser reads the result differently")]
    Reading,
    /// The bytes or the lines differ in more than the change.
    #[error("other lines would change")]
    Lines,
}

/// What to do about a file that is not YAML at all places.
const CORRECT: &str = "correct the file there, then run the same command again";

/// What to do about a file that is too much in some way.
const TOO_MUCH: &str = "a kubelet or kubeadm configuration is far smaller: check the path";

const ESCAPE: &str = "remove it, or write it as an escape in double quotes";

impl Error {
    pub(super) fn at(source: &str, offset: usize, cause: YamlCause) -> Error {
        Error {
            position: Some(Position::of(source, offset)),
            cause,
        }
    }

    /// What to do about it; a phrase without a full stop.
    pub fn advice(&self) -> String {
        self.cause.advice()
    }
}

impl YamlCause {
    fn advice(&self) -> String {
        match self {
            YamlCause::TooLarge(_) | YamlCause::Documents | YamlCause::Depth | YamlCause::Nodes => TOO_MUCH,
            YamlCause::Utf16 => "convert it: iconv -f UTF-16 -t UTF-8",
            YamlCause::NotUtf8 => "convert it with iconv, or correct it",
            YamlCause::Character('%') => "remove the directives: the kubelet needs none",
            YamlCause::Character('\r') => "end lines with a line feed: tr '\\r' '\\n'",
            YamlCause::Character('\u{feff}') => "remove it",
            YamlCause::Character(_) => ESCAPE,
            YamlCause::YamlVersion => "remove it: the kubelet refuses it",
            YamlCause::AliasWeight => "write out what they stand for",
            YamlCause::Sign(_) => "put it in quotes",
            YamlCause::UnknownAnchor | YamlCause::Recursive | YamlCause::Syntax(_) | YamlCause::NotYaml(_) => {
                CORRECT
            }
            YamlCause::NotJson(_) => {
                "the kubelet and kubeadm read what starts with { as JSON: make it JSON, or put a comment above it"
            }
            YamlCause::Path(cause) => cause.advice(),
            YamlCause::Value { line, .. } => return format!("write it as {line}"),
            YamlCause::Place { cause, line } => match cause {
                PlaceCause::OpenBlockScalar => {
                    "end the last line first: that may add an end of line to the value it belongs to"
                }
                PlaceCause::SharedLine | PlaceCause::Comment | PlaceCause::OnlyEntry => {
                    return format!("remove {line} by hand");
                }
                _ => return format!("write {line} into it by hand"),
            },
            YamlCause::Disagree(key) => {
                return format!("write it in one plain line, as in {key}: true");
            }
            YamlCause::Unproved(_) => "make the change by hand",
        }
        .to_owned()
    }
}

impl PathCause {
    fn advice(self) -> &'static str {
        match self {
            PathCause::NotMapping | PathCause::NotSequence => CORRECT,
            PathCause::Shared => "write the value out in each place",
            PathCause::Tagged => "remove the tag",
            PathCause::Merge => "write the merged keys out",
            PathCause::Key => "write a plain word as the key",
            PathCause::SecondTime | PathCause::SecondItem => "keep one of the two",
            PathCause::Missing => CORRECT,
        }
    }
}

/// What is wrong with a character.
struct Character(char);

impl fmt::Display for Character {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0 as u32;
        match self.0 {
            '%' => write!(f, "more than {MAX_DIRECTIVES} lines start with %"),
            '\r' => f.write_str(
                "a carriage return without a line feed, which not every parser takes for the end of a line",
            ),
            '\u{85}' | '\u{2028}' | '\u{2029}' => write!(
                f,
                "the character U+{code:04X}, which the kubelet takes for the end of a line"
            ),
            '\u{feff}' => f.write_str("a byte order mark that is not at the start of the file"),
            _ => write!(f, "the character U+{code:04X}, which YAML does not allow"),
        }
    }
}
