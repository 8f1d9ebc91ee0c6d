//! Which kubelet runs, from which file, with which flags: what systemd and the process table say.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Located, systemd_problem};
use crate::commands::unmanaged;
use crate::host::files::Root;
use crate::host::process;
use crate::host::systemd::{self, SystemdError};
use crate::kubelet::Flags;
use crate::kubelet::image::DEFAULT_CONFIG;
use crate::kubelet::unit::sources;
use crate::node::{Kubelet, Unit};
use crate::report::{Code, Problem};

/// Of a kubelet whose command line was changed since it started: which one is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// What it runs with.
    Now,
    /// What its next start brings.
    NextStart,
}

/// What the verb needs to find on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A kubelet.service that systemd knows: it will be restarted.
    Unit,
    File,
}

/// Asks systemd and the process table.
///
/// # Errors
/// When something that is needed does not exist.
pub(crate) fn locate(root: Option<&Path>, need: Need, when: When) -> Result<Located, Problem> {
    if let Some(root) = root {
        let root = super::root(Some(root))?;
        return Ok(Located {
            path: root.path(Path::new(DEFAULT_CONFIG)),
            root,
            ..Located::default()
        });
    }
    let mut warnings = Vec::new();
    let (unit, unasked) = unit(need, &mut warnings)?;
    let running = unit.as_ref().and_then(running);
    let started = unit
        .as_ref()
        .filter(|_| running.is_some())
        .and_then(|unit| process::started(unit.main_pid, unit.started_monotonic).ok());
    let next = unit.as_ref().map(systemd::next_words).transpose();
    // Where nothing was written since the start, the next start brings the same words, and the running ones are surely
    // right.
    let is_changed =
        |unit: &Unit| started.is_none_or(|started| systemd::changed_since(unit, started));
    let asks = unit.as_ref().is_some_and(is_changed);
    if let (Err(error), true) = (&next, asks) {
        warnings.push(format!(
            "cannot tell which configuration the kubelet's next start will use: {error}"
        ));
    }
    let next = next.ok().flatten();
    let sources = next.as_deref().map(sources).unwrap_or_default();
    let next: Option<Vec<String>> = next
        .filter(|_| asks)
        .map(|words| words.into_iter().map(|word| word.text).collect());
    let words = running.as_ref().or(next.as_ref());
    let program = words.and_then(|words| words.first().cloned());
    let running_flags = running.map(|words| Flags::parse(words.into_iter().skip(1)));
    let next_flags = next.map(|words| Flags::parse(words.into_iter().skip(1)));
    let both = running_flags.as_ref().zip(next_flags.as_ref());
    let flags_change = both.is_some_and(|(now, next)| now.differs(next));
    let is_known = running_flags.is_some() || next_flags.is_some();
    let flags = match when {
        When::Now => running_flags.or(next_flags),
        When::NextStart => next_flags.or(running_flags),
    };
    let flags = flags.unwrap_or_default();
    let path = config(&flags, is_known, program.as_deref())?;
    Ok(Located {
        root: Root::host(),
        kubelet: Kubelet {
            unit,
            flags,
            flags_change,
            sources,
            program,
            started,
            ..Kubelet::default()
        },
        path,
        warnings,
        unasked: unasked.map(Rc::new),
    })
}

/// kubelet.service, if systemd knows it or can be done without, and why systemd could not be asked.
fn unit(
    need: Need,
    warnings: &mut Vec<String>,
) -> Result<(Option<Unit>, Option<SystemdError>), Problem> {
    match systemd::show(systemd::KUBELET) {
        Ok(unit) if unit.load_state == "loaded" => Ok((Some(unit), None)),
        Ok(unit) if need == Need::Unit => Err(no_unit(&unit)),
        Ok(_) => Ok((None, None)),
        Err(error) if need == Need::Unit => Err(systemd_problem("ask systemd about", &error)),
        Err(error) => {
            warnings.push(match error.is_absent() {
                true => format!("{error}; assuming the kubelet uses {DEFAULT_CONFIG}"),
                false => format!(
                    "could not ask systemd: {error}; assuming the kubelet uses {DEFAULT_CONFIG}"
                ),
            });
            Ok((None, Some(error)))
        }
    }
}

/// The words that the kubelet was started with, if it runs.
fn running(unit: &Unit) -> Option<Vec<String>> {
    if unit.main_pid == 0 {
        return None;
    }
    let words = process::command_line(unit.main_pid, unit.started_monotonic).ok();
    words.filter(|words| !words.is_empty())
}

/// The file of `--config`, or kubeadm's default if no command line `is_known`.
fn config(flags: &Flags, is_known: bool, program: Option<&str>) -> Result<PathBuf, Problem> {
    if let Some(path) = flags.get("config") {
        return Ok(Path::new("/").join(path));
    }
    if !is_known {
        return Ok(PathBuf::from(DEFAULT_CONFIG));
    }
    Err(unmanaged::other_program(program.unwrap_or_default()).unwrap_or_else(|| {
        Problem::new(
            Code::Refused,
            "cannot edit the kubelet's configuration: it is started without --config, so it reads no file",
        )
        .advise("kubeadm gives it --config=/var/lib/kubelet/config.yaml")
        .hint("systemctl cat kubelet")
    }))
}

/// The kubeconfig of this node's kubelet, for verbs that need nothing else of it.
pub(crate) fn kubeconfig() -> PathBuf {
    let unit = systemd::show(systemd::KUBELET).ok();
    let running = unit.as_ref().and_then(running);
    let words = running
        .or_else(|| {
            unit.as_ref()
                .and_then(|unit| systemd::next_words(unit).ok())
                .map(|words| words.into_iter().map(|word| word.text).collect())
        })
        .unwrap_or_default();
    crate::node::kubeconfig(&Flags::parse(words.into_iter().skip(1)))
}

fn no_unit(unit: &Unit) -> Problem {
    let problem = Problem::new(
        Code::Unavailable,
        format!(
            "cannot restart {}: systemd says it is {}",
            systemd::KUBELET,
            unit.load_state
        ),
    );
    match unit.load_state.as_str() {
        "masked" => problem.hint("systemctl unmask kubelet"),
        "not-found" => unmanaged::no_kubeadm_node(problem, None),
        _ => problem.hint("systemctl status kubelet"),
    }
}
