//! The stand-in kubelet's loader against what the real one made of every file of the corpus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;

use kubelet_tls_standins::kubelet::config;
use serde_json::Value;

#[test]
fn the_stand_in_loads_what_the_kubelet_loads() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/corpus");
    let cases: Vec<Value> =
        serde_json::from_slice(&fs::read(corpus.join("cases.json")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let file = case["file"].as_str().unwrap();
        let loaded = config::decode(&fs::read(corpus.join(file)).unwrap());
        let wanted = &case["kubelet"];
        let on = loaded.as_ref().ok().map(|o| {
            o.get("serverTLSBootstrap")
                .and_then(Value::as_bool)
                .unwrap_or(false)
        });
        if on.is_some() != wanted["loads"].as_bool().unwrap()
            || on != wanted["serverTLSBootstrap"].as_bool()
        {
            wrong.push(format!("{file}: {wanted}, but {:?}", loaded.map(|_| on)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
