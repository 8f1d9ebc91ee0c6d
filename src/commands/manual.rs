//! `completions` and `man`: what packagers install beside the program, out of the same definition as `--help`.

use clap::{Command, CommandFactory as _};

use crate::cli::{self, Cli};
use crate::report::{Code, Problem};

use super::Ui;

const PROGRAM: &str = "kubelet-tls";

/// Prints the completion script of a shell.
///
/// # Errors
/// When standard output does not take it.
pub(super) fn completions(arguments: &cli::Completions, ui: &Ui) -> Result<(), Problem> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), PROGRAM, &mut script);
    print(&script, ui)
}

/// Prints a manual page, or the names of all.
///
/// # Errors
/// When there is no such page, or standard output does not take it.
pub(super) fn man(arguments: &cli::Man, ui: &Ui) -> Result<(), Problem> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Gives every verb the options that all take, and the name of its page.
    program.build();
    let mut pages = Vec::new();
    collect(&program, &mut pages);
    if ui.wants_names() {
        pages.iter().for_each(|(name, _)| ui.bare_name(name));
        return Ok(());
    }
    let page = pages.into_iter().find(|(name, _)| *name == arguments.page);
    let Some((_, command)) = page else {
        let cause = format!("cannot print {}: there is no such page", arguments.page);
        return Err(Problem::new(Code::Usage, cause).hint("kubelet-tls man -o name"));
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .source(format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")))
        .render(&mut text)
        .map_err(|error| Problem::new(Code::Io, format!("cannot write -: {error}")))?;
    print(&text, ui)
}

/// Reports how one of them ended, and gives the exit code.
pub(super) fn ended(outcome: Result<(), Problem>, ui: &Ui) -> u8 {
    match outcome.err().or_else(|| ui.lost()) {
        Some(problem) => {
            ui.error(&problem);
            problem.code as u8
        }
        None => 0,
    }
}

/// The pages of a command and of the verbs below it, by the names under which man(1) finds them.
fn collect<'a>(command: &'a Command, pages: &mut Vec<(String, &'a Command)>) {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    pages.push((name.to_owned(), command));
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    verbs.for_each(|verb| collect(verb, pages));
}

fn print(bytes: &[u8], ui: &Ui) -> Result<(), Problem> {
    match ui.result(bytes) {
        // A reader that went away wanted no more of it.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Problem::new(
            Code::Io,
            format!("cannot write standard output: {}", error.kind()),
        )),
        _ => Ok(()),
    }
}
