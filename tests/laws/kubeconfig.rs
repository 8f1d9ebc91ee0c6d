//! The laws of reading a kubeconfig: what is wrong with it is said in words of the program's own, none of the file's.

use kubelet_tls::host::kube::kubeconfig::parse;

use crate::law::Broken;

/// All that is ever said, but for the numbers of a line and a column.
const SAID: [&str; 21] = [
    "it is no kubeconfig",
    "it is no kubeconfig at line , column ",
    "it has no current-context",
    "its current-context is none of its contexts",
    "the cluster of its current-context is none of its clusters",
    "insecure-skip-tls-verify is set, and what an unverified server says is not believed",
    "the server's address is not https",
    "server: invalid uri character",
    "server: invalid format",
    "server: invalid authority",
    "server: empty string",
    "server: invalid scheme",
    "the port in the server's address is no number",
    "the server's address has a user or a password in it",
    "server: invalid port",
    "server: scheme missing",
    "server: scheme too long",
    "server: authority missing",
    "server: path missing",
    "server: path does not start with slash",
    "server: uri too long",
];

/// Reads `bytes`.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Broken> {
    match parse(bytes) {
        Ok(parsed) => {
            law!(parsed.server.scheme_str() == Some("https"));
            let authority = parsed.server.authority().map_or("", |host| host.as_str());
            law!(!authority.contains('@'), "{authority}");
            law!(parsed.cluster.insecure_skip_tls_verify != Some(true));
        }
        Err(error) => {
            let words: String = error.chars().filter(|c| !c.is_ascii_digit()).collect();
            law!(
                !words.is_empty() && SAID.contains(&words.as_str()),
                "{error:?}"
            );
        }
    }
    Ok(())
}
