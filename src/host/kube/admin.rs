//! The API server with an administrator's credential, which belongs to no node.

use std::path::PathBuf;
use std::time::Instant;

use http::{Method, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::connection::{Connection, OBJECT_CAP};
use super::kubeconfig::{Credential, KubeconfigError, Plugins, Source};
use super::{Api, ApiError, Unreachable, connect};

/// How many objects a page has, as kubectl asks for them.
pub(super) const PAGE: usize = 500;
/// A page over this many bytes is asked for again with half as many objects; normal ones have one megabyte.
const PAGE_CAP: usize = 4 * OBJECT_CAP;

/// What a page of a list holds.
pub(super) struct Objects<T> {
    pub(super) items: Vec<T>,
    /// Where the next page goes on; empty at the end.
    pub(super) next: String,
    /// `metadata.resourceVersion` of the list.
    pub(super) revision: String,
}

/// What a page of a list was.
pub(super) enum Page<T> {
    /// Its objects.
    Objects(Objects<T>),
    /// Too large to be held.
    TooLarge,
    /// What it was to go on from is gone.
    Expired,
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
        self.0.again().map(Self)
    }

    /// The files that certificates, keys and tokens were read from.
    pub fn credential_files(&self) -> &[PathBuf] {
        &self.0.files
    }

    /// The API server's address as the kubeconfig has it.
    pub fn server(&self) -> &Uri {
        &self.0.connection.config.cluster_url
    }

    /// That an answer is not what the API answers.
    pub fn invalid(&self, reason: &str) -> ApiError {
        self.0.connection.invalid(reason)
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
            ..
        } = &self.0;
        runtime.block_on(connection.repeat(end, || connection.object(client, path)))
    }

    /// The objects of a list, page by page, gathered into a `C` by `take`; only the current page is held. When the list
    /// expires on the way it begins anew, once, and what was gathered is forgotten. Failed attempts are repeated until
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
        match self.pages(path, &take, end)? {
            Some(gathered) => Ok(gathered),
            None => self.pages(path, &take, end)?.ok_or_else(|| {
                let reason = "a list expires before it is read to its end";
                self.0
                    .connection
                    .unreachable(Unreachable::Other(reason.to_owned()))
            }),
        }
    }

    /// None when the list expired.
    fn pages<T: DeserializeOwned, C: Default>(
        &self,
        path: &str,
        take: &impl Fn(&mut C, T),
        end: Instant,
    ) -> Result<Option<C>, ApiError> {
        let Api {
            connection,
            runtime,
            client,
            ..
        } = &self.0;
        let (mut gathered, mut from, mut limit) = (C::default(), String::new(), PAGE);
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let on = if from.is_empty() {
                String::new()
            } else {
                format!("&continue={}", escaped(&from))
            };
            let target = format!("{path}{separator}limit={limit}{on}");
            match runtime.block_on(connection.repeat(end, || page(connection, client, &target)))? {
                Page::Objects(Objects { items, next, .. }) => {
                    items.into_iter().for_each(|one| take(&mut gathered, one));
                    if next.is_empty() {
                        return Ok(Some(gathered));
                    }
                    from = next;
                    limit = (limit * 2).min(PAGE);
                }
                Page::TooLarge if limit > 1 => limit /= 2,
                Page::TooLarge => return Err(connection.invalid("an object never ends")),
                Page::Expired => return Ok(None),
            }
        }
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
            ..
        } = &self.0;
        runtime.block_on(connection.repeat(end, || async {
            let answer = connection.send(client, Method::PUT, path, object).await?;
            connection.whole(answer.into_body()).await
        }))
    }
}

/// Reads one page of a list.
pub(super) async fn page<T: DeserializeOwned>(
    connection: &Connection,
    client: &kube::Client,
    target: &str,
) -> Result<Page<T>, ApiError> {
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct List<T> {
        metadata: Option<Meta>,
        // Go writes a nil slice as null; a list without any is none.
        #[serde(deserialize_with = "Option::deserialize")]
        items: Option<Vec<T>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Meta {
        #[serde(rename = "continue")]
        next: Option<String>,
        resource_version: Option<String>,
    }
    let body = match connection.get(client, target).await {
        Ok(body) => body,
        Err(error) if error.is_gone() && target.contains("&continue=") => return Ok(Page::Expired),
        Err(error) => return Err(error),
    };
    let Some(bytes) = connection.capped(body, PAGE_CAP).await? else {
        return Ok(Page::TooLarge);
    };
    let list: List<T> =
        serde_json::from_slice(&bytes).map_err(|error| connection.invalid(error.to_string()))?;
    let (next, revision) = list
        .metadata
        .map(|meta| (meta.next, meta.resource_version))
        .unwrap_or_default();
    Ok(Page::Objects(Objects {
        items: list.items.unwrap_or_default(),
        next: next.unwrap_or_default(),
        revision: revision.unwrap_or_default(),
    }))
}

/// A value in a query: what is not unreserved (RFC 3986, 2.3) in percent.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
