//! What people and scripts see: the answer on standard output; progress, warnings and errors on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use serde::Serialize;

use crate::cli::{Color, Format, Global};
use crate::host::{environment, trace};
use crate::node::conditions::Condition;
use crate::plan::Edit;
use crate::report::{
    API_VERSION, Code, Ending, Envelope, ErrorReport, Outcome, Problem, VerbResult,
};
use crate::text::hint::{Command, Invocation};

/// How often a wait is redrawn.
const TICK: Duration = Duration::from_millis(200);

/// The program's output, and the warnings that its result document gets. A stream that is closed (a lost session,
/// `| head`) does not stop a verb.
#[derive(Debug)]
pub struct Ui {
    /// The command line, for hints that repeat it.
    invocation: Invocation,
    format: Format,
    quiet: bool,
    verbose: bool,
    /// Whether standard output is a terminal, or was one before its session ended.
    terminal: bool,
    /// Whether Ansible runs the verb, which reads the document alone.
    silent: bool,
    /// The error of the last write to standard output that failed.
    lost: std::cell::RefCell<Option<std::io::Error>>,
    /// Whether a person watches standard error, so that a wait is shown.
    watched: bool,
    /// The wait that is shown on the terminal.
    wait: std::cell::RefCell<Option<ProgressBar>>,
    /// The warnings so far, for the result document.
    warnings: std::cell::RefCell<Vec<String>>,
    /// The edits that were shown, where Ansible asks.
    shown: std::cell::RefCell<Vec<Edit>>,
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
            invocation,
            format: options.output,
            quiet: options.quiet,
            verbose: options.verbose,
            terminal: std::io::stdout().is_terminal(),
            silent: false,
            lost: std::cell::RefCell::default(),
            watched: !options.quiet
                && std::io::stderr().is_terminal()
                && environment::first_of(&["TERM"]).is_some_and(|term| term != "dumb"),
            wait: std::cell::RefCell::default(),
            warnings: std::cell::RefCell::default(),
            shown: std::cell::RefCell::default(),
        }
    }

    /// Output for Ansible: nothing on standard error, and the caller prints the document.
    pub(crate) fn silent() -> Self {
        Self {
            invocation: Invocation::AnsibleTask,
            format: Format::Json,
            quiet: true,
            verbose: false,
            terminal: false,
            silent: true,
            lost: std::cell::RefCell::default(),
            watched: false,
            wait: std::cell::RefCell::default(),
            warnings: std::cell::RefCell::default(),
            shown: std::cell::RefCell::default(),
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
            self.to_stderr(text);
        }
    }

    /// Shows on a terminal what is waited for from now on, and for how long. It disappears while another line is printed,
    /// and for good with [`Self::waited`] or at the end.
    pub fn wait_for(&self, what: impl Into<String>) {
        if !self.watched {
            return;
        }
        let what = what.into();
        let mut wait = self.wait.borrow_mut();
        if let Some(bar) = wait.as_ref() {
            if bar.message() != what {
                bar.reset_elapsed();
                bar.set_message(what);
            }
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} waiting for {msg}: {elapsed}") {
            bar.set_style(style.tick_chars("-\\|/ "));
        }
        bar.set_message(what);
        bar.enable_steady_tick(TICK);
        *wait = Some(bar);
    }

    /// Removes what [`Self::wait_for`] shows.
    pub fn waited(&self) {
        if let Some(bar) = self.wait.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// Writes while no wait is shown on the terminal.
    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.wait.borrow().as_ref() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Prints a detail on standard error, with `--verbose` only.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.to_stderr(text);
        }
    }

    /// Prints a warning on standard error and puts it into the result document; one that was given already is not
    /// repeated.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&text) {
            self.print_warning(&text);
            warnings.push(text);
        }
    }

    /// Prints a warning of a program that keeps running: each time, and kept for no document.
    pub fn warn_each(&self, text: &str) {
        self.print_warning(text);
    }

    /// One record of an answer without end: a line of text, or an object a line.
    pub fn record(&self, text: &str, record: &impl Serialize) {
        match self.format {
            Format::Text => self.to_stdout(&format!("{text}\n")),
            Format::Json => {
                if let Ok(json) = serde_json::to_string(record) {
                    self.to_stdout(&format!("{json}\n"));
                }
            }
            Format::Yaml => {
                if let Ok(yaml) = serde_yaml::to_string(record) {
                    self.to_stdout(&format!("---\n{yaml}"));
                }
            }
            _ => {}
        }
    }

    fn print_warning(&self, text: &str) {
        self.to_stderr(&format!("\u{1b}[33mwarning:\u{1b}[0m {text}"));
    }

    /// Shows an edit: its unified diff, as the answer.
    pub fn show(&self, edit: &Edit) {
        if self.format == Format::Text {
            self.to_stdout(&colored(&edit.diff()));
        }
        if self.silent {
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
            let _ = self.aside(|| anstream::stderr().write_all(colored(diff).as_bytes()));
        }
    }

    /// Prints a table as the answer.
    pub fn table(&self, table: &str) {
        if self.format == Format::Text {
            self.to_stdout(table);
        }
    }

    /// Prints a name as the answer, at once.
    pub fn name(&self, name: &str) {
        if matches!(self.format, Format::Text | Format::Name) {
            self.to_stdout(&format!("{name}\n"));
        }
    }

    /// Prints a name with `-o name` only.
    pub fn bare_name(&self, name: &str) {
        if self.format == Format::Name {
            self.to_stdout(&format!("{name}\n"));
        }
    }

    /// Metrics, which only `-o prometheus` prints.
    pub fn metrics(&self, text: &str) {
        if self.format == Format::Prometheus {
            self.to_stdout(text);
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
        // Not through anstream: the result is bytes, not text with colors.
        self.aside(|| {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        })
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
            self.to_stdout(&text);
        }
        match &outcome.ending {
            Ending::Failed(problem) => self.error(problem),
            Ending::Negative(Some(text)) => self.say(text),
            Ending::Done | Ending::Negative(None) => {}
        }
        let code = match &outcome.ending {
            Ending::Done => 0,
            Ending::Negative(_) => Code::Negative as u8,
            Ending::Failed(problem) => problem.code as u8,
        };
        match self.lost() {
            // The exit code is about the node, and 74 says that it is unchanged.
            Some(problem) if code == 0 && outcome.result.has_changed_something() => {
                self.print_warning(&format!("{}; the change is in place", problem.message()));
                code
            }
            Some(problem) if code <= Code::Negative as u8 => {
                self.error(&problem);
                problem.code as u8
            }
            _ => code,
        }
    }

    /// The result document of `outcome`, with the warnings given so far.
    pub fn document<'a, R: VerbResult>(&self, outcome: &'a Outcome<R>) -> Envelope<'a, R> {
        Envelope {
            api_version: API_VERSION,
            kind: outcome.result.kind(),
            result: &outcome.result,
            warnings: self.warnings.borrow().clone(),
            error: match &outcome.ending {
                Ending::Failed(problem) => Some(ErrorReport::new(problem, &self.invocation)),
                Ending::Done | Ending::Negative(_) => None,
            },
        }
    }

    /// Prints an error and its hint on standard error.
    pub fn error(&self, problem: &Problem) {
        let ErrorReport { message, hint, .. } = ErrorReport::new(problem, &self.invocation);
        self.to_stderr(&format!("\u{1b}[1;31merror:\u{1b}[0m {message}"));
        if let Some(hint) = hint {
            self.to_stderr(&format!("\u{1b}[36mhint:\u{1b}[0m {hint}"));
        }
    }

    /// Why the answer could not be written, if it could not. A reader that went away is not an error: a closed pipe, or a
    /// terminal whose session ended, which fails with EIO.
    pub fn lost(&self) -> Option<Problem> {
        let error = self.lost.borrow_mut().take()?;
        let hung_up = self.terminal && error.raw_os_error() == Some(nix::errno::Errno::EIO as i32);
        let gone = hung_up || error.kind() == std::io::ErrorKind::BrokenPipe;
        (!gone).then(|| {
            Problem::new(
                Code::Io,
                format!("cannot write standard output: {}", error.kind()),
            )
        })
    }

    fn to_stdout(&self, text: &str) {
        let written = self.aside(|| {
            let mut stdout = anstream::stdout();
            stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush())
        });
        if let Err(error) = written {
            *self.lost.borrow_mut() = Some(error);
        }
    }

    fn to_stderr(&self, text: &str) {
        if !self.silent {
            let _ = self.aside(|| writeln!(anstream::stderr(), "{text}"));
        }
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        self.waited();
    }
}

/// The document as JSON or YAML; `None` for the other formats.
fn written<R: Serialize>(format: Format, document: &Envelope<'_, R>) -> Option<String> {
    match format {
        Format::Json => serde_json::to_string_pretty(document)
            .map(|text| text + "\n")
            .ok(),
        Format::Yaml => serde_yaml::to_string(document).ok(),
        Format::Text | Format::Name | Format::Prometheus => None,
    }
}

/// Prints the document of a verb that did not begin, because the command line is wrong.
pub(crate) fn document_only<R: VerbResult>(format: Format, result: &R, error: ErrorReport) {
    let document = Envelope {
        api_version: API_VERSION,
        kind: result.kind(),
        result,
        warnings: Vec::new(),
        error: Some(error),
    };
    if let Some(text) = written(format, &document) {
        let _ = anstream::stdout().write_all(text.as_bytes());
    }
}

/// Colors a diff as git does; anstream removes the colors where they are not wanted.
fn colored(diff: &str) -> String {
    let mut text = String::with_capacity(diff.len() + 64);
    for (number, line) in diff.split_inclusive('\n').enumerate() {
        let color = match line.as_bytes().first() {
            _ if number < 2 => "1",
            Some(b'+') => "32",
            Some(b'-') => "31",
            Some(b'@') => "36",
            _ => {
                text.push_str(line);
                continue;
            }
        };
        let (body, end) = line
            .strip_suffix("\r\n")
            .map(|body| (body, "\r\n"))
            .unwrap_or_else(|| {
                line.strip_suffix('\n')
                    .map_or((line, ""), |body| (body, "\n"))
            });
        text.push_str(&format!("\u{1b}[{color}m{body}\u{1b}[0m{end}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_around_lines_and_not_into_line_ends() {
        let diff = "--- a\n+++ a\n@@ -1 +1 @@\n-x\r\n+y\n same\n";
        assert_eq!(
            colored(diff),
            "\u{1b}[1m--- a\u{1b}[0m\n\u{1b}[1m+++ a\u{1b}[0m\n\u{1b}[36m@@ -1 +1 @@\u{1b}[0m\n\u{1b}[31m-x\u{1b}[0m\r\n\u{1b}[32m+y\u{1b}[0m\n same\n"
        );
    }
}
