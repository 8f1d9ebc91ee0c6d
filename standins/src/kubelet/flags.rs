//! The command line, as pflag reads it.

use std::collections::BTreeMap;

/// The flags that were given, by their names with dashes; of several the last.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    values: BTreeMap<String, String>,
    /// Every occurrence of `--feature-gates`: they add up.
    gates: Vec<String>,
}

impl Flags {
    /// Parses what follows the program's name.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else {
                return Err(format!("unknown command {arg:?}"));
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let name = name.replace('_', "-");
            let is_bool = BOOLS.contains(&name.as_str());
            if !is_bool && !STRINGS.contains(&name.as_str()) {
                return Err(format!(
                    "failed to parse kubelet flag: unknown flag: --{name}"
                ));
            }
            let value = match value {
                Some(value) => value,
                None if is_bool => "true".into(),
                None => args
                    .next()
                    .ok_or(format!(
                        "failed to parse kubelet flag: flag needs an argument: --{name}"
                    ))?
                    .clone(),
            };
            if is_bool && name != "version" {
                parse_bool(&name, &value)?;
            }
            if name == "feature-gates" {
                flags.gates.push(value.clone());
            }
            flags.values.insert(name, value);
        }
        Ok(flags)
    }

    /// The value of a flag.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of a boolean flag.
    pub fn bool(&self, name: &str) -> Result<Option<bool>, String> {
        self.get(name)
            .map(|value| parse_bool(name, value))
            .transpose()
    }

    /// `--feature-gates=A=true,B=false`
    pub fn feature_gates(&self) -> Result<BTreeMap<String, bool>, String> {
        let all = self
            .gates
            .iter()
            .flat_map(|g| g.split(','))
            .map(str::trim)
            .filter(|g| !g.is_empty());
        all.map(|gate| {
            let (name, value) = gate
                .split_once('=')
                .ok_or(format!("missing bool value for {gate}"))?;
            Ok((
                name.trim().to_owned(),
                parse_bool("feature-gates", value.trim())?,
            ))
        })
        .collect()
    }
}

/// Go's `strconv.ParseBool`.
fn parse_bool(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!(
            "failed to parse kubelet flag: invalid argument {value:?} for \"--{name}\" flag: strconv.ParseBool: parsing {value:?}: invalid syntax"
        )),
    }
}

const BOOLS: &[&str] = &[
    "version",
    "help",
    "rotate-server-certificates",
    "rotate-certificates",
    "register-node",
    "fail-swap-on",
    "anonymous-auth",
    "authentication-token-webhook",
    "cgroups-per-qos",
    "enable-server",
    "exit-on-lock-contention",
    "protect-kernel-defaults",
    "make-iptables-util-chains",
    "register-schedulable",
    "runonce",
    "seccomp-default",
    "serialize-image-pulls",
    "logtostderr",
    "alsologtostderr",
    "enable-debugging-handlers",
    "cpu-cfs-quota",
    "enable-controller-attach-detach",
    "fail-cgroupv1",
];

const STRINGS: &[&str] = &[
    "config",
    "config-dir",
    "kubeconfig",
    "bootstrap-kubeconfig",
    "feature-gates",
    "hostname-override",
    "cert-dir",
    "node-ip",
    "tls-cert-file",
    "tls-private-key-file",
    "address",
    "port",
    "healthz-port",
    "healthz-bind-address",
    "read-only-port",
    "cloud-provider",
    "cloud-config",
    "provider-id",
    "container-runtime",
    "container-runtime-endpoint",
    "image-service-endpoint",
    "network-plugin",
    "cni-bin-dir",
    "cni-conf-dir",
    "pod-infra-container-image",
    "node-labels",
    "register-with-taints",
    "root-dir",
    "v",
    "vmodule",
    "cgroup-driver",
    "cgroup-root",
    "kubelet-cgroups",
    "runtime-cgroups",
    "system-cgroups",
    "cluster-dns",
    "cluster-domain",
    "authorization-mode",
    "client-ca-file",
    "resolv-conf",
    "max-pods",
    "pod-manifest-path",
    "eviction-hard",
    "eviction-soft",
    "kube-reserved",
    "system-reserved",
    "allowed-unsafe-sysctls",
    "log-dir",
    "logging-format",
    "log-flush-frequency",
    "streaming-connection-idle-timeout",
    "tls-cipher-suites",
    "tls-min-version",
    "image-gc-high-threshold",
    "image-gc-low-threshold",
    "image-credential-provider-config",
    "image-credential-provider-bin-dir",
    "lock-file",
    "node-status-update-frequency",
    "volume-plugin-dir",
    "hairpin-mode",
    "kube-api-qps",
    "kube-api-burst",
    "enforce-node-allocatable",
    "sync-frequency",
    "pod-cidr",
    "topology-manager-policy",
    "cpu-manager-policy",
    "event-qps",
    "event-burst",
    "oom-score-adj",
];
