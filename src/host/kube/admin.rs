//! The API server with an administrator's credential, which belongs to no node.

use std::time::Instant;

use http::{Method, Uri};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::connection::{Connection, OBJECT_CAP};
use super::event::is_revision;
use super::kubeconfig::{Credential, KubeconfigError, Plugins, Source};
use super::list::{HELD, Part};
use super::{Api, ApiError, connect};

/// The longest page that is held, in bytes; normal ones have one megabyte.
const PAGE_CAP: usize = 4 * OBJECT_CAP;

/// What a page of a list holds.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// `metadata.resourceVersion` of the list.
    pub(super) revision: String,
}

/// The API server with an administrator's credential.
pub struct Admin(pub(super) Api);

impl Admin {
    /// Reads the credential and prepares a connection; nothing is sent yet. An exec plug-in is run, unless by root.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used, holds no credential, impersonates, or switches verification off.
    pub fn open(source: &Source) -> Result<Self, ApiError> {
        let has_credential = |credential: &Credential| match credential.is_empty() {
            true => Err(KubeconfigError::NoCredential),
            false => Ok(String::new()),
        };
        connect(source, Plugins::RunUnlessRoot, has_credential).map(Self)
    }

    /// Another connection with the same credential, for another thread.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn again(&self) -> Result<Self, ApiError> {
        self.0.connection.again().map(Self)
    }

    /// Whether a file that the credential was read from has changed since, or one that did not exist does.
    pub fn has_changed_files(&self) -> bool {
        let files = &self.0.connection.config.files;
        files.iter().any(|file| !file.is_current())
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
    /// The last attempt's, or the first that asking again does not fix.
    pub fn get(&self, path: &str, end: Instant) -> Result<Vec<u8>, ApiError> {
        let Api {
            connection,
            runtime,
        } = &self.0;
        runtime.block_on(connection.repeat(end, || connection.object(path)))
    }

    /// The objects of a list, page by page, gathered into a `C` by `take`; only the current page is held. When the list
    /// expires on the way it is read again from its first page, once, and what was gathered is forgotten. Failed attempts are repeated until
    /// `end`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn list<T: DeserializeOwned, C: Default>(
        &self,
        path: &str,
        take: impl Fn(&mut C, T),
        end: Instant,
    ) -> Result<C, ApiError> {
        let Api {
            connection,
            runtime,
        } = &self.0;
        let read = async |target: &str| page(connection, target).await;
        let take = |gathered: &mut C, objects: Page<T>| {
            objects
                .items
                .into_iter()
                .for_each(|one| take(gathered, one));
            Ok(())
        };
        runtime.block_on(connection.pages(path, HELD, end, read, take))
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
        } = &self.0;
        let attempt = || connection.write(Method::PUT, path, object);
        runtime.block_on(connection.repeat(end, attempt))
    }
}

/// Reads one page of a list.
pub(super) async fn page<T: DeserializeOwned>(
    connection: &Connection,
    target: &str,
) -> Result<Part<Page<T>>, ApiError> {
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct List<T> {
        metadata: Option<ListMeta>,
        // Go writes a nil slice as null. A list without the field is not a list.
        #[serde(deserialize_with = "Option::deserialize")]
        items: Option<Vec<T>>,
    }
    let body = connection.get(target).await?;
    let Some(bytes) = connection.capped(body, PAGE_CAP).await? else {
        return Ok(Part::TooLarge);
    };
    let list: List<T> =
        serde_json::from_slice(&bytes).map_err(|error| connection.invalid(error))?;
    let metadata = list.metadata.unwrap_or_default();
    // An API server sends one with every list. A list without it comes from something else, and may lack anything.
    let revision = metadata
        .resource_version
        .filter(|revision| is_revision(revision))
        .ok_or_else(|| connection.invalid("a list without resourceVersion"))?;
    let objects = Page {
        items: list.items.unwrap_or_default(),
        revision,
    };
    let next = metadata.continue_.unwrap_or_default();
    Ok(Part::Read(objects, next))
}

/// A segment of a path or a value in a query, with all that is not unreserved (RFC 3986, 2.3) percent-encoded: names and
/// tokens come from a server.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// All but letters, digits and the four unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_change_a_path() {
        assert_eq!(escaped("worker-1.example"), "worker-1.example");
        assert_eq!(escaped("../x?y=ä&~_"), "..%2Fx%3Fy%3D%C3%A4%26~_");
    }
}
