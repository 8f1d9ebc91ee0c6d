//! `systemctl show`: all properties, in systemd's order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::service::Service;
use super::timespan::{self, Stamp};

/// What systemd 252 printed about a kubelet: the order, and the values of what does not change here.
const TEMPLATE: &str = include_str!("../../../testdata/captured/1.36/systemctl-show-kubelet.txt");

/// What it prints about any unit that does not exist, beside its name.
const NOT_FOUND: [(&str, &str); 8] = [
    ("LoadState", "not-found"),
    ("Type", "simple"),
    ("Restart", "no"),
    ("RestartUSec", "100ms"),
    ("UnitFileState", ""),
    ("UnitFilePreset", ""),
    ("Description", ""),
    ("Documentation", ""),
];

/// Properties as lines: all that have a value, or the ones asked for, even empty.
pub(crate) fn properties(
    service: &Service,
    directories: &[PathBuf],
    wanted: Option<&[String]>,
    bare: bool,
) -> String {
    let mut out = String::new();
    for key in keys() {
        if wanted.is_some_and(|w| !w.iter().any(|name| name == key)) {
            continue;
        }
        let values = values_of(service, directories, key);
        let values = if values.is_empty() && wanted.is_some() {
            vec![String::new()]
        } else {
            values
        };
        for value in values.iter().filter(|v| wanted.is_some() || !v.is_empty()) {
            out += &if bare {
                format!("{value}\n")
            } else {
                format!("{key}={value}\n")
            };
        }
    }
    out
}

fn template() -> impl Iterator<Item = (&'static str, &'static str)> {
    TEMPLATE.lines().filter_map(|line| line.split_once('='))
}

/// The properties' names, each once. Empty when captured, so not in the template: the exit's time, the load error.
fn keys() -> Vec<&'static str> {
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in template() {
        if keys.last() == Some(&key) {
            continue;
        }
        keys.push(key);
        match key {
            "ExecMainStartTimestampMonotonic" => keys.push("ExecMainExitTimestamp"),
            "ExecStartEx" => keys.push("ExecStop"),
            "LoadState" => keys.push("LoadError"),
            _ => {}
        }
    }
    keys
}

fn values_of(service: &Service, directories: &[PathBuf], key: &str) -> Vec<String> {
    let unit = &service.unit;
    if key == "EnvironmentFiles" {
        let yes_no = |b: bool| if b { "yes" } else { "no" };
        let line = |(path, ignore): &(PathBuf, bool)| {
            format!("{} (ignore_errors={})", path.display(), yes_no(*ignore))
        };
        return unit.environment_files().iter().map(line).collect();
    }
    let wall = |stamp: Option<Stamp>| stamp.map(Stamp::wall).unwrap_or_default();
    let monotonic = |stamp: Option<Stamp>| stamp.map_or("0".to_owned(), Stamp::monotonic);
    let path = |p: &Path| p.display().to_string();
    let value = match key {
        "Id" | "Names" => unit.name.clone(),
        "ActiveState" => service.state.active().into(),
        "SubState" => service.state.sub().into(),
        "Result" => service.result.into(),
        "MainPID" => service.main_pid.to_string(),
        "NRestarts" => service.n_restarts.to_string(),
        "InvocationID" => service.invocation.clone(),
        "ExecMainPID" => service.exec_main_pid.to_string(),
        "ExecMainCode" => service.exec_main_code.to_string(),
        "ExecMainStatus" => service.exec_main_status.to_string(),
        "ExecMainStartTimestamp" => wall(service.exec_started),
        "ExecMainStartTimestampMonotonic" => monotonic(service.exec_started),
        "ExecMainExitTimestamp" => wall(service.exec_exited),
        "ExecMainExitTimestampMonotonic" => monotonic(service.exec_exited),
        "ActiveEnterTimestamp" | "InactiveExitTimestamp" => wall(service.active_entered),
        "ActiveEnterTimestampMonotonic" | "InactiveExitTimestampMonotonic" => {
            monotonic(service.active_entered)
        }
        "ActiveExitTimestamp" | "InactiveEnterTimestamp" => wall(service.inactive_entered),
        "ActiveExitTimestampMonotonic" | "InactiveEnterTimestampMonotonic" => {
            monotonic(service.inactive_entered)
        }
        "StateChangeTimestamp" => wall(Some(service.changed)),
        "StateChangeTimestampMonotonic" => monotonic(Some(service.changed)),
        "FragmentPath" => unit
            .fragment
            .as_deref()
            .filter(|_| !unit.masked)
            .map(path)
            .unwrap_or_default(),
        "DropInPaths" => unit
            .drop_ins
            .iter()
            .map(|p| path(p))
            .collect::<Vec<_>>()
            .join(" "),
        "NeedDaemonReload" => if unit.needs_reload(directories) {
            "yes"
        } else {
            "no"
        }
        .into(),
        "ControlGroup" => format!("/system.slice/{}", unit.name),
        "LoadError" if unit.masked => format!(
            r#"org.freedesktop.systemd1.UnitMasked "Unit {} is masked.""#,
            unit.name
        ),
        "LoadError" if !unit.is_found() => {
            format!(
                r#"org.freedesktop.systemd1.NoSuchUnit "Unit {} not found.""#,
                unit.name
            )
        }
        "LoadError" => String::new(),
        _ if !unit.is_found() => {
            let fixed = NOT_FOUND.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
            let starts = ["ExecStart", "ExecStartEx", "Environment"].contains(&key);
            fixed
                .unwrap_or_else(|| if starts { "" } else { captured(key) })
                .into()
        }
        "LoadState" => if unit.masked { "masked" } else { "loaded" }.into(),
        "UnitFileState" => unit_file_state(service, directories).into(),
        "Type" | "Restart" | "Description" | "Documentation" => {
            unit.get(key).unwrap_or(default_of(key)).into()
        }
        "RestartUSec" => timespan::show(unit.duration("RestartSec", Duration::from_millis(100))),
        "TimeoutStopUSec" | "TimeoutAbortUSec" => {
            timespan::show(unit.duration("TimeoutStopSec", Duration::from_secs(90)))
        }
        "StartLimitIntervalUSec" => timespan::show(unit.start_limit_interval()),
        "ExecStart" => exec(service, "ignore_errors=no"),
        "ExecStartEx" => exec(service, "flags="),
        "Environment" => unit
            .environment()
            .iter()
            .map(|e| quoted(e))
            .collect::<Vec<_>>()
            .join(" "),
        _ => captured(key).into(),
    };
    vec![value]
}

fn captured(key: &str) -> &'static str {
    template()
        .find(|(k, _)| *k == key)
        .map_or("", |(_, value)| value)
}

fn default_of(key: &str) -> &'static str {
    match key {
        "Type" => "simple",
        "Restart" => "no",
        _ => "",
    }
}

pub(crate) fn unit_file_state(service: &Service, directories: &[PathBuf]) -> &'static str {
    let wanted = |d: &PathBuf| {
        d.join("multi-user.target.wants")
            .join(&service.unit.name)
            .symlink_metadata()
            .is_ok()
    };
    match () {
        () if service.unit.masked => "masked",
        () if directories.iter().any(wanted) => "enabled",
        () => "disabled",
    }
}

fn exec(service: &Service, flags: &str) -> String {
    let command = service.unit.exec_start();
    if command.is_empty() {
        return String::new();
    }
    let path = command.split_whitespace().next().unwrap_or_default();
    let time = |stamp: Option<Stamp>| stamp.map_or("n/a".to_owned(), Stamp::wall);
    let (started, stopped, pid) = (
        time(service.exec_started),
        time(service.exec_exited),
        service.exec_main_pid,
    );
    let (code, status) = match (service.exec_main_code, service.exec_main_status) {
        (1, status) => ("exited", status.to_string()),
        (2, signal) => ("killed", signal.to_string()),
        _ => ("(null)", "0/0".to_owned()),
    };
    format!(
        "{{ path={path} ; argv[]={command} ; {flags} ; start_time=[{started}] ; stop_time=[{stopped}] ; pid={pid} ; code={code} ; status={status} }}"
    )
}

/// As the shell would need it.
fn quoted(assignment: &str) -> String {
    if assignment.contains(|c: char| c.is_whitespace() || "\"\\`$'".contains(c)) {
        format!(
            "\"{}\"",
            assignment
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('$', "\\$")
        )
    } else {
        assignment.into()
    }
}
