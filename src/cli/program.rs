//! What the program is called: `kubelet-tls`, or `kubectl kubelet-tls` where kubectl runs it as a plug-in.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _, FromArgMatches as _};

use super::{Cli, ClusterVerb, Format, Verb};

/// The program's own name, and that of its crate.
pub(crate) const NAME: &str = "kubelet-tls";
/// The file under which kubectl finds it; a dash in a plug-in's name is an underscore in the file's.
const PLUG_IN: &str = "kubectl-kubelet_tls";

/// Whether kubectl runs the program as a plug-in, by the name that it was called with.
pub(crate) fn is_plug_in(arguments: &[OsString]) -> bool {
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    name.is_some_and(|name| name == PLUG_IN)
}

/// The command line's definition, with the name that people type.
pub(crate) fn command(arguments: &[OsString]) -> Command {
    let name = if is_plug_in(arguments) {
        "kubectl kubelet-tls"
    } else {
        NAME
    };
    Cli::command().bin_name(name)
}

/// Reads the command line.
///
/// # Errors
/// clap's, without the advice to pass an unknown option as a value (`use '-- --yes'`): no FILE is called so.
pub fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut definition = command(arguments);
    let matches = definition.try_get_matches_from_mut(arguments);
    let parsed = matches.and_then(|mut matches| {
        Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut definition))
    });
    let parsed = parsed.map_err(without_value_tip)?;
    let has_metrics = match &parsed.verb {
        Verb::Status(_) => true,
        Verb::Cluster(cluster) => matches!(cluster.verb, ClusterVerb::Status(_)),
        _ => false,
    };
    if parsed.global.output == Format::Prometheus && !has_metrics {
        let text = "only status and cluster status print metrics (-o prometheus)";
        return Err(definition.error(ErrorKind::InvalidValue, text));
    }
    Ok(parsed)
}

fn without_value_tip(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::StyledStrs(tips)) = error.remove(ContextKind::Suggested) else {
        return error;
    };
    let is_useful = |tip: &clap::builder::StyledStr| !tip.to_string().contains("-- ");
    let useful: Vec<_> = tips.into_iter().filter(is_useful).collect();
    if !useful.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(useful));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(words: &[&str]) -> String {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&words).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_option_is_not_a_value() {
        let told = error(&["kubelet-tls", "apply", "--yes"]);
        assert!(told.contains("unexpected argument '--yes'"), "{told}");
        assert!(!told.contains("tip:"), "{told}");
        let near = error(&["kubelet-tls", "apply", "--dryrun"]);
        assert!(
            near.contains("--dry-run") && !near.contains("-- --"),
            "{near}"
        );
        assert!(error(&["kubelet-tls", "aply"]).contains("'apply'"));
    }

    #[test]
    fn only_the_verbs_about_a_state_print_metrics() {
        let told = error(&["kubelet-tls", "apply", "-o", "prometheus"]);
        assert!(told.contains("only status and cluster status"), "{told}");
        for words in [&["status"][..], &["cluster", "status"]] {
            let mut all = vec!["kubelet-tls", "-o", "prometheus"];
            all.extend(words);
            let words: Vec<OsString> = all.iter().map(OsString::from).collect();
            assert!(parse(&words).is_ok());
        }
    }

    #[test]
    fn usage_says_how_it_was_called() {
        assert!(
            error(&["/usr/bin/kubelet-tls", "apply", "--yes"]).contains("Usage: kubelet-tls apply")
        );
        let plug_in = error(&["/usr/bin/kubectl-kubelet_tls", "apply", "--yes"]);
        assert!(
            plug_in.contains("Usage: kubectl kubelet-tls apply"),
            "{plug_in}"
        );
    }
}
