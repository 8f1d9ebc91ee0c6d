//! Where an administrator's access comes from: one kubeconfig, a merged list, or a pod's service account.

use std::path::{Path, PathBuf};

use crate::host::kube::HostSource;
use crate::host::{environment, files};

use super::{Config, Credential, KubeconfigError, Plugins, Reader, certificates, parse_all};

/// Where kubeadm leaves the administrator's kubeconfig on a control plane.
pub const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
/// Where the kubelet mounts a pod's service account
/// (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where the API server's address and the credential come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Kubeconfigs, of which those that do not exist are passed over unless none exists, and the context to take.
    Files {
        /// The files, the one that wins first.
        paths: Vec<PathBuf>,
        /// The context; none for the current one.
        context: Option<String>,
    },
    /// The service account of the pod that this runs in.
    ServiceAccount,
}

impl Source {
    /// One kubeconfig, at its current context.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::Files {
            paths: vec![path.into()],
            context: None,
        }
    }

    /// As kubectl finds it: the file that was named, else the list of `$KUBECONFIG`, else `~/.kube/config`, else the
    /// pod's service account, else kubeadm's `admin.conf`.
    pub fn of_administrator(named: Option<&Path>, context: Option<&str>) -> Self {
        let exists = |path: &PathBuf| files::is_symlink(path).is_some();
        let listed = environment::first_of(&["KUBECONFIG"]).unwrap_or_default();
        let mut listed = listed.split(':').filter(|path| !path.is_empty()).peekable();
        let home = environment::first_of(&["HOME"]);
        let home = home.map(|home| Path::new(&home).join(".kube/config"));
        let paths = if let Some(path) = named {
            vec![path.to_owned()]
        } else if listed.peek().is_some() {
            listed.map(PathBuf::from).collect()
        } else if let Some(path) = home.filter(exists) {
            vec![path]
        } else if pods_server().is_some() && exists(&Path::new(SERVICE_ACCOUNT).join("token")) {
            return Self::ServiceAccount;
        } else {
            vec![ADMIN_CONF.into()]
        };
        let context = context.map(str::to_owned);
        Self::Files { paths, context }
    }

    /// Whether one of its files exists.
    pub fn has_file(&self) -> bool {
        match self {
            Self::Files { paths, .. } => paths.iter().any(|path| files::is_symlink(path).is_some()),
            Self::ServiceAccount => false,
        }
    }

    /// The file to name where something is wrong.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Files { paths, .. } => paths.first().cloned().unwrap_or_default(),
            Self::ServiceAccount => SERVICE_ACCOUNT.into(),
        }
    }

    pub(in crate::host::kube) fn access(
        &self,
        plugins: Plugins,
    ) -> Result<Config, KubeconfigError> {
        match self {
            Self::Files { paths, context } => from_files(paths, context.as_deref(), plugins),
            Self::ServiceAccount => from_service_account(),
        }
    }
}

fn from_files(
    paths: &[PathBuf],
    context: Option<&str>,
    plugins: Plugins,
) -> Result<Config, KubeconfigError> {
    let mut reader = Reader::default();
    let mut read = Vec::new();
    let mut missing = None;
    for path in paths {
        match reader.read(path) {
            Ok(bytes) => read.push((bytes, path.parent().unwrap_or(Path::new("")))),
            Err(error) if error.cause.is_not_found() => {
                missing.get_or_insert(KubeconfigError::unreadable(None, &error));
            }
            Err(error) => return Err(KubeconfigError::unreadable(None, &error)),
        }
    }
    if let (Some(missing), true) = (missing, read.is_empty()) {
        return Err(missing);
    }
    parse_all(&read, context)?.access(plugins, paths, reader)
}

/// The API server's address as every pod has it.
fn pods_server() -> Option<http::Uri> {
    let host = environment::first_of(&["KUBERNETES_SERVICE_HOST"])?;
    let port = environment::first_of(&["KUBERNETES_SERVICE_PORT"])?;
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    format!("https://{host}:{port}").parse().ok()
}

fn from_service_account() -> Result<Config, KubeconfigError> {
    let server = pods_server().ok_or(KubeconfigError::Server("is not in the environment"))?;
    let mut reader = Reader::default();
    let mut read = |name: &'static str| reader.named(name, &Path::new(SERVICE_ACCOUNT).join(name));
    let credential = Credential {
        token: Some(String::from_utf8_lossy(&read("token")?).into_owned()),
        ..Credential::default()
    };
    Ok(Config {
        cluster_url: server,
        root_cert: Some(certificates(&read("ca.crt")?)?),
        tls_server_name: None,
        proxy_url: None,
        named: HostSource::Pod,
        authorization: credential.authorization()?,
        credential,
        files: reader.stamps(),
    })
}
