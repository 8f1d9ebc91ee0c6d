//! What to say of a command line that is wrong: clap's words, and the command that was probably meant.

mod line;
mod value;

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::text::hint::{Hint, Invocation};

use super::program::command;
use line::Line;

/// A wrong command line, explained.
#[derive(Debug, PartialEq, Eq)]
pub struct Explained {
    /// For people: the error, the usage, and the command to type next.
    pub text: String,
    /// What is wrong, on one line.
    pub message: String,
    /// The command to type next.
    pub hint: String,
}

/// Words that people type for a verb, and the words of this program for it.
const VERBS: &[(&[&str], &[&str])] = &[
    (&["version"], &["--version"]),
    (&["enable", "install", "set", "setup"], &["apply"]),
    (&["plan", "preview", "show"], &["diff"]),
    (&["disable", "unset"], &["apply", "--disable", "--dry-run"]),
    (&["undo", "revert", "restore", "uninstall"], &["rollback"]),
    (&["check", "verify", "health", "info", "get"], &["status"]),
    (&["list", "ls", "sign"], &["approve", "--all", "--dry-run"]),
    (&["nodes", "cluster-status"], &["cluster", "status"]),
    (&["cluster-diff"], &["cluster", "diff"]),
    (&["cluster-apply"], &["cluster", "apply"]),
    (&["certificate"], &["csr"]),
    (&["watch"], &["approve", "--watch", "--renewals"]),
];

/// Options of other programs: why they are not needed here, and the words that stand for them.
const OPTIONS: &[(&[&str], &str, &[&str])] = &[
    (
        &[
            "--yes",
            "-y",
            "--force",
            "--assume-yes",
            "--non-interactive",
        ],
        "kubelet-tls asks no questions",
        &[],
    ),
    (
        &["-f", "--file", "--filename", "--config"],
        "files are named without an option",
        &[],
    ),
    (
        &["--json"],
        "the output format is an option's value",
        &["-o", "json"],
    ),
    (
        &["--yaml"],
        "the output format is an option's value",
        &["-o", "yaml"],
    ),
    (
        &["--no-restart"],
        "when to restart is an option's value",
        &["--restart", "never"],
    ),
    (
        &["--no-wait"],
        "what to wait for is an option's value",
        &["--wait", "none"],
    ),
    (
        &["--wait-for"],
        "what to wait for is an option's value",
        &["--wait"],
    ),
    (
        &["-A", "--all-nodes"],
        "every pending request is --all",
        &["--all"],
    ),
];

/// What to type where a verb lacks an argument.
const NEEDED: &[(&str, &[&str])] = &[
    ("approve", &["approve", "--all", "--dry-run"]),
    (
        "metrics-server",
        &["metrics-server", "--dir", "metrics-server"],
    ),
];

/// So many verbs are named that have an option.
const MANY: usize = 4;

/// Explains clap's error about the command line `arguments`.
pub fn explain(error: &clap::Error, arguments: &[OsString]) -> Explained {
    let definition = command(arguments);
    let unknown = text_of(error, ContextKind::InvalidSubcommand);
    let line = Line::of(&definition, arguments, unknown.as_deref());
    let meant = meant(error, &line);
    let rendered = error.to_string();
    let mut text = rendered
        .split("\nFor more information, try")
        .next()
        .unwrap_or_default()
        .to_owned();
    if let Some(tip) = &meant.tip {
        text = without_tips(&text, tip);
    }
    let words = meant.words.unwrap_or_else(|| {
        let mut words = line.path.clone();
        words.push("--help".into());
        words
    });
    let invocation = Invocation::CommandLine {
        program: String::new(),
        words,
        access: Default::default(),
    };
    let hint = Hint::Rerun.after(&invocation);
    let message = rendered.lines().next().unwrap_or_default();
    let message = message.trim_start_matches("error: ").to_owned();
    Explained {
        text: format!("{}\n\nhint: {hint}\n", text.trim_end()),
        message,
        hint,
    }
}

/// What was probably meant.
#[derive(Debug, Default)]
struct Meant {
    /// Why, instead of clap's tips.
    tip: Option<String>,
    /// The words to type; the help of the verb where none are known.
    words: Option<Vec<OsString>>,
}

fn text_of(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        // Of several suggestions clap puts the nearest last.
        ContextValue::Strings(texts) => texts.last().cloned(),
        _ => None,
    }
}

fn meant(error: &clap::Error, line: &Line<'_>) -> Meant {
    match error.kind() {
        ErrorKind::InvalidSubcommand => verb(error, line),
        ErrorKind::UnknownArgument => option(error, line),
        ErrorKind::InvalidValue => value::value(error, line),
        ErrorKind::ValueValidation => value::object(error, line),
        ErrorKind::TooManyValues => {
            let given = text_of(error, ContextKind::InvalidValue).unwrap_or_default();
            let words = line.words.iter().enumerate().find_map(|(at, word)| {
                let (name, value) = word.to_str()?.split_once('=')?;
                (value == given).then(|| line.with(at, [name.into()]))
            });
            Meant { tip: None, words }
        }
        ErrorKind::MissingRequiredArgument if value::is_of_a_node(line) => value::of_a_node(line),
        ErrorKind::MissingRequiredArgument if line.words.len() <= line.path.len() => {
            let verb = line.path.last();
            let needed = NEEDED
                .iter()
                .find(|(name, _)| verb.is_some_and(|verb| verb == name));
            let words = needed.map(|(_, words)| line.of_program(words));
            Meant { tip: None, words }
        }
        _ => Meant::default(),
    }
}

fn verb(error: &clap::Error, line: &Line<'_>) -> Meant {
    let Some(word) = text_of(error, ContextKind::InvalidSubcommand) else {
        return Meant::default();
    };
    let is_first = line.path.len() == line.of_program(&[]).len();
    let known = VERBS
        .iter()
        .find(|(words, _)| is_first && words.contains(&word.as_str()));
    // As in `get csr`.
    let next = line
        .words
        .iter()
        .skip_while(|typed| **typed != *word)
        .nth(1);
    if known.is_some() && next.is_some_and(|next| line.is_verb(next)) {
        let words = line.without(OsStr::new(&word));
        return Meant { tip: None, words };
    }
    if let Some((_, meant)) = known {
        return Meant {
            tip: Some(format!("here that is '{}'", meant.join(" "))),
            words: Some(line.of_program(meant)),
        };
    }
    let near = text_of(error, ContextKind::SuggestedSubcommand);
    let words = near.and_then(|near| line.replaced(&word, &[&near]));
    Meant { tip: None, words }
}

fn option(error: &clap::Error, line: &Line<'_>) -> Meant {
    let Some(word) = text_of(error, ContextKind::InvalidArg) else {
        return Meant::default();
    };
    let name = word.split('=').next().unwrap_or(&word);
    if let Some((_, why, words)) = OPTIONS.iter().find(|(names, ..)| names.contains(&name)) {
        return Meant {
            tip: Some((*why).to_owned()),
            words: line.replaced(name, words),
        };
    }
    if !word.starts_with('-') {
        let is_about_this_node = ["status", "csr", "rollback"]
            .iter()
            .any(|verb| line.path.last().is_some_and(|last| last == verb));
        return Meant {
            tip: is_about_this_node
                .then(|| "this verb is about the node that it runs on".to_owned()),
            words: line.without(OsStr::new(&word)),
        };
    }
    let others = line.verbs_with(name);
    if !others.is_empty() {
        let more = match others.len() > MANY {
            true => ", and of other verbs",
            false => "",
        };
        let first = others.get(..MANY).unwrap_or(&others).join(", ");
        return Meant {
            tip: Some(format!("'{name}' is an option of {first}{more}")),
            words: None,
        };
    }
    let near = text_of(error, ContextKind::SuggestedArg);
    let near = near.as_deref().and_then(|near| near.split(' ').next());
    let words = near.and_then(|near| line.replaced(name, &[near]));
    Meant { tip: None, words }
}

/// clap's text with `tip` in the place of its own tips.
fn without_tips(text: &str, tip: &str) -> String {
    let is_tip = |paragraph: &&str| !paragraph.trim_start().starts_with("tip:");
    let mut paragraphs: Vec<String> = text
        .trim_end()
        .split("\n\n")
        .filter(is_tip)
        .map(str::to_owned)
        .collect();
    let after_first = paragraphs.len().min(1);
    paragraphs.insert(after_first, format!("  tip: {tip}"));
    paragraphs.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse;

    fn explained(line: &str) -> Explained {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        explain(&parse(&words).unwrap_err(), &words)
    }

    #[test]
    fn the_next_command_is_what_was_probably_meant() {
        for (typed, hint) in [
            ("kubelet-tls", "kubelet-tls --help"),
            ("kubelet-tls aply --dry-run", "kubelet-tls apply --dry-run"),
            ("kubelet-tls frobnicate", "kubelet-tls --help"),
            ("kubelet-tls version", "kubelet-tls --version"),
            ("kubelet-tls enable", "kubelet-tls apply"),
            ("kubelet-tls check", "kubelet-tls status"),
            ("kubelet-tls undo", "kubelet-tls rollback"),
            ("kubelet-tls cluster-status", "kubelet-tls cluster status"),
            ("kubelet-tls get csr", "kubelet-tls csr"),
            ("kubelet-tls get node", "kubelet-tls status"),
            ("kubelet-tls cluster dif", "kubelet-tls cluster diff"),
            ("kubelet-tls cluster enable", "kubelet-tls cluster --help"),
            ("kubelet-tls apply --yes", "kubelet-tls apply"),
            ("kubelet-tls apply -f k.yaml", "kubelet-tls apply k.yaml"),
            ("kubelet-tls diff --file=k.yaml", "kubelet-tls diff k.yaml"),
            ("kubelet-tls status --json", "kubelet-tls status -o json"),
            (
                "kubelet-tls apply --no-restart --dry-run",
                "kubelet-tls apply --restart never --dry-run",
            ),
            ("kubelet-tls apply --dryrun", "kubelet-tls apply --dry-run"),
            (
                "kubelet-tls apply --dry-run=client",
                "kubelet-tls apply --dry-run",
            ),
            ("kubelet-tls status -o jsn", "kubelet-tls status -o json"),
            (
                "kubelet-tls status --output=jsn",
                "kubelet-tls status --output=json",
            ),
            ("kubelet-tls status worker-1", "kubelet-tls status"),
            ("kubelet-tls rollback k.yaml", "kubelet-tls rollback"),
            ("kubelet-tls status --root /im", "kubelet-tls status --help"),
            ("kubelet-tls apply --wait", "kubelet-tls apply --help"),
            ("kubelet-tls approve", "kubelet-tls approve --all --dry-run"),
            ("kubelet-tls approve --watch", "kubelet-tls approve --help"),
            (
                "kubelet-tls rollback --dry-run --kubeconfig /k",
                "kubelet-tls rollback --dry-run",
            ),
            ("kubelet-tls rollback --context=c", "kubelet-tls rollback"),
            (
                "kubelet-tls approve node/worker-1 --dry-run",
                "kubelet-tls approve --node worker-1 --dry-run",
            ),
            ("kubelet-tls approve pod/x", "kubelet-tls approve --help"),
            (
                "kubelet-tls metrics-server",
                "kubelet-tls metrics-server --dir metrics-server",
            ),
            (
                "/usr/bin/kubectl-kubelet_tls cluster dif",
                "kubectl kubelet-tls cluster diff",
            ),
        ] {
            assert_eq!(explained(typed).hint, hint, "{typed}");
        }
    }

    #[test]
    fn a_word_of_another_program_is_translated_in_one_tip() {
        let text = explained("kubelet-tls check").text;
        assert_eq!(
            text,
            "error: unrecognized subcommand 'check'\n\n  tip: here that is 'status'\n\n\
             Usage: kubelet-tls [OPTIONS] <COMMAND>\n\nhint: kubelet-tls status\n"
        );
        let text = explained("kubelet-tls status --root /im").text;
        assert!(
            text.contains("tip: '--root' is an option of diff, apply, rollback"),
            "{text}"
        );
        let text = explained("kubelet-tls apply --yes").text;
        assert!(
            text.contains("tip: kubelet-tls asks no questions"),
            "{text}"
        );
    }

    #[test]
    fn words_of_a_hint_are_quoted() {
        let words = ["kubelet-tls", "diff", "-f", "a b;reboot"].map(OsString::from);
        let explained = explain(&parse(&words).unwrap_err(), &words);
        assert_eq!(explained.hint, "kubelet-tls diff 'a b;reboot'");
    }
}
