//! The effective configuration: the file, the drop-ins over it, the flags over both, then validation.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::fields::{self, Kind};
use super::flags::Flags;
use super::{klog, yaml};

const API_VERSION: &str = "kubelet.config.k8s.io/v1beta1";

/// What the stand-in kubelet acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletConfig {
    /// Whether its serving certificate comes from the cluster's CA.
    pub server_tls_bootstrap: bool,
    /// Where it serves TLS.
    pub address: String,
    /// The port for that.
    pub port: u16,
    /// Where it serves `/healthz`.
    pub healthz_bind_address: String,
    /// The port for that; 0: nowhere.
    pub healthz_port: u16,
    /// A certificate of the administrator's.
    pub tls_cert_file: Option<PathBuf>,
    /// Its key.
    pub tls_private_key_file: Option<PathBuf>,
    /// The CA of the clients that may ask it something.
    pub client_ca_file: Option<PathBuf>,
    /// The directory of its static Pods.
    pub static_pod_path: Option<PathBuf>,
    /// Feature gates that were set.
    pub feature_gates: BTreeMap<String, bool>,
}

/// The configuration of these flags, or the error with which the kubelet dies.
pub fn load(flags: &Flags) -> Result<KubeletConfig, String> {
    let mut object = match flags.get("config") {
        Some(path) => load_file(Path::new(path))?,
        None => Map::new(),
    };
    if let Some(dir) = flags.get("config-dir") {
        merge_drop_ins(&mut object, Path::new(dir))?;
    }
    let config = effective(&object, flags)?;
    validate(&config)?;
    Ok(config)
}

fn load_file(path: &Path) -> Result<Map<String, Value>, String> {
    let shown = path.display();
    let failed = |why: String| {
        format!(
            "failed to load kubelet config file, path: {shown}, error: failed to load Kubelet config file {shown}, error {why}"
        )
    };
    let bytes = fs::read(path).map_err(|e| {
        failed(format!(
            "failed to read kubelet config file {:?}, error: open {shown}: {}",
            path,
            go_error(&e)
        ))
    })?;
    if bytes.is_empty() {
        return Err(failed(format!("kubelet config file {path:?} was empty")));
    }
    decode(&bytes).map_err(|why| failed(format!("failed to decode: {why}")))
}

/// One file's bytes as the kubelet decodes them; the corpus judges this.
pub fn decode(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let (object, warnings) = to_object(bytes)?;
    check_kind(&object)?;
    let mut strict = warnings;
    for (field, value) in &object {
        match fields::kind_of(field) {
            Some(kind) => kind.check(field, value)?,
            None if matches!(field.as_str(), "apiVersion" | "kind") => {}
            None => strict.push(format!("unknown field {field:?}")),
        }
    }
    gates(&object)?;
    if !strict.is_empty() {
        let all = strict.join(", ");
        klog::warning(
            "codec.go:68",
            &format!(
                "lenient decoding of component config succeeded after strict decoding failed: strict decoding error: {all}"
            ),
        );
    }
    Ok(object)
}

fn to_object(bytes: &[u8]) -> Result<(Map<String, Value>, Vec<String>), String> {
    let no_kind = |e: String| format!("couldn't get version/kind; json parse error: {e}");
    let text = to_text(bytes).map_err(no_kind)?;
    let (value, warnings) = if text.trim_start().starts_with('{') {
        (
            serde_json::from_str(&text).map_err(|e| no_kind(e.to_string()))?,
            vec![],
        )
    } else {
        yaml::first_document(&text)
            .map_err(|e| no_kind(format!("error converting YAML to JSON: {e}")))?
    };
    match value {
        Value::Object(object) => Ok((object, warnings)),
        Value::Null => Ok((Map::new(), warnings)),
        _ => Err(no_kind("json: cannot unmarshal into Go value of type struct { APIVersion string; Kind string }".into())),
    }
}

fn to_text(bytes: &[u8]) -> Result<String, String> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest
            .chunks_exact(2)
            .map(|pair| unit([pair[0], pair[1]]))
            .collect();
        String::from_utf16(&units).map_err(|e| format!("yaml: {e}"))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8(bytes.to_vec())
            .map_err(|_| "yaml: invalid leading UTF-8 octet".into()),
    }
}

fn check_kind(object: &Map<String, Value>) -> Result<(), String> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
    let (version, kind) = (text("apiVersion"), text("kind"));
    let shown = || Value::Object(object.clone()).to_string();
    match (version, kind) {
        (API_VERSION, "KubeletConfiguration") => Ok(()),
        (_, "") => Err(format!("Object 'Kind' is missing in '{}'", shown())),
        ("", _) => Err(format!("Object 'apiVersion' is missing in '{}'", shown())),
        _ => Err(format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/kubelet/apis/config/scheme/scheme.go:33\""
        )),
    }
}

/// Files called `*.conf`, anywhere below, in lexical order; each a merge patch over what came before.
fn merge_drop_ins(object: &mut Map<String, Value>, dir: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    find_drop_ins(dir, &mut files).map_err(|e| {
        format!(
            "failed to merge kubelet configs: open {}: {}",
            dir.display(),
            go_error(&e)
        )
    })?;
    for file in files {
        let failed = |why: String| {
            format!(
                "failed to merge kubelet configs: failed to load kubelet dropin file, path: {}, error: {why}",
                file.display()
            )
        };
        let bytes = fs::read(&file).map_err(|e| failed(go_error(&e)))?;
        let (patch, duplicates) = to_object(&bytes).map_err(failed)?;
        if let Some(duplicate) = duplicates.first() {
            return Err(failed(format!("strict decoding error: {duplicate}")));
        }
        check_kind(&patch).map_err(failed)?;
        for (key, value) in patch {
            let field = fields::all()
                .find(|f| f.eq_ignore_ascii_case(&key))
                .unwrap_or(&key)
                .to_owned();
            if let Some(kind) = fields::kind_of(&field) {
                kind.check(&field, &value).map_err(failed)?;
            }
            crate::api::patch::merge(object.entry(field).or_insert(Value::Null), &value);
        }
    }
    Ok(())
}

fn find_drop_ins(dir: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir)?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            find_drop_ins(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "conf") {
            found.push(path);
        }
    }
    Ok(())
}

fn gates(object: &Map<String, Value>) -> Result<BTreeMap<String, bool>, String> {
    let Some(Value::Object(gates)) = object.get("featureGates") else {
        return Ok(BTreeMap::new());
    };
    let gate = |(name, value): (&String, &Value)| {
        Kind::Bool.check("featureGates", value)?;
        Ok((name.clone(), value.as_bool().unwrap_or_default()))
    };
    gates.iter().map(gate).collect()
}

fn effective(object: &Map<String, Value>, flags: &Flags) -> Result<KubeletConfig, String> {
    let text = |field: &str, flag: &str| {
        let from_file = object
            .get(field)
            .and_then(Value::as_str)
            .filter(|s| !s.is_empty());
        flags.get(flag).or(from_file).map(str::to_owned)
    };
    let port = |field: &str, flag: &str| -> Result<Option<u16>, String> {
        let from_file = object.get(field).and_then(Value::as_i64);
        let number = flags.get(flag).and_then(|p| p.parse().ok()).or(from_file);
        number.map(u16::try_from).transpose().map_err(|_| {
            format!("invalid configuration: {field} must be between 1 and 65535, inclusive")
        })
    };
    let mut feature_gates = gates(object)?;
    feature_gates.extend(flags.feature_gates()?);
    let from_file = object
        .get("serverTLSBootstrap")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    Ok(KubeletConfig {
        server_tls_bootstrap: flags
            .bool("rotate-server-certificates")?
            .unwrap_or(from_file),
        address: text("address", "address").unwrap_or_else(|| "0.0.0.0".into()),
        port: port("port", "port")?.filter(|p| *p > 0).unwrap_or(10250),
        healthz_bind_address: text("healthzBindAddress", "healthz-bind-address")
            .unwrap_or_else(|| "127.0.0.1".into()),
        healthz_port: port("healthzPort", "healthz-port")?.unwrap_or(10248),
        tls_cert_file: text("tlsCertFile", "tls-cert-file").map(PathBuf::from),
        tls_private_key_file: text("tlsPrivateKeyFile", "tls-private-key-file").map(PathBuf::from),
        client_ca_file: flags
            .get("client-ca-file")
            .or(object
                .get("authentication")
                .and_then(|all| all["x509"]["clientCAFile"].as_str()))
            .map(PathBuf::from),
        static_pod_path: text("staticPodPath", "pod-manifest-path").map(PathBuf::from),
        feature_gates,
    })
}

fn validate(config: &KubeletConfig) -> Result<(), String> {
    let gates = &config.feature_gates;
    let gate = gates
        .get("RotateKubeletServerCertificate")
        .or(gates.get("AllBeta"))
        .copied()
        .unwrap_or(true);
    if config.server_tls_bootstrap && !gate {
        return Err("failed to validate kubelet configuration, error: invalid configuration: serverTLSBootstrap true requires feature gate RotateKubeletServerCertificate".into());
    }
    Ok(())
}

/// Go's words for the errors that matter.
pub(crate) fn go_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::IsADirectory => "is a directory".into(),
        std::io::ErrorKind::AddrInUse => "bind: address already in use".into(),
        _ => error.to_string().to_lowercase(),
    }
}
