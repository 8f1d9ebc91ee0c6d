//! Unit files: found, read with their drop-ins, and their command lines expanded, as far as a kubelet.service needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::timespan;

/// A unit as it was when it was last loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unit {
    pub(crate) name: String,
    pub(crate) fragment: Option<PathBuf>,
    pub(crate) drop_ins: Vec<PathBuf>,
    pub(crate) masked: bool,
    /// Of the fragment and the drop-ins, to see whether they have changed since.
    stamps: Vec<Option<SystemTime>>,
    settings: Vec<(String, String)>,
}

impl Unit {
    /// Finds and reads it, or finds nothing.
    pub(crate) fn load(directories: &[PathBuf], name: &str) -> Self {
        let mut unit = Self {
            name: name.into(),
            ..Self::default()
        };
        unit.fragment = directories
            .iter()
            .map(|d| d.join(name))
            .find(|p| p.symlink_metadata().is_ok());
        unit.drop_ins = find_drop_ins(directories, name);
        unit.stamps = unit.stamps_now();
        let Some(fragment) = &unit.fragment else {
            return unit;
        };
        unit.masked = fs::read_link(fragment).is_ok_and(|to| to == Path::new("/dev/null"));
        for file in std::iter::once(fragment).chain(&unit.drop_ins) {
            let text = fs::read_to_string(file).unwrap_or_default();
            unit.settings.extend(parse(&text));
        }
        unit
    }

    pub(crate) fn is_found(&self) -> bool {
        self.fragment.is_some()
    }

    /// Whether the files are no longer those that were read.
    pub(crate) fn needs_reload(&self, directories: &[PathBuf]) -> bool {
        self.is_found()
            && (find_drop_ins(directories, &self.name) != self.drop_ins
                || self.stamps_now() != self.stamps)
    }

    fn stamps_now(&self) -> Vec<Option<SystemTime>> {
        let files = self.fragment.iter().chain(&self.drop_ins);
        files
            .map(|f| f.metadata().and_then(|m| m.modified()).ok())
            .collect()
    }

    /// The values of a setting that adds up; an empty one clears what came before.
    fn list(&self, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (_, value) in self.settings.iter().filter(|(k, _)| k == key) {
            if value.is_empty() {
                values.clear();
            } else {
                values.push(value.as_str());
            }
        }
        values
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.list(key).pop()
    }

    pub(crate) fn duration(&self, key: &str, default: Duration) -> Duration {
        self.get(key).and_then(timespan::parse).unwrap_or(default)
    }

    /// `StartLimitIntervalSec=`, which packages still call by its old name.
    pub(crate) fn start_limit_interval(&self) -> Duration {
        let old = self.duration("StartLimitInterval", Duration::from_secs(10));
        self.duration("StartLimitIntervalSec", old)
    }

    /// The command as written.
    pub(crate) fn exec_start(&self) -> &str {
        self.list("ExecStart").last().copied().unwrap_or("")
    }

    /// `Environment=`: assignments, unquoted.
    pub(crate) fn environment(&self) -> Vec<String> {
        self.list("Environment")
            .iter()
            .flat_map(|line| split(line))
            .collect()
    }

    /// `EnvironmentFile=`: the path, and whether it may be missing.
    pub(crate) fn environment_files(&self) -> Vec<(PathBuf, bool)> {
        let file = |value: &&str| match value.strip_prefix('-') {
            Some(path) => (path.into(), true),
            None => (PathBuf::from(*value), false),
        };
        self.list("EnvironmentFile").iter().map(file).collect()
    }

    /// The command to execute and its whole environment.
    pub(crate) fn command(&self) -> Result<(Vec<String>, BTreeMap<String, String>), String> {
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        let assign = |line: &str, environment: &mut BTreeMap<String, String>| {
            if let Some((name, value)) = line.split_once('=') {
                environment.insert(name.trim().into(), value.into());
            }
        };
        for assignment in self.environment() {
            assign(&assignment, &mut environment);
        }
        for (path, may_be_missing) in self.environment_files() {
            match fs::read_to_string(&path) {
                Ok(text) => text
                    .lines()
                    .filter(|l| !l.trim_start().starts_with(['#', ';']))
                    .for_each(|l| assign(&split(l).join(" "), &mut environment)),
                Err(_) if may_be_missing => {}
                Err(_) => {
                    return Err(
                        "Failed to load environment files: No such file or directory".into(),
                    );
                }
            }
        }
        let mut words = Vec::new();
        for word in split(
            self.exec_start()
                .trim_start_matches(['-', '@', ':', '+', '!']),
        ) {
            expand(&word, &environment, &mut words);
        }
        Ok((words, environment))
    }
}

/// `NAME.d/*.conf` of all directories; of two with the same name the one in the earlier directory.
fn find_drop_ins(directories: &[PathBuf], name: &str) -> Vec<PathBuf> {
    let mut found: BTreeMap<_, PathBuf> = BTreeMap::new();
    for directory in directories.iter().rev() {
        let Ok(entries) = fs::read_dir(directory.join(format!("{name}.d"))) else {
            continue;
        };
        for path in entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "conf"))
        {
            found.insert(path.file_name().map(std::ffi::OsStr::to_owned), path);
        }
    }
    found.into_values().collect()
}

fn parse(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(str::trim)
        .filter(|l| !l.starts_with(['#', ';', '[']));
    lines
        .filter_map(|l| l.split_once('='))
        .map(|(k, v)| (k.trim().into(), v.trim().into()))
        .collect()
}

/// Words, with quotes and backslashes taken off.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (_, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', _) => word.get_or_insert_default().extend(chars.next()),
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// `$NAME` alone becomes words of its own, `${NAME}` stays within its word, `$$` is a dollar.
fn expand(word: &str, environment: &BTreeMap<String, String>, words: &mut Vec<String>) {
    let value = |name: &str| environment.get(name).cloned().unwrap_or_default();
    if let Some(name) = word.strip_prefix('$')
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        words.extend(split(&value(name)));
        return;
    }
    let mut rest = word;
    let mut out = String::new();
    while let Some(at) = rest.find('$') {
        out += &rest[..at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('{').and_then(|r| r.split_once('}')) {
            out += &value(name);
            rest = after;
        } else {
            out.push('$');
        }
    }
    words.push(out + rest);
}
