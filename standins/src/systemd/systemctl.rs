//! `systemctl`: its command line and what each verb prints.

use std::fmt::Write as _;

use super::service::{Job, Service, State};
use super::show;
use super::supervisor::{Manager, Reply};

#[derive(Debug, Default)]
struct Options {
    properties: Option<Vec<String>>,
    bare: bool,
    no_block: bool,
    quiet: bool,
    signal: Option<String>,
    words: Vec<String>,
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        let attached = |prefix: &str| {
            arg.strip_prefix(prefix)
                .filter(|v| !v.is_empty())
                .map(str::to_owned)
        };
        let mut value = |attached: Option<String>| {
            inline
                .clone()
                .or(attached)
                .or_else(|| args.next().cloned())
                .ok_or(format!("systemctl: option requires an argument -- '{arg}'"))
        };
        match name {
            "--value" => options.bare = true,
            "--no-block" => options.no_block = true,
            "-q" | "--quiet" => options.quiet = true,
            "--no-ask-password" | "--no-pager" | "--system" | "--no-warn" | "--full" | "-l"
            | "--all" | "-a" | "--no-legend" | "--wait" | "--plain" => {}
            "--job-mode" | "-n" | "--lines" | "-o" | "--output" | "-t" | "--type"
            | "--kill-whom" | "--kill-who" => {
                value(None)?;
            }
            "-s" | "--signal" => options.signal = Some(value(None)?),
            "--property" => options.add(&value(None)?),
            _ if name.starts_with("-p") => options.add(&value(attached("-p"))?),
            _ if name.starts_with("-P") => {
                options.add(&value(attached("-P"))?);
                options.bare = true;
            }
            _ if name.starts_with('-') => {
                return Err(format!("systemctl: unrecognized option '{arg}'"));
            }
            word => options.words.push(word.into()),
        }
    }
    Ok(options)
}

impl Options {
    fn add(&mut self, names: &str) {
        self.properties
            .get_or_insert_default()
            .extend(names.split(',').map(str::to_owned));
    }
}

/// The answer to one command line.
pub(crate) fn serve(manager: &Manager, args: &[String]) -> Reply {
    let options = match parse(args) {
        Ok(options) => options,
        Err(why) => {
            return Reply {
                stderr: format!("{why}\n"),
                code: 1,
                ..Reply::default()
            };
        }
    };
    let Some((verb, units)) = options.words.split_first() else {
        return Reply {
            stderr: "the stand-in wants a verb\n".into(),
            code: 1,
            ..Reply::default()
        };
    };
    let named = |u: &String| {
        if u.contains('.') {
            u.clone()
        } else {
            format!("{u}.service")
        }
    };
    let units: Vec<String> = units.iter().map(named).collect();
    let mut reply = Reply::default();
    match verb.as_str() {
        "daemon-reload" => manager.reload(),
        "start" => each(manager, &units, Job::Start, "start", &options, &mut reply),
        "stop" => each(manager, &units, Job::Stop, "stop", &options, &mut reply),
        "restart" => each(
            manager,
            &units,
            Job::Restart,
            "restart",
            &options,
            &mut reply,
        ),
        "show" if units.is_empty() => reply.stdout = of_manager(&options),
        "show" => {
            let shown: Vec<String> = units
                .iter()
                .map(|unit| {
                    with(manager, unit, |s| {
                        show::properties(
                            s,
                            &manager.layout.unit_directories(),
                            options.properties.as_deref(),
                            options.bare,
                        )
                    })
                })
                .collect();
            reply.stdout = shown.join("\n");
        }
        "is-active" => state_of(manager, &units, &mut reply, 3, |s| {
            (s.state.active(), s.state == State::Running)
        }),
        "is-failed" => state_of(manager, &units, &mut reply, 1, |s| {
            (s.state.active(), s.state == State::Failed)
        }),
        "is-enabled" => {
            let directories = manager.layout.unit_directories();
            state_of(manager, &units, &mut reply, 1, |s| {
                let state = show::unit_file_state(s, &directories);
                (state, state == "enabled")
            });
        }
        "status" => state_of(manager, &units, &mut reply, 3, |s| {
            (s.state.sub(), s.state == State::Running)
        }),
        "cat" => units.iter().for_each(|unit| cat(manager, unit, &mut reply)),
        "reset-failed" => units.iter().for_each(|unit| {
            with(manager, unit, |s| {
                s.n_restarts = 0;
                if s.state == State::Failed {
                    s.state = State::Dead;
                }
            })
        }),
        "kill" => {
            let signal = options.signal.as_deref().unwrap_or("SIGTERM");
            let signal = if signal.starts_with("SIG") {
                signal.to_owned()
            } else {
                format!("SIG{signal}")
            };
            let signal = signal.parse().unwrap_or(nix::sys::signal::Signal::SIGTERM);
            units
                .iter()
                .for_each(|unit| with(manager, unit, |s| s.signal(signal)));
        }
        other => {
            reply.stderr = format!("Unknown command verb {other}.\n");
            reply.code = 1;
        }
    }
    if options.quiet && verb != "show" {
        reply.stdout.clear();
    }
    reply
}

fn with<T>(manager: &Manager, unit: &str, look: impl FnOnce(&mut Service) -> T) -> T {
    look(manager.state.lock().unwrap().unit(&manager.layout, unit))
}

fn each(
    manager: &Manager,
    units: &[String],
    job: Job,
    verb: &str,
    options: &Options,
    reply: &mut Reply,
) {
    for unit in units {
        let directories = manager.layout.unit_directories();
        let (found, masked, stale) = with(manager, unit, |s| {
            (
                s.unit.is_found(),
                s.unit.masked,
                s.unit.needs_reload(&directories),
            )
        });
        if !found {
            let past = if verb == "stop" { "loaded" } else { "found" };
            let _ = writeln!(
                reply.stderr,
                "Failed to {verb} {unit}: Unit {unit} not {past}."
            );
            reply.code = 5;
            continue;
        }
        if masked && job != Job::Stop {
            let _ = writeln!(
                reply.stderr,
                "Failed to {verb} {unit}: Unit {unit} is masked."
            );
            reply.code = 1;
            continue;
        }
        if stale && !options.quiet {
            let _ = writeln!(
                reply.stderr,
                "Warning: The unit file, source configuration file or drop-ins of {unit} changed on disk. Run 'systemctl daemon-reload' to reload units."
            );
        }
        // Done says nothing of how the process fares: with Type=simple it has merely been started.
        if !manager.run(unit, job, !options.no_block) {
            let _ = writeln!(reply.stderr, "Job for {unit} canceled.");
            reply.code = 1;
        }
    }
}

fn state_of(
    manager: &Manager,
    units: &[String],
    reply: &mut Reply,
    code: i32,
    look: impl Fn(&mut Service) -> (&'static str, bool),
) {
    for unit in units {
        let (state, good) = with(manager, unit, &look);
        let _ = writeln!(reply.stdout, "{state}");
        if !good {
            reply.code = code;
        }
    }
}

fn cat(manager: &Manager, unit: &str, reply: &mut Reply) {
    let files = with(manager, unit, |s| {
        s.unit
            .fragment
            .iter()
            .chain(&s.unit.drop_ins)
            .cloned()
            .collect::<Vec<_>>()
    });
    if files.is_empty() {
        let _ = writeln!(reply.stderr, "No files found for {unit}.");
        reply.code = 1;
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = writeln!(reply.stdout, "# {}\n{text}", file.display());
    }
}

fn of_manager(options: &Options) -> String {
    let all = [
        ("Version", "252.39-1~deb12u2"),
        ("Architecture", "x86-64"),
        ("SystemState", "running"),
    ];
    let wanted = |name: &str| {
        options
            .properties
            .as_ref()
            .is_none_or(|w| w.iter().any(|n| n == name))
    };
    let line = |(name, value): (&str, &str)| {
        if options.bare {
            format!("{value}\n")
        } else {
            format!("{name}={value}\n")
        }
    };
    all.into_iter()
        .filter(|(name, _)| wanted(name))
        .map(line)
        .collect()
}
