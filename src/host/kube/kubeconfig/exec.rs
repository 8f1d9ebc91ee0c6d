//! Exec credential plug-ins, by the protocol of `client.authentication.k8s.io`
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).
//!
//! A plug-in is a program that the kubeconfig names, so it is run for administrators' verbs alone, and never as root.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where credential plug-ins are run"
)]

use std::io::{self, IsTerminal as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::json;
use serde_yaml::Value;

use crate::host::{clock, run};
use crate::x509::pem::{base64, encode_all};

use super::error::{KubeconfigError, PluginFailure};
use super::{Config, Credential, Plugins};

/// Long enough to log in with a browser.
const DEADLINE: Duration = Duration::from_secs(120);

/// `users[].user.exec`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Plugin {
    api_version: Option<String>,
    #[serde(default)]
    command: String,
    args: Option<Vec<String>>,
    env: Option<Vec<Variable>>,
    #[serde(default)]
    provide_cluster_info: bool,
    interactive_mode: Option<InteractiveMode>,
    #[serde(rename = "installHint")]
    _install_hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
enum InteractiveMode {
    Never,
    IfAvailable,
    Always,
}

/// What a plug-in prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: String,
    kind: String,
    status: Option<CredentialStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialStatus {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Timestamp>,
}

/// Runs the plug-in and returns the credential that it prints.
pub(super) fn credential(
    plugin: &Value,
    directory: &Path,
    config: &Config,
    plugins: Plugins,
) -> Result<Credential, KubeconfigError> {
    match plugins {
        Plugins::Refuse => return Err(KubeconfigError::ExecOnNode),
        Plugins::RunUnlessRoot if nix::unistd::geteuid().is_root() => {
            return Err(KubeconfigError::ExecAsRoot);
        }
        Plugins::RunUnlessRoot => {}
    }
    let plugin = Plugin::deserialize(plugin).map_err(|_| KubeconfigError::Type {
        section: "user",
        field: "exec",
        expected: "an exec plug-in",
    })?;
    plugin
        .credential(directory, config)
        .map_err(KubeconfigError::Plugin)
}

impl Plugin {
    fn credential(&self, directory: &Path, config: &Config) -> Result<Credential, PluginFailure> {
        let version = self.api_version.as_deref().unwrap_or_default();
        let (group, version_name) = version.split_once('/').unwrap_or_default();
        if group != "client.authentication.k8s.io" || !["v1", "v1beta1"].contains(&version_name) {
            return Err(PluginFailure::Version);
        }
        let is_terminal = io::stdin().is_terminal();
        // v1beta1 has no mode: IfAvailable is its default.
        let mode = self
            .interactive_mode
            .unwrap_or(InteractiveMode::IfAvailable);
        if mode == InteractiveMode::Always && !is_terminal {
            return Err(PluginFailure::NoTerminal);
        }
        let is_interactive = is_terminal && mode != InteractiveMode::Never;
        let output = self.run(directory, version, config, is_interactive)?;
        parse(&output, version, clock::timestamp())
    }

    fn run(
        &self,
        directory: &Path,
        version: &str,
        config: &Config,
        is_interactive: bool,
    ) -> Result<Vec<u8>, PluginFailure> {
        let started = |error: io::Error| PluginFailure::Start(error.kind().to_string());
        let (stdout, printed) = run::drain().map_err(started)?;
        let mut command = Command::new(self.program(directory)?);
        for Variable { name, value } in self.env.iter().flatten() {
            command.env(name, value);
        }
        // A group of its own, so that what it starts ends with it; one that asks on the terminal must stay in the
        // terminal's group.
        if !is_interactive {
            command.process_group(0);
        }
        let mut child = command
            .args(self.args.iter().flatten())
            .env(
                "KUBERNETES_EXEC_INFO",
                self.info(version, config, is_interactive),
            )
            .stdin(if is_interactive {
                Stdio::inherit()
            } else {
                Stdio::null()
            })
            .stdout(stdout)
            // It asks and explains there.
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(started)?;
        // The plug-in has the pipe now, and nothing else: its end is the end of the output.
        drop(command);
        let end = Instant::now() + DEADLINE;
        let late = || PluginFailure::Deadline(DEADLINE.as_secs());
        let status = run::wait(&mut child, end).map_err(started);
        let status = status.and_then(|status| status.ok_or_else(late));
        if status.is_err() {
            end_all(&mut child, is_interactive);
        }
        let status = status?;
        if !status.success() {
            return Err(PluginFailure::Failed(status.to_string()));
        }
        let left = end.saturating_duration_since(Instant::now());
        match printed.recv_timeout(left) {
            Ok(bytes) => bytes.map_err(started),
            Err(_) => {
                // It has ended, and a process that it started holds its standard output.
                end_all(&mut child, is_interactive);
                Err(late())
            }
        }
    }

    /// A name is looked for on the PATH, a relative path begins at the kubeconfig.
    fn program(&self, directory: &Path) -> Result<PathBuf, PluginFailure> {
        match self.command.as_str() {
            "" => Err(PluginFailure::NoCommand),
            name if name.contains('/') => Ok(directory.join(name)),
            name => Ok(PathBuf::from(name)),
        }
    }

    /// What `KUBERNETES_EXEC_INFO` tells the plug-in.
    fn info(&self, version: &str, config: &Config, is_interactive: bool) -> String {
        let mut spec = json!({ "interactive": is_interactive });
        if self.provide_cluster_info {
            let mut cluster = json!({ "server": config.cluster_url.to_string() });
            if let Some(roots) = &config.root_cert {
                let pem = encode_all(roots);
                cluster["certificate-authority-data"] = base64(pem.as_bytes()).into();
            }
            if let Some(name) = &config.tls_server_name {
                cluster["tls-server-name"] = name.as_str().into();
            }
            spec["cluster"] = cluster;
        }
        json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec }).to_string()
    }
}

/// Kills the plug-in, and what it has started where it has a group of its own.
fn end_all(child: &mut Child, is_interactive: bool) {
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    if let (Ok(group), false) = (group, is_interactive) {
        let _ = killpg(group, Signal::SIGKILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads what a plug-in printed; `now` is for the credential's expiry.
fn parse(output: &[u8], version: &str, now: Timestamp) -> Result<Credential, PluginFailure> {
    let printed: ExecCredential =
        serde_json::from_slice(output).map_err(|_| PluginFailure::Output)?;
    if printed.kind != "ExecCredential" || printed.api_version != version {
        return Err(PluginFailure::Output);
    }
    let status = printed.status.ok_or(PluginFailure::Output)?;
    if status.expiration_timestamp.is_some_and(|end| end <= now) {
        return Err(PluginFailure::Expired);
    }
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let credential = Credential {
        certificate: text(status.client_certificate_data).map(String::into_bytes),
        key: text(status.client_key_data).map(String::into_bytes),
        token: text(status.token),
    };
    // A certificate without its key proves nothing.
    if credential.is_empty() || credential.certificate.is_some() != credential.key.is_some() {
        return Err(PluginFailure::Output);
    }
    Ok(credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plug_in_prints_a_token_or_a_pair() {
        let version = "client.authentication.k8s.io/v1";
        let now = "2029-01-01T00:00:00Z".parse().unwrap();
        let printed = |status: serde_json::Value| {
            let text = json!({"apiVersion": version, "kind": "ExecCredential", "status": status});
            parse(text.to_string().as_bytes(), version, now)
        };
        let token = printed(json!({"token": "abc", "expirationTimestamp": "2030-01-01T00:00:00Z"}));
        assert_eq!(token.unwrap().token.as_deref(), Some("abc"));
        let pair = printed(json!({"clientCertificateData": "C", "clientKeyData": "K"})).unwrap();
        assert_eq!(
            (pair.certificate, pair.key),
            (Some(b"C".to_vec()), Some(b"K".to_vec()))
        );
        for odd in [
            json!({}),
            json!({"token": ""}),
            json!({"clientCertificateData": "C"}),
        ] {
            assert_eq!(printed(odd).err(), Some(PluginFailure::Output));
        }
        let expired = json!({"token": "abc", "expirationTimestamp": "2029-01-01T00:00:00Z"});
        assert_eq!(printed(expired).err(), Some(PluginFailure::Expired));
        let no_time = json!({"token": "abc", "expirationTimestamp": "soon"});
        assert_eq!(printed(no_time).err(), Some(PluginFailure::Output));
        let other = br#"{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{"token":"abc"}}"#;
        assert_eq!(
            parse(other, version, now).err(),
            Some(PluginFailure::Output)
        );
    }
}
