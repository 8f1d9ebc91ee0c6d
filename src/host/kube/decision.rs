//! Decides a request as it was judged: reads it, judges it, and writes it as it was read with one more condition.

use std::time::Instant;

use serde_json::{Value, json};

use super::admin::escaped;
use super::connection::REQUESTS;
use super::error::existing;
use super::{Admin, ApiError};
use crate::csr::{Request, State};
use crate::host::clock;

/// How often a request may be changed by others between its reading and its writing.
const CONFLICTS: usize = 5;

/// A condition to add to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionCondition {
    /// `Approved`, with this message.
    Approved(String),
    /// `Denied`, with this message.
    Denied(String),
}

/// What came of deciding a request.
#[derive(Debug)]
pub enum DecisionOutcome<T> {
    /// The condition was added to what was judged.
    Written,
    /// It was left as it is.
    Stopped(T),
    /// No request of that name and uid exists any more.
    Missing,
    /// Others kept changing it.
    Busy,
}

impl DecisionCondition {
    fn to_json(&self) -> Value {
        let (kind, reason, message) = match self {
            Self::Approved(message) => ("Approved", "KubeletTLSApprove", message),
            Self::Denied(message) => ("Denied", "KubeletTLSDeny", message),
        };
        let now = clock::timestamp()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        json!({
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastUpdateTime": now, "lastTransitionTime": now,
        })
    }
}

impl Admin {
    /// One request; none where no request has that name.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn signing_request(&self, name: &str, end: Instant) -> Result<Option<Request>, ApiError> {
        Ok(self
            .request_and_object(name, end)?
            .map(|(request, _)| request))
    }

    /// Decides the request `name`, which was seen with this `uid`: reads it, asks `judge` which condition to add to it as it
    /// is, or why to leave it as it is, and writes that with the resourceVersion that was read. The API server takes it only
    /// if the request still reads so; otherwise it is read and judged again, a few times. Safe beside other approvers.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn decide<T>(
        &self,
        (name, uid): (&str, &str),
        judge: impl Fn(&Request) -> Result<DecisionCondition, T>,
        end: Instant,
    ) -> Result<DecisionOutcome<T>, ApiError> {
        let path = format!("{REQUESTS}/{}/approval", escaped(name));
        for _ in 0..CONFLICTS {
            let Some((request, mut object)) = self.request_and_object(name, end)? else {
                return Ok(DecisionOutcome::Missing);
            };
            if request.uid != uid {
                return Ok(DecisionOutcome::Missing);
            }
            let condition = match judge(&request) {
                Ok(condition) => condition.to_json(),
                Err(reason) => return Ok(DecisionOutcome::Stopped(reason)),
            };
            match &mut object["status"]["conditions"] {
                Value::Array(all) => all.push(condition),
                other => *other = json!([condition]),
            }
            match self.put(&path, object.to_string().as_bytes(), end) {
                Ok(answer) => {
                    return match serde_json::from_slice::<Request>(&answer) {
                        Ok(now) if now.state != State::Pending => Ok(DecisionOutcome::Written),
                        _ => Err(self
                            .0
                            .connection
                            .invalid("the answer does not have the decision")),
                    };
                }
                Err(error) if error.is_conflict() => {}
                Err(error) if error.is_not_found() => return Ok(DecisionOutcome::Missing),
                Err(error) => return Err(error),
            }
        }
        Ok(DecisionOutcome::Busy)
    }

    fn request_and_object(
        &self,
        name: &str,
        end: Instant,
    ) -> Result<Option<(Request, Value)>, ApiError> {
        let path = format!("{REQUESTS}/{}", escaped(name));
        let Some(bytes) = existing(self.get(&path, end))? else {
            return Ok(None);
        };
        let invalid = |error: serde_json::Error| self.0.connection.invalid(error);
        let object: Value = serde_json::from_slice(&bytes).map_err(invalid)?;
        let request: Request = serde_json::from_slice(&bytes).map_err(invalid)?;
        Ok(Some((request, object)))
    }
}
