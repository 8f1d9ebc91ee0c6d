//! The little of Kubernetes' protobuf encoding that `kubectl` insists on: it approves and asks "may I?" in it.

use serde_json::{Map, Value};

use super::http::Request;
use super::status::Status;

/// Precedes every object.
const MAGIC: &[u8] = b"k8s\0";

/// A message's fields by number; those not named are left out.
type Schema = &'static [(u64, &'static str, Kind)];

enum Kind {
    Text,
    Message(Schema),
    List(Schema),
}

/// `runtime.Unknown`, which holds the object.
const RAW: u64 = 2;

const CSR: Schema = &[
    (
        1,
        "metadata",
        Kind::Message(&[(1, "name", Kind::Text), (6, "resourceVersion", Kind::Text)]),
    ),
    (
        3,
        "status",
        Kind::Message(&[(
            1,
            "conditions",
            Kind::List(&[
                (1, "type", Kind::Text),
                (2, "reason", Kind::Text),
                (3, "message", Kind::Text),
                (6, "status", Kind::Text),
            ]),
        )]),
    ),
];

const ACCESS_REVIEW: Schema = &[(
    2,
    "spec",
    Kind::Message(&[(
        1,
        "resourceAttributes",
        Kind::Message(&[
            (1, "namespace", Kind::Text),
            (2, "verb", Kind::Text),
            (3, "group", Kind::Text),
            (5, "resource", Kind::Text),
            (6, "subresource", Kind::Text),
            (7, "name", Kind::Text),
        ]),
    )]),
)];

/// The body as JSON, whichever way it is written.
pub(crate) fn body(request: &Request) -> Result<Value, Status> {
    let content_type = request.header("content-type").unwrap_or("application/json");
    match content_type.split(';').next().unwrap_or_default() {
        "application/json" => serde_json::from_slice(&request.body)
            .map_err(|e| Status::bad_request(format!("the object provided is unrecognized: {e}"))),
        "application/vnd.kubernetes.protobuf" => {
            let schema = if request.path.contains("accessreview") {
                ACCESS_REVIEW
            } else {
                CSR
            };
            let object = request.body.strip_prefix(MAGIC).and_then(|unknown| {
                let raw = fields(unknown)?
                    .into_iter()
                    .find(|(number, _)| *number == RAW)?;
                decode(raw.1, schema)
            });
            object.ok_or_else(|| {
                Status::bad_request("provided data does not appear to be a protobuf message")
            })
        }
        other => Err(Status::unsupported_media_type(other)),
    }
}

fn decode(bytes: &[u8], schema: Schema) -> Option<Value> {
    let mut object = Map::new();
    for (number, content) in fields(bytes)? {
        let Some((_, name, kind)) = schema.iter().find(|(n, ..)| *n == number) else {
            continue;
        };
        match kind {
            Kind::Text => {
                object.insert((*name).into(), String::from_utf8_lossy(content).into());
            }
            Kind::Message(schema) => {
                object.insert((*name).into(), decode(content, schema)?);
            }
            Kind::List(schema) => {
                let list = object.entry(*name).or_insert_with(|| Value::Array(vec![]));
                list.as_array_mut()?.push(decode(content, schema)?);
            }
        }
    }
    Some(Value::Object(object))
}

/// The length-delimited fields of a message; numbers are passed over.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        match tag & 7 {
            0 => {
                varint(&mut bytes)?;
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(length)?;
                all.push((tag >> 3, content));
                bytes = rest;
            }
            _ => return None,
        }
    }
    Some(all)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
