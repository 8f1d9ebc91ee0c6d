//! What people and scripts see: the answer on standard output; progress, warnings and errors on standard error.

mod color;
mod document;
mod streams;
mod wait;

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::cli::{Color, Format, Global};
use crate::host::{environment, trace};
use crate::node::conditions::Condition;
use crate::plan::Edit;
use crate::report::{
    API_VERSION, Code, Ending, Envelope, ErrorReport, Outcome, Problem, ResultKind, VerbResult,
};
use crate::text::hint::{Command, Invocation};

use self::color::colored;
use self::document::written;
pub(crate) use self::document::{document_only, usage};
use self::streams::Streams;

/// The program's output, and the warnings that its result document gets.
#[derive(Debug)]
pub struct Ui {
    /// The command line, for hints that repeat it.
    invocation: Invocation,
    format: Format,
    quiet: bool,
    verbose: bool,
    /// Whether a person watches standard error, so that a wait is shown.
    watched: bool,
    streams: Streams,
    /// The warnings so far, for the result document.
    warnings: RefCell<Vec<String>>,
    /// The edits that were shown, where Ansible asks.
    shown: RefCell<Vec<Edit>>,
}

impl Ui {
    /// Output as `options` have it, for a verb that was run as `invocation`.
    pub fn new(options: &Global, invocation: Invocation) -> Self {
        match options.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        if options.verbose {
            trace::listen(|line| {
                let _ = writeln!(anstream::stderr(), "{line}");
            });
        }
        Self {
            format: options.output,
            quiet: options.quiet,
            verbose: options.verbose,
            watched: !options.quiet
                && std::io::stderr().is_terminal()
                && environment::first_of(&["TERM"]).is_some_and(|term| term != "dumb"),
            ..Self::with(invocation, Streams::open())
        }
    }

    /// Output for Ansible: nothing on standard error, and the caller prints the document.
    pub(crate) fn silent() -> Self {
        Self::with(Invocation::AnsibleTask, Streams::silent())
    }

    fn with(invocation: Invocation, streams: Streams) -> Self {
        Self {
            invocation,
            format: Format::Json,
            quiet: true,
            verbose: false,
            watched: false,
            streams,
            warnings: RefCell::default(),
            shown: RefCell::default(),
        }
    }

    /// The command as the person who ran the program should type it: it asks the same cluster.
    pub fn command(&self, command: impl Into<Command>) -> Command {
        command.into().after(&self.invocation)
    }

    /// The conditions with hints that ask the same cluster.
    pub(crate) fn conditions<K>(&self, conditions: Vec<Condition<K>>) -> Vec<Condition<K>> {
        let conditions = conditions.into_iter();
        conditions
            .map(|condition| condition.after(&self.invocation))
            .collect()
    }

    /// Prints progress or an explanation on standard error; not with `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.streams.stderr(text);
        }
    }

    /// Shows on a terminal what is waited for from now on, and for how long, until [`Self::waited`] or the end.
    pub fn wait_for(&self, what: impl Into<String>) {
        if self.watched {
            self.streams.wait.show(what.into());
        }
    }

    /// Removes what [`Self::wait_for`] shows.
    pub fn waited(&self) {
        self.streams.wait.end();
    }

    /// Prints a detail on standard error, with `--verbose` only.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.streams.stderr(text);
        }
    }

    /// Prints a warning on standard error and puts it into the result document; one that was given already is not
    /// repeated.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&text) {
            self.warn_each(&text);
            warnings.push(text);
        }
    }

    /// Prints a warning of a program that keeps running: each time, and kept for no document.
    pub fn warn_each(&self, text: &str) {
        self.streams
            .stderr(&format!("\u{1b}[33mwarning:\u{1b}[0m {text}"));
    }

    /// One record of an answer without end: a line of text, or an object a line.
    pub fn record(&self, text: &str, record: &impl Serialize) {
        match self.format {
            Format::Text => self.streams.stdout(&format!("{text}\n")),
            Format::Json => {
                if let Ok(json) = serde_json::to_string(record) {
                    self.streams.stdout(&format!("{json}\n"));
                }
            }
            Format::Yaml => {
                if let Ok(yaml) = serde_yaml::to_string(record) {
                    self.streams.stdout(&format!("---\n{yaml}"));
                }
            }
            _ => {}
        }
    }

    /// Shows an edit: its unified diff, as the answer.
    pub fn show(&self, edit: &Edit, diff: &str) {
        self.answer(Format::Text, &colored(diff));
        if self.streams.silent {
            self.shown.borrow_mut().push(edit.clone());
        }
    }

    /// The edits shown so far, which Ansible prints itself.
    pub(crate) fn shown(&self) -> Vec<Edit> {
        self.shown.take()
    }

    /// Prints a unified diff on standard error, because standard output holds the result.
    pub fn diff_aside(&self, diff: &str) {
        if !self.quiet {
            let _ = self
                .streams
                .wait
                .aside(|| anstream::stderr().write_all(colored(diff).as_bytes()));
        }
    }

    /// Prints a table as the answer.
    pub fn table(&self, table: &str) {
        self.answer(Format::Text, table);
    }

    /// Prints a name as the answer, at once.
    pub fn name(&self, name: &str) {
        self.answer(Format::Text, &format!("{name}\n"));
        self.bare_name(name);
    }

    /// Prints a name with `-o name` only.
    pub fn bare_name(&self, name: &str) {
        self.answer(Format::Name, &format!("{name}\n"));
    }

    /// Metrics, which only `-o prometheus` prints.
    pub fn metrics(&self, text: &str) {
        self.answer(Format::Prometheus, text);
    }

    /// Prints `text`, which is the answer in this format and in no other.
    fn answer(&self, format: Format, text: &str) {
        if self.format == format {
            self.streams.stdout(text);
        }
    }

    /// Whether the output format is `name`.
    pub fn wants_names(&self) -> bool {
        self.format == Format::Name
    }

    /// Prints bytes as the answer.
    ///
    /// # Errors
    /// When standard output does not take them.
    pub fn result(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.streams.bytes(bytes)
    }

    /// Whether the answer is one result document.
    pub fn wants_document(&self) -> bool {
        matches!(self.format, Format::Json | Format::Yaml)
    }

    /// Ends the program's output: prints the result document where one is wanted, the error with its hint, and returns
    /// the exit code.
    pub fn finish<R: VerbResult>(&self, outcome: &Outcome<R>) -> u8 {
        self.waited();
        if let Some(text) = written(self.format, &self.document(outcome)) {
            self.streams.stdout(&text);
        }
        let code = match &outcome.ending {
            Ending::Done => 0,
            Ending::Negative(text) => {
                text.iter().for_each(|text| self.say(text));
                Code::Negative as u8
            }
            Ending::Failed(problem) => self.error(problem),
        };
        match self.lost() {
            // The exit code is about the node, and 74 says that it is unchanged.
            Some(problem) if code == 0 && outcome.result.has_changed_something() => {
                self.warn_each(&format!("{}; the change is in place", problem.message()));
                code
            }
            Some(problem) if code <= Code::Negative as u8 => self.error(&problem),
            _ => code,
        }
    }

    /// The result document of `outcome`, with the warnings given so far.
    pub fn document<'a, R: VerbResult>(&self, outcome: &'a Outcome<R>) -> Envelope<'a, R> {
        let problem = match &outcome.ending {
            Ending::Failed(problem) => Some(problem),
            Ending::Done | Ending::Negative(_) => None,
        };
        self.envelope(R::KIND, &outcome.result, problem)
    }

    /// The same for fields of any kind, and `problem`, which ended the run.
    pub(crate) fn envelope<'a, R>(
        &self,
        kind: ResultKind,
        result: &'a R,
        problem: Option<&Problem>,
    ) -> Envelope<'a, R> {
        Envelope {
            api_version: API_VERSION,
            kind,
            result,
            warnings: self.warnings.borrow().clone(),
            error: problem.map(|problem| ErrorReport::new(problem, &self.invocation)),
        }
    }

    /// Why the answer could not be written, if it could not.
    pub fn lost(&self) -> Option<Problem> {
        self.streams.lost()
    }

    /// Prints an error and its hint on standard error, and returns its exit code.
    pub fn error(&self, problem: &Problem) -> u8 {
        let ErrorReport { message, hint, .. } = ErrorReport::new(problem, &self.invocation);
        self.streams
            .stderr(&format!("\u{1b}[1;31merror:\u{1b}[0m {message}"));
        if let Some(hint) = hint {
            self.streams
                .stderr(&format!("\u{1b}[36mhint:\u{1b}[0m {hint}"));
        }
        problem.code as u8
    }
}
