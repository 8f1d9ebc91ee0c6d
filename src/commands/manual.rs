//! `completions` and `man`: what packagers install beside the program, out of the same definition as `--help`.

use std::ffi::OsString;

use crate::cli::{self, pages, program};
use crate::report::{Code, Problem};

use super::Ui;

/// Prints the completion script of a shell. As a plug-in of kubectl, which completes plug-ins in its own way in every shell, it
/// prints the program that kubectl asks.
///
/// # Errors
/// When standard output does not take it.
pub(super) fn completions(
    arguments: &cli::Completions,
    typed: &[OsString],
    ui: &Ui,
) -> Result<(), Problem> {
    let mut script = Vec::new();
    let mut definition = program::command(&[]);
    if program::is_plug_in(typed) {
        let bash = clap_complete::Shell::Bash;
        clap_complete::generate(bash, &mut definition, program::NAME, &mut script);
        let text = String::from_utf8_lossy(&script).into_owned();
        return print(plug_in_completer(&text).as_bytes(), ui);
    }
    clap_complete::generate(arguments.shell, &mut definition, program::NAME, &mut script);
    print(&script, ui)
}

/// What `kubectl` runs to complete `kubectl kubelet-tls`: it gets the words after that, and prints the candidates, one a line,
/// then a directive (kubectl 1.26 and later; 4: no files unless asked).
fn plug_in_completer(bash: &str) -> String {
    format!(
        "#!/usr/bin/env bash\n\
         # Completes `kubectl kubelet-tls`: install it in PATH as the executable kubectl_complete-kubelet_tls.\n\
         {bash}\n\
         COMP_WORDS=(kubelet-tls \"$@\")\n\
         COMP_CWORD=$#\n\
         _kubelet-tls kubelet-tls \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\" :4\n"
    )
}

/// Prints a manual page, or the names of all.
///
/// # Errors
/// When no such page exists, or standard output does not take it.
pub(super) fn man(arguments: &cli::Man, ui: &Ui) -> Result<(), Problem> {
    let mut definition = program::command(&[]).disable_help_subcommand(true);
    // Gives every verb the options that all take, and the name of its page.
    definition.build();
    let all = pages::all(&definition);
    if ui.wants_names() {
        all.iter().for_each(|(name, _)| ui.bare_name(name));
        return Ok(());
    }
    let wanted = pages::name(&arguments.page);
    let Some((name, command)) = all.into_iter().find(|(name, _)| *name == wanted) else {
        let cause = format!(
            "cannot print {}: no such manual page",
            arguments.page.join(" ")
        );
        return Err(Problem::new(Code::Usage, cause).hint("kubelet-tls man -o name"));
    };
    let page = pages::render(&name, command)
        .map_err(|error| Problem::new(Code::Io, format!("cannot write -: {error}")))?;
    print(&page, ui)
}

/// Reports how one of them ended, and gives the exit code.
pub(super) fn ended(outcome: Result<(), Problem>, ui: &Ui) -> u8 {
    let problem = outcome.err().or_else(|| ui.lost());
    problem.map_or(0, |problem| ui.error(&problem))
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
