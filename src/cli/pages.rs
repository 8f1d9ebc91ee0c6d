//! The manual pages: each command's own help, and what only a manual has: exit status, files, environment, examples.

use clap::{Arg, ArgAction, Command};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::program::NAME;

/// What a verb exits with besides 0, by the names of pages for which it holds; the first name that a page begins with counts.
const NEGATIVE: [(&str, &str); 5] = [
    ("kubelet-tls-cluster-diff", "There are differences."),
    ("kubelet-tls-diff", "There are differences."),
    ("kubelet-tls-status", "A condition is not True."),
    (
        "kubelet-tls-csr",
        "The node has no kubelet-serving CSR, or with --check a name differs.",
    ),
    (
        "kubelet-tls-metrics-server",
        "With --check: a condition is not True.",
    ),
];

const EXIT_STATUS: [(&str, &str); 9] = [
    ("0", "Done, or nothing to do."),
    (
        "1",
        "diff: there are differences. status: a condition is not True. csr: no CSR exists.",
    ),
    ("64", "The command line is wrong. Nothing was touched."),
    (
        "65",
        "An input was refused: not YAML, ambiguous, or not what it should be. Nothing was touched.",
    ),
    (
        "69",
        "systemd or the API server cannot be reached, or refused.",
    ),
    ("74", "Reading or writing failed. The file is as before."),
    (
        "75",
        "Timed out, or another kubelet-tls is running. The message says what state the node is in.",
    ),
    (
        "77",
        "Not permitted: not root, or the API server said Forbidden.",
    ),
    (
        "78",
        "Refused, because the change would have no effect or would break the kubelet; or the kubelet was not healthy and \
         the change was rolled back; or a request was not approved.",
    ),
];

const FILES: [(&str, &str); 7] = [
    (
        "/var/lib/kubelet/config.yaml",
        "The kubelet's configuration, where its --config names no other file.",
    ),
    (
        "/var/lib/kubelet/pki/kubelet-server-current.pem",
        "The kubelet's serving certificate and key, a symlink.",
    ),
    (
        "/var/lib/kubelet-tls/",
        "The receipt of the last apply on this node, which rollback undoes.",
    ),
    (
        "~/.local/state/kubelet-tls/",
        "The receipt of the last cluster apply of a user who is not root.",
    ),
    (
        "/etc/kubernetes/kubelet.conf",
        "The kubelet's kubeconfig, which the node's verbs use.",
    ),
    (
        "/etc/kubernetes/admin.conf",
        "The administrator's kubeconfig, where KUBECONFIG is not set.",
    ),
    (
        "/usr/share/doc/kubelet-tls/docs/schema/",
        "JSON Schemas of the documents of -o json; kubelet-tls schema prints them too.",
    ),
];

const ENVIRONMENT: [(&str, &str); 5] = [
    (
        "KUBECONFIG",
        "The kubeconfig of the verbs for administrators.",
    ),
    ("HTTPS_PROXY, NO_PROXY", "A proxy to the API server."),
    (
        "XDG_STATE_HOME",
        "Where the receipt of cluster apply is kept, for a user who is not root.",
    ),
    ("NO_COLOR", "If set, no colors."),
    (
        "CLICOLOR_FORCE",
        "If set, colors even where standard output is not a terminal.",
    ),
];

/// The pages of a built command and of the verbs below it, by the names under which man(1) finds them.
pub(crate) fn all(command: &Command) -> Vec<(String, &Command)> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    std::iter::once((name.to_owned(), command))
        .chain(verbs.flat_map(all))
        .collect()
}

/// The name of the page that these words ask for: `apply`, `cluster apply` and `kubelet-tls-cluster-apply` alike.
pub(crate) fn name(words: &[String]) -> String {
    let name = words.join("-");
    if name.is_empty() || name == NAME {
        NAME.to_owned()
    } else if name.starts_with("kubelet-tls-") {
        name
    } else {
        format!("{NAME}-{name}")
    }
}

/// One page, in roff.
///
/// # Errors
/// None in practice: writing into memory does not fail.
pub(crate) fn render(name: &str, command: &Command) -> std::io::Result<Vec<u8>> {
    let (examples, plain) = split_examples(command);
    let man = clap_mangen::Man::new(plain).source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut usage = Roff::new();
    usage.control("SH", ["SYNOPSIS"]).text(synopsis(command));
    usage.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|verb| !verb.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    let negative = NEGATIVE.iter().find(|(verb, _)| name.starts_with(verb));
    let statuses = EXIT_STATUS.iter().filter_map(|(code, meaning)| {
        let own = negative.map(|(_, meaning)| *meaning);
        match (*code, name == NAME) {
            ("1", false) => own.map(|meaning| ("1", meaning)),
            _ => Some((*code, *meaning)),
        }
    });
    let mut rest = Roff::new();
    table(&mut rest, "EXIT STATUS", statuses);
    table(&mut rest, "FILES", FILES);
    table(&mut rest, "ENVIRONMENT", ENVIRONMENT);
    rest.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in examples.lines() {
        rest.text([roman(line)]);
    }
    rest.control("fi", []);
    rest.to_writer(&mut page)?;
    Ok(page)
}

/// The command line: each option with its value, first the verb's own, then those that every verb has.
fn synopsis(command: &Command) -> Vec<Inline> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut line = vec![bold(name)];
    let of_group = |group: &clap::ArgGroup| -> Vec<&Arg> {
        let members = group.get_args();
        members
            .filter_map(|member| command.get_arguments().find(|arg| arg.get_id() == member))
            .collect()
    };
    let groups: Vec<_> = command
        .get_groups()
        .filter(|group| group.is_required_set())
        .map(of_group)
        .filter(|members| !members.is_empty())
        .collect();
    let is_grouped = |arg: &Arg| {
        let mut members = groups.iter().flatten();
        members.any(|member| member.get_id() == arg.get_id())
    };
    let mut single: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !is_grouped(arg))
        .collect();
    single.sort_by_key(|arg| {
        let is_help = matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpLong);
        (arg.is_positional(), arg.is_global_set() || is_help)
    });
    for arg in single {
        let (open, close) = if arg.is_required_set() {
            ("", "")
        } else {
            ("[", "]")
        };
        line.push(roman(format!(" {open}")));
        line.extend(argument(arg));
        line.push(roman(close));
    }
    for members in &groups {
        for (number, member) in members.iter().enumerate() {
            line.push(roman(if number == 0 { " {" } else { " | " }));
            line.extend(argument(member));
        }
        line.push(roman("}"));
    }
    if command.get_subcommands().any(|verb| !verb.is_hide_set()) {
        line.extend([roman(" "), italic("COMMAND")]);
    }
    line
}

/// An option with its value, or a positional argument; with dots where it may be given again.
fn argument(arg: &Arg) -> Vec<Inline> {
    let mut words = Vec::new();
    let (short, long) = (arg.get_short(), arg.get_long());
    words.extend(short.map(|short| bold(format!("-{short}"))));
    if short.is_some() && long.is_some() {
        words.push(roman("|"));
    }
    words.extend(long.map(|long| bold(format!("--{long}"))));
    let takes_value = arg.is_positional() || arg.get_action().takes_values();
    for value in arg.get_value_names().unwrap_or_default() {
        if takes_value {
            words.push(roman(if words.is_empty() { "" } else { " " }));
            words.push(italic(value.as_str()));
        }
    }
    if matches!(arg.get_action(), ArgAction::Append) {
        words.push(roman("..."));
    }
    words
}

fn table<'a>(roff: &mut Roff, title: &str, rows: impl IntoIterator<Item = (&'a str, &'a str)>) {
    roff.control("SH", [title]);
    for (term, meaning) in rows {
        roff.control("TP", [])
            .text([bold(term)])
            .text([roman(meaning)]);
    }
}

/// The examples of a command, and the command without them and without what else follows its help.
fn split_examples(command: &Command) -> (String, Command) {
    let after = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    let after = after.map(ToString::to_string).unwrap_or_default();
    let mut sections = after.split("\n\n");
    let examples = sections.find_map(|section| section.strip_prefix("Examples:\n"));
    let plain = command.clone().after_help("").after_long_help("");
    (examples.unwrap_or_default().to_owned(), plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_named_in_three_ways() {
        let name = |words: &[&str]| {
            name(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(name(&[]), "kubelet-tls");
        assert_eq!(name(&["kubelet-tls"]), "kubelet-tls");
        assert_eq!(name(&["apply"]), "kubelet-tls-apply");
        assert_eq!(name(&["cluster", "apply"]), "kubelet-tls-cluster-apply");
        assert_eq!(name(&["kubelet-tls-apply"]), "kubelet-tls-apply");
    }
}
