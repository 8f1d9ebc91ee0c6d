//! The API's errors: `kind: Status`.

use serde::Serialize;

use super::http::Response;

/// An error of the API, in the words of the real one.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Box<Details>>,
    pub(crate) code: u16,
}

#[derive(Clone, Debug, Serialize)]
struct Empty {}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

/// What an error is about.
#[derive(Clone, Copy)]
pub(crate) struct Resource<'a> {
    pub(crate) group: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) name: &'a str,
}

impl Resource<'_> {
    fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.into()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    fn details(&self) -> Details {
        Details {
            name: self.name.into(),
            group: self.group.into(),
            kind: self.plural.into(),
            ..Details::default()
        }
    }
}

impl Status {
    fn new(
        code: u16,
        reason: &'static str,
        message: impl Into<String>,
        details: Option<Details>,
    ) -> Self {
        Self {
            kind: "Status",
            api_version: "v1",
            metadata: Empty {},
            status: if code < 400 { "Success" } else { "Failure" },
            message: message.into(),
            reason,
            details: details.map(Box::new),
            code,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message, None)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized", None)
    }

    /// `verb` may have a subresource behind it: `update` on `certificatesigningrequests/approval`.
    pub(crate) fn forbidden(
        user: &str,
        verb: &str,
        resource: Resource<'_>,
        scope: &str,
        why: &str,
    ) -> Self {
        let plural = resource.plural.split('/').next().unwrap_or_default();
        let named = Resource { plural, ..resource };
        let name = if resource.name.is_empty() {
            String::new()
        } else {
            format!(" {:?}", resource.name)
        };
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        let message = format!(
            "{}{name} is forbidden: User {user:?} cannot {verb} resource {:?} in API group {:?} {scope}{why}",
            named.qualified(),
            resource.plural,
            resource.group,
        );
        Self::new(403, "Forbidden", message, Some(named.details()))
    }

    pub(crate) fn refused_by_admission(resource: Resource<'_>, why: &str) -> Self {
        let message = format!(
            "{} {:?} is forbidden: {why}",
            resource.qualified(),
            resource.name
        );
        Self::new(403, "Forbidden", message, Some(resource.details()))
    }

    pub(crate) fn forbidden_path(user: &str, verb: &str, path: &str) -> Self {
        let message = format!("forbidden: User {user:?} cannot {verb} path {path:?}");
        Self::new(403, "Forbidden", message, Some(Details::default()))
    }

    pub(crate) fn not_found(resource: Resource<'_>) -> Self {
        let message = format!("{} {:?} not found", resource.qualified(), resource.name);
        Self::new(404, "NotFound", message, Some(resource.details()))
    }

    pub(crate) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(404, "NotFound", message, Some(Details::default()))
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message, Some(Details::default()))
    }

    pub(crate) fn already_exists(resource: Resource<'_>) -> Self {
        let message = format!(
            "{} {:?} already exists",
            resource.qualified(),
            resource.name
        );
        Self::new(409, "AlreadyExists", message, Some(resource.details()))
    }

    pub(crate) fn conflict(resource: Resource<'_>) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {:?}: the object has been modified; please apply your changes to the latest version and try again",
            resource.qualified(),
            resource.name,
        );
        Self::new(409, "Conflict", message, Some(resource.details()))
    }

    pub(crate) fn continue_expired() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
        Self::new(410, "Expired", message, None)
    }

    pub(crate) fn too_old(version: u64, oldest: u64) -> Self {
        Self::new(
            410,
            "Expired",
            format!("too old resource version: {version} ({oldest})"),
            None,
        )
    }

    pub(crate) fn unsupported_media_type(got: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: application/json, application/merge-patch+json, application/strategic-merge-patch+json (got {got:?})"
        );
        Self::new(415, "UnsupportedMediaType", message, None)
    }

    pub(crate) fn invalid(kind: &str, resource: Resource<'_>, why: &str) -> Self {
        let dotted = match resource.group {
            "" => String::new(),
            group => format!(".{group}"),
        };
        let message = format!("{kind}{dotted} {:?} is invalid: {why}", resource.name);
        let details = Details {
            kind: kind.into(),
            ..resource.details()
        };
        Self::new(422, "Invalid", message, Some(details))
    }

    pub(crate) fn invalid_options(why: &str) -> Self {
        let details = Details {
            group: "meta.k8s.io".into(),
            kind: "ListOptions".into(),
            ..Details::default()
        };
        let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {why}");
        Self::new(422, "Invalid", message, Some(details))
    }

    /// The API server as a proxy could not reach what is behind it.
    pub(crate) fn unreachable(why: &str) -> Self {
        Self::new(503, "ServiceUnavailable", why, None)
    }

    pub(crate) fn internal(why: &str) -> Self {
        Self::new(500, "", why, None)
    }

    pub(crate) fn deleted(resource: Resource<'_>, uid: &str) -> Self {
        let details = Details {
            uid: uid.into(),
            ..resource.details()
        };
        Self::new(200, "", "", Some(details))
    }

    /// The error a fault asks for, as the real server words it.
    pub(crate) fn of_code(code: u16, retry_after: Option<u32>) -> Self {
        let details = Some(Details {
            retry_after_seconds: retry_after,
            ..Details::default()
        });
        match code {
            401 => Self::unauthorized(),
            403 => Self::new(403, "Forbidden", "forbidden by the test", details),
            404 => Self::no_such_path(),
            409 => Self::new(
                409,
                "Conflict",
                "the object has been modified; please apply your changes to the latest version and try again",
                details,
            ),
            410 => Self::new(
                410,
                "Expired",
                "The resourceVersion for the provided list is too old.",
                None,
            ),
            429 => Self::new(
                429,
                "TooManyRequests",
                "Too many requests, please try again later.",
                details,
            ),
            503 => Self::new(
                503,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
                details,
            ),
            504 => Self::new(
                504,
                "Timeout",
                "Timeout: request did not complete within the allotted timeout",
                details,
            ),
            _ => Self::new(
                code,
                "InternalError",
                "Internal error occurred: etcdserver: request timed out",
                details,
            ),
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap()
    }
}

impl From<Status> for Response {
    fn from(status: Status) -> Self {
        Self {
            code: status.code,
            ..Self::json(status.json())
        }
    }
}
