//! Everything about a file that a rollback must restore, and everything that a run which changes nothing must not touch.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What comes back when a change is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub text: String,
    pub owner: (u32, u32),
    pub mode: u32,
    pub attributes: BTreeMap<String, Vec<u8>>,
}

/// What stays when nothing is changed: the same file, not written since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub content: Content,
    inode: u64,
    modified: (i64, i64),
    /// Even a `chmod` to the same mode shows here.
    changed: (i64, i64),
    beside: Vec<String>,
}

impl Snapshot {
    pub fn of(path: &Path) -> Self {
        let metadata = fs::metadata(path).expect("the file");
        let mut beside: Vec<String> = fs::read_dir(path.parent().expect("a directory"))
            .expect("its directory")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        beside.sort();
        Self {
            content: Content {
                text: fs::read_to_string(path).expect("UTF-8"),
                owner: (metadata.uid(), metadata.gid()),
                mode: metadata.mode() & 0o7777,
                attributes: attributes(path),
            },
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            beside,
        }
    }
}

/// The text without the lines that read `line`, as it was before one was added.
pub fn without_line(text: &str, line: &str) -> String {
    text.split_inclusive('\n')
        .filter(|other| other.trim_end() != line)
        .collect()
}

pub fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 65_536];
    let length = rustix::fs::listxattr(path, &mut names[..]).expect("listxattr");
    names.truncate(length);
    let names = String::from_utf8(names).expect("UTF-8");
    let read = |name: &str| {
        let mut value = vec![0; 65_536];
        let length = rustix::fs::getxattr(path, name, &mut value[..]).expect("getxattr");
        value.truncate(length);
        (name.to_owned(), value)
    };
    names.split_terminator('\0').map(read).collect()
}

pub fn set_attribute(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty()).expect("setxattr");
}

/// An access ACL as the kernel stores it: user 1000 may read, whatever the group may.
pub fn acl_for_user_1000() -> Vec<u8> {
    const UNDEFINED_ID: u32 = u32::MAX;
    // tag, permissions, id: owner, user 1000, group, mask, others
    let entries: [(u16, u16, u32); 5] = [
        (1, 6, UNDEFINED_ID),
        (2, 4, 1000),
        (4, 4, UNDEFINED_ID),
        (0x10, 4, UNDEFINED_ID),
        (0x20, 0, UNDEFINED_ID),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}
