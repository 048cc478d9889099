//! Whether an answer is one that `/openapi.json` promises: every answer that a test reads is held
//! against it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::Answer;

static CONTRACT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(limen::http::contract()).expect("the contract as JSON"));

/// Checks status and body of an answer to a request that the contract knows.
#[track_caller]
pub fn assert_kept(method: &Method, path: &str, answer: &Answer) {
    let Some((template, operation)) = operation(method, path) else {
        assert!(matches!(answer.status, 404 | 405), "{method} {path}: {}", answer.status);
        return;
    };
    let what = format!("{method} {template} answers {}", answer.status);
    let promised = &operation["responses"][answer.status.to_string()];
    assert!(promised.is_object(), "{what}, which the contract does not list: {}", answer.text);
    let Some(content) = promised["content"].as_object() else {
        assert!(answer.text.is_empty(), "{what} with a body that the contract does not list");
        return;
    };
    let (kind, body) = content.iter().next().expect("a media type");
    let sent = answer.header("content-type").unwrap_or_default();
    assert!(sent.starts_with(kind.as_str()), "{what} as {sent}, the contract says {kind}");
    if !kind.ends_with("json") {
        return;
    }
    // The contract itself is any object.
    let broken: Vec<_> = validator(&body["schema"], template == "/openapi.json")
        .iter_errors(&answer.json)
        .map(|e| format!("{e} at {}", e.instance_path()))
        .collect();
    assert!(broken.is_empty(), "{what}, unlike the contract: {broken:?} in {}", answer.text);
}

/// Holds answers against a schema of the contract; made once for each, since that takes milliseconds.
fn validator(promised: &Value, open: bool) -> Arc<Validator> {
    static MADE: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().expect("no schema of the contract is broken");
    let make = || {
        let mut schema = json!({ "allOf": [promised], "components": CONTRACT["components"] });
        if !open {
            schema["unevaluatedProperties"] = false.into();
        }
        let made = jsonschema::options().should_validate_formats(true).build(&schema);
        Arc::new(made.expect("a schema"))
    };
    made.entry(promised.to_string()).or_insert_with(make).clone()
}

/// The path's template and the operation that answers a request.
fn operation(method: &Method, path: &str) -> Option<(&'static String, &'static Value)> {
    let path = path.split('?').next().unwrap_or(path);
    let fits = |template: &str| {
        let (template, path): (Vec<_>, Vec<_>) =
            (template.split('/').collect(), path.split('/').collect());
        template.len() == path.len()
            && template.iter().zip(&path).all(|(t, p)| t == p || t.starts_with('{'))
    };
    let (template, item) = CONTRACT["paths"].as_object()?.iter().find(|(path, _)| fits(path))?;
    Some((template, item.get(method.as_str().to_lowercase())?))
}
