//! `schema`: the JSON Schemas of the result documents.
//!
//! They are made from the result types by a test, which also checks that `docs/schema/` has them as they are:
//! `UPDATE_SCHEMAS=1 cargo test --lib schemas` writes them.

use clap::ValueEnum as _;

use crate::cli;
use crate::report::{Code, Problem, ResultKind};

use super::Ui;

/// The schema of this kind of result document.
fn shipped(kind: ResultKind) -> &'static str {
    use ResultKind::*;
    match kind {
        DiffResult => include_str!("../../docs/schema/DiffResult.json"),
        ApplyResult => include_str!("../../docs/schema/ApplyResult.json"),
        StatusResult => include_str!("../../docs/schema/StatusResult.json"),
        CsrResult => include_str!("../../docs/schema/CsrResult.json"),
        RollbackResult => include_str!("../../docs/schema/RollbackResult.json"),
        ApproveResult => include_str!("../../docs/schema/ApproveResult.json"),
        ClusterResult => include_str!("../../docs/schema/ClusterResult.json"),
        ClusterStatusResult => include_str!("../../docs/schema/ClusterStatusResult.json"),
        ApiServerResult => include_str!("../../docs/schema/ApiServerResult.json"),
        ApiServerStatusResult => include_str!("../../docs/schema/ApiServerStatusResult.json"),
        ApiServerApplyResult => include_str!("../../docs/schema/ApiServerApplyResult.json"),
        ApiServerRollbackResult => include_str!("../../docs/schema/ApiServerRollbackResult.json"),
        MetricsServerResult => include_str!("../../docs/schema/MetricsServerResult.json"),
    }
}

/// Prints the schema of one kind of document, or with `-o name` the names of all kinds.
///
/// # Errors
/// [`Code::Usage`] when no document has that kind; [`Code::Io`] when standard output does not take it.
pub(crate) fn run(arguments: &cli::Schema, ui: &Ui) -> Result<(), Problem> {
    if ui.wants_names() {
        let kinds = ResultKind::value_variants().iter();
        kinds.for_each(|kind| ui.bare_name(&kind.to_string()));
        return Ok(());
    }
    let Some(wanted) = &arguments.kind else {
        return Err(
            Problem::new(Code::Usage, "cannot print a schema: KIND is missing")
                .hint("kubelet-tls schema -o name"),
        );
    };
    let mut kinds = ResultKind::value_variants().iter();
    let Some(kind) = kinds.find(|kind| kind.to_string() == *wanted) else {
        return Err(Problem::new(
            Code::Usage,
            format!("cannot print a schema: no result document has the kind {wanted:?}"),
        )
        .hint("kubelet-tls schema -o name"));
    };
    ui.result(shipped(*kind).as_bytes())
        .map_err(|error| Problem::of(Code::Io, error).context("cannot write standard output"))
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "a test reads and writes the files in docs/schema"
)]
mod tests {
    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;
    use serde::Serialize;
    use serde_json::Value;

    use super::*;
    use crate::commands::approve::ApproveResult;
    use crate::commands::metrics_server::MetricsServerResult;
    use crate::report::{
        ApiServerApplyResult, ApiServerResult, ApiServerRollbackResult, ApiServerStatusResult,
        ApplyResult, ClusterResult, ClusterStatusResult, CsrResult, DiffResult, Envelope,
        RollbackResult, StatusResult,
    };

    /// The registry: which type is the result of which kind of document.
    fn schema(kind: ResultKind) -> Value {
        match kind {
            ResultKind::DiffResult => of::<DiffResult>(kind),
            ResultKind::ApplyResult => of::<ApplyResult>(kind),
            ResultKind::StatusResult => of::<StatusResult>(kind),
            ResultKind::CsrResult => of::<CsrResult>(kind),
            ResultKind::RollbackResult => of::<RollbackResult>(kind),
            ResultKind::ApproveResult => of::<ApproveResult>(kind),
            ResultKind::ClusterResult => of::<ClusterResult>(kind),
            ResultKind::ClusterStatusResult => of::<ClusterStatusResult>(kind),
            ResultKind::ApiServerResult => of::<ApiServerResult>(kind),
            ResultKind::ApiServerStatusResult => of::<ApiServerStatusResult>(kind),
            ResultKind::ApiServerApplyResult => of::<ApiServerApplyResult>(kind),
            ResultKind::ApiServerRollbackResult => of::<ApiServerRollbackResult>(kind),
            ResultKind::MetricsServerResult => of::<MetricsServerResult>(kind),
        }
    }

    fn of<R: JsonSchema + Serialize + 'static>(kind: ResultKind) -> Value {
        let generator = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let schema = generator.into_root_schema_for::<Envelope<'static, R>>();
        let mut schema = serde_json::to_value(schema).unwrap();
        let name = kind.to_string();
        schema["title"] = name.as_str().into();
        schema["properties"]["kind"] = serde_json::json!({ "const": name });
        schema["properties"]["apiVersion"] =
            serde_json::json!({ "const": crate::report::API_VERSION });
        // The document of a verb that could not begin, because its command line is wrong, has nothing of the verb's.
        let envelope = ["apiVersion", "kind", "warnings"];
        let required = schema["required"].as_array().unwrap().iter();
        let (common, own): (Vec<_>, Vec<_>) = required.cloned().partition(|field| {
            field
                .as_str()
                .is_some_and(|field| envelope.contains(&field))
        });
        schema["required"] = common.into();
        if !own.is_empty() {
            schema["anyOf"] = serde_json::json!([{ "required": own }, { "required": ["error"] }]);
        }
        if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
            definitions.remove("ResultKind");
        }
        schema
    }

    #[test]
    fn the_schemas_in_docs_are_those_of_the_result_types() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
        let updates = std::env::var_os("UPDATE_SCHEMAS").is_some();
        for kind in ResultKind::value_variants() {
            let shipped = shipped(*kind);
            let text = serde_json::to_string_pretty(&schema(*kind)).unwrap() + "\n";
            if updates {
                std::fs::write(directory.join(format!("{kind}.json")), &text).unwrap();
            } else {
                assert_eq!(
                    text, shipped,
                    "{kind}: UPDATE_SCHEMAS=1 cargo test --lib schemas writes it"
                );
            }
        }
    }
}
