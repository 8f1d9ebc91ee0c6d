//! Creates a CSR with the node's own credential and waits until it is decided.

use std::time::Instant;

use http::Method;
use k8s_openapi::ByteString;
use serde_json::json;

use crate::csr::{FetchedRequest, KUBELET_SERVING};
use crate::text::names::is_csr_name;

use super::connection::REQUESTS;
use super::error::existing;
use super::{Api, ApiError};

/// The three usages that every signer accepts; without key encipherment only those from 1.25 on do (kubelet-facts, 3).
const USAGES: [&str; 3] = ["digital signature", "key encipherment", "server auth"];

impl Api {
    /// Creates the request of a PKCS#10 request in PEM, named by the server as a kubelet's is. Not repeated: an attempt
    /// of which nothing was heard may have created it.
    ///
    /// # Errors
    /// The server's, or that nothing came of it until `end`.
    pub fn create_request(&self, pkcs10: &str, end: Instant) -> Result<FetchedRequest, ApiError> {
        let object = json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"generateName": "csr-"},
            "spec": {
                "request": ByteString(pkcs10.as_bytes().to_vec()),
                "signerName": KUBELET_SERVING,
                "usages": USAGES,
            },
        });
        let object = object.to_string();
        let connection = &self.connection;
        self.once(end, async {
            let created = connection.write(Method::POST, REQUESTS, object.as_bytes());
            self.held(&created.await?)
        })
    }

    /// The request `name`; `None` if it does not exist. Failed attempts are repeated until `end`.
    ///
    /// # Errors
    /// As [`Self::requests`].
    pub fn request(&self, name: &str, end: Instant) -> Result<Option<FetchedRequest>, ApiError> {
        let connection = &self.connection;
        // The API server gives no object such a name.
        if !is_csr_name(name) {
            return Ok(None);
        }
        let path = format!("{REQUESTS}/{name}");
        let attempt = || async { self.held(&connection.object(&path).await?) };
        existing(self.runtime.block_on(connection.repeat(end, attempt)))
    }

    fn held(&self, bytes: &[u8]) -> Result<FetchedRequest, ApiError> {
        let connection = &self.connection;
        let held = FetchedRequest::read(bytes).map_err(|error| connection.invalid(error))?;
        held.ok_or_else(|| connection.invalid("a request of another signer"))
    }
}
