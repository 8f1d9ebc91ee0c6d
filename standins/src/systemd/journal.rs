//! The journal: a file of JSON lines, and `journalctl` over it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use time::OffsetDateTime;

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct Journal(pub(crate) PathBuf);

impl Journal {
    /// A line of the unit's own process.
    pub(crate) fn process(&self, unit: &str, invocation: &str, pid: u32, message: &str) {
        self.append(&json!({
            "MESSAGE": message, "_PID": pid.to_string(), "SYSLOG_IDENTIFIER": "kubelet",
            "_SYSTEMD_UNIT": unit, "_SYSTEMD_INVOCATION_ID": invocation,
        }));
    }

    /// A line of systemd's about the unit.
    pub(crate) fn systemd(&self, unit: &str, invocation: &str, message: &str) {
        self.append(&json!({
            "MESSAGE": message, "_PID": "1", "SYSLOG_IDENTIFIER": "systemd",
            "UNIT": unit, "INVOCATION_ID": invocation, "_SYSTEMD_UNIT": "init.scope",
        }));
    }

    fn append(&self, entry: &Value) {
        let mut entry = entry.clone();
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1000;
        entry["__REALTIME_TIMESTAMP"] = now.to_string().into();
        // One write per line: several threads append.
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(&self.0) {
            let _ = file.write_all(format!("{entry}\n").as_bytes());
        }
    }
}

/// What `journalctl` was asked for.
#[derive(Debug, Default)]
struct Query {
    /// Alternatives, each of field-value pairs that must all hold.
    matches: Vec<Vec<(String, String)>>,
    unit: Option<String>,
    lines: Option<usize>,
    output: String,
    reverse: bool,
    quiet: bool,
}

/// `journalctl` over the journal of `dir`; prints, and returns the exit code.
pub(crate) fn journalctl(journal: &Path, args: &[String]) -> i32 {
    let query = match parse(args) {
        Ok(query) => query,
        Err(why) => {
            eprintln!("{why}");
            return 1;
        }
    };
    let text = fs::read_to_string(journal).unwrap_or_default();
    let all = text
        .lines()
        .filter_map(|l| serde_json::from_str::<Value>(l).ok());
    let mut entries: Vec<Value> = all.filter(|e| query.selects(e)).collect();
    if let Some(lines) = query.lines {
        entries.drain(..entries.len().saturating_sub(lines));
    }
    if query.reverse {
        entries.reverse();
    }
    if entries.is_empty() && !query.quiet {
        println!("-- No entries --");
    }
    for entry in entries {
        println!("{}", query.show(&entry));
    }
    0
}

fn parse(args: &[String]) -> Result<Query, String> {
    let mut query = Query {
        matches: vec![vec![]],
        ..Query::default()
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        let short = |prefix: &str| {
            arg.strip_prefix(prefix)
                .filter(|v| !v.is_empty() && !arg.starts_with("--"))
                .map(str::to_owned)
        };
        let mut value = |short: Option<String>| {
            inline
                .clone()
                .or(short)
                .or_else(|| args.next().cloned())
                .ok_or(format!(
                    "journalctl: option requires an argument -- '{arg}'"
                ))
        };
        match name {
            "+" => query.matches.push(vec![]),
            "--no-pager" | "-b" | "--boot" | "-a" | "--all" | "--system" | "-x" | "-e"
            | "--no-hostname" | "--utc" | "-m" => {}
            "-q" | "--quiet" => query.quiet = true,
            "-r" | "--reverse" => query.reverse = true,
            "--since" | "-S" | "--until" | "-U" | "-p" | "--priority" | "-t" | "--identifier" => {
                value(None)?;
            }
            "--lines" => query.lines = inline.as_deref().unwrap_or("10").parse().ok(),
            "--output" => query.output = value(None)?,
            "--unit" => query.unit = Some(value(None)?),
            _ if name.starts_with("-n") => query.lines = value(short("-n"))?.parse().ok(),
            _ if name.starts_with("-o") => query.output = value(short("-o"))?,
            _ if name.starts_with("-u") => query.unit = Some(value(short("-u"))?),
            _ if name.starts_with('-') => {
                return Err(format!("journalctl: unrecognized option '{arg}'"));
            }
            _ => match arg.split_once('=') {
                Some((field, value)) => query
                    .matches
                    .last_mut()
                    .unwrap()
                    .push((field.into(), value.into())),
                None => return Err(format!("Failed to add match '{arg}': Invalid argument")),
            },
        }
    }
    query.unit = query.unit.map(|u| {
        if u.contains('.') {
            u
        } else {
            format!("{u}.service")
        }
    });
    Ok(query)
}

impl Query {
    fn selects(&self, entry: &Value) -> bool {
        let of_unit = self
            .unit
            .as_ref()
            .is_none_or(|u| entry["_SYSTEMD_UNIT"] == **u || entry["UNIT"] == **u);
        // As in journald: several values of one field are alternatives, several fields are all required.
        let holds = |all: &Vec<(String, String)>| {
            all.iter().all(|(field, _)| {
                all.iter()
                    .any(|(f, value)| f == field && entry[field] == **value)
            })
        };
        of_unit && self.matches.iter().any(holds)
    }

    fn show(&self, entry: &Value) -> String {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        match self.output.as_str() {
            "cat" => text("MESSAGE"),
            "json" => entry.to_string(),
            _ => {
                let micros: i64 = text("__REALTIME_TIMESTAMP").parse().unwrap_or_default();
                let t = OffsetDateTime::from_unix_timestamp(micros / 1_000_000)
                    .unwrap_or(OffsetDateTime::UNIX_EPOCH);
                let month = &t.month().to_string()[..3];
                let (d, h, m, s) = (t.day(), t.hour(), t.minute(), t.second());
                let (who, pid) = (text("SYSLOG_IDENTIFIER"), text("_PID"));
                format!(
                    "{month} {d:02} {h:02}:{m:02}:{s:02} node {who}[{pid}]: {}",
                    text("MESSAGE")
                )
            }
        }
    }
}
