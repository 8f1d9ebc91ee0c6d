//! The API server with an administrator's credential, which belongs to no node.

use std::path::Path;
use std::time::Instant;

use http::{Method, Uri};
use kube::config::AuthInfo;

use super::{Api, ApiError, connect};

/// The API server with an administrator's credential.
pub struct Admin(Api);

impl Admin {
    /// Reads the kubeconfig at `path` and prepares a connection; nothing is sent yet. A client certificate, a token and
    /// a token file are credentials; plug-ins are not run.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used, says how to get a credential instead of holding one, or switches verification off.
    pub fn open(path: &Path) -> Result<Self, ApiError> {
        connect(path, |user| check(user).map(|()| String::new())).map(Self)
    }

    /// The API server's address as the kubeconfig has it.
    pub fn server(&self) -> &Uri {
        &self.0.connection.config.cluster_url
    }

    /// The cluster's CA certificates in DER, from the kubeconfig.
    pub fn roots(&self) -> &[Vec<u8>] {
        self.0.roots()
    }

    /// One object as JSON, whole; failed attempts are repeated until `end`.
    ///
    /// # Errors
    /// The last attempt's, or the first that asking again does not mend.
    pub fn get(&self, path: &str, end: Instant) -> Result<Vec<u8>, ApiError> {
        let Api {
            connection,
            runtime,
            client,
        } = &self.0;
        runtime.block_on(connection.repeat(end, || connection.object(client, path)))
    }

    /// Puts `object`, which carries the resourceVersion that was read, in the place of the one at `path`, and returns what
    /// it is then. Failed attempts are repeated until `end`: one that was carried out after all makes the next a conflict.
    ///
    /// # Errors
    /// As [`Self::get`]; [`ApiError::is_conflict`] when the object was changed since.
    pub fn put(&self, path: &str, object: &[u8], end: Instant) -> Result<Vec<u8>, ApiError> {
        let Api {
            connection,
            runtime,
            client,
        } = &self.0;
        runtime.block_on(connection.repeat(end, || async {
            let answer = connection.send(client, Method::PUT, path, object).await?;
            connection.whole(answer.into_body()).await
        }))
    }
}

/// Refuses a credential that would be got by running a program, or that is another's.
fn check(user: &AuthInfo) -> Result<(), String> {
    if user.exec.is_some() {
        return Err("its user is an exec plug-in, and none is run here; take a kubeconfig with a client certificate or a token".into());
    }
    if user.auth_provider.is_some() {
        return Err("its user is an auth-provider, and none is run here; take a kubeconfig with a client certificate or a token".into());
    }
    if user.impersonate.is_some() || user.impersonate_groups.is_some() {
        return Err("its user impersonates another, which is not done here".into());
    }
    let certificate = user.client_certificate.is_some() || user.client_certificate_data.is_some();
    if certificate || user.token.is_some() || user.token_file.is_some() {
        Ok(())
    } else {
        Err("its user has no client certificate and no token".into())
    }
}
