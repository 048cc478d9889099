//! An operation as a line for a shell.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::schema::requires;

/// How deep an example goes: no type of the contract holds itself, and none is deeper.
const DEPTH_MAX: usize = 8;

/// Members of a change, none of which must be there: the first that it knows shows how it is made.
const CHANGED: [&str; 2] = ["name", "enabled"];

/// The line: what must be sent and nothing else. Ids are variables of the shell.
pub(super) fn line(operation: &Operation<'_>, contract: &Value) -> String {
    let mut line = "curl -sS".to_owned();
    let body = &operation.stated["requestBody"]["content"];
    // `curl` asks with POST as soon as there is a body.
    let implied = if body.is_object() { "POST" } else { "GET" };
    if operation.method != implied {
        let _ = write!(line, " -X {}", operation.method);
    }
    match operation.stated["security"][0].as_object() {
        Some(open) if open.is_empty() => {}
        Some(stated) if stated.contains_key("invitation") => {
            line.push_str(r#" -H "authorization: Invitation $TOKEN""#);
        }
        _ => line.push_str(r#" -H "authorization: Bearer $KEY""#),
    }
    let parameters = operation.stated["parameters"].as_array().into_iter().flatten();
    let (mut query, mut path) = (Vec::new(), operation.path.to_owned());
    for parameter in parameters.filter(|parameter| parameter["required"] == true) {
        let name = parameter["name"].as_str().unwrap_or_default();
        let variable = format!("${}", name.to_uppercase());
        match parameter["in"].as_str() {
            Some("path") => path = path.replace(&format!("{{{name}}}"), &variable),
            Some("query") => query.push(format!("{name}={variable}")),
            _ => {
                let _ = write!(line, r#" -H "{name}: {}""#, header(name));
            }
        }
    }
    if let Some((kind, content)) = body.as_object().and_then(|body| body.iter().next()) {
        let sent = match kind.as_str() {
            "application/json" if operation.method == "PATCH" => {
                format!("-d '{}'", change(&content["schema"], contract))
            }
            "application/json" => format!("-d '{}'", example(&content["schema"], contract, 0)),
            "application/x-ndjson" => "--data-binary @people.ndjson".to_owned(),
            _ => "--data-binary @photo.jpg".to_owned(),
        };
        let _ = write!(line, " -H 'content-type: {kind}' {sent}");
    }
    let mark = if query.is_empty() { "" } else { "?" };
    let _ = write!(line, r#" "$URL{path}{mark}{}""#, query.join("&"));
    line
}

/// A value for a header that must be sent.
fn header(name: &str) -> &'static str {
    match name {
        "x-captured-at" => "$(date -u +%FT%TZ)",
        _ => "$(uuidgen)",
    }
}

/// The schema that a reference leads to, or the schema itself.
fn resolved<'a>(schema: &'a Value, contract: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    target.and_then(|path| contract.pointer(path)).unwrap_or(schema)
}

/// A change of one member.
fn change(schema: &Value, contract: &Value) -> Value {
    let properties = &resolved(schema, contract)["properties"];
    let known = CHANGED.iter().find_map(|name| Some((*name, properties.get(*name)?)));
    known.map_or(json!({}), |(name, of)| json!({ name: member(name, of, contract, 0) }))
}

/// A value of a member: a text that has no form of its own says what it is.
fn member(name: &str, schema: &Value, contract: &Value, depth: usize) -> Value {
    match (example(schema, contract, depth + 1), name) {
        (Value::String(text), name) if text.is_empty() => match name {
            "time_zone" => "Europe/Berlin".into(),
            "url" => "https://building.example.org/limen".into(),
            "from" => "08:00".into(),
            "until" => "18:00".into(),
            _ => name.to_uppercase().into(),
        },
        (value, _) => value,
    }
}

/// A value that a schema allows: of an object what it must have.
fn example(schema: &Value, contract: &Value, depth: usize) -> Value {
    if let Some(given) = schema.get("example") {
        return given.clone();
    }
    if schema.get("$ref").is_some() && depth <= DEPTH_MAX {
        return example(resolved(schema, contract), contract, depth + 1);
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        _ if depth > DEPTH_MAX => Value::Null,
        (Some("object"), _) => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let needed = properties.filter(|(name, _)| requires(schema, name));
            let members =
                needed.map(|(name, of)| (name.clone(), member(name, of, contract, depth + 1)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        (Some("array"), _) => json!([example(&schema["items"], contract, depth + 1)]),
        (Some("boolean"), _) => true.into(),
        (Some("integer" | "number"), _) => 1.into(),
        (_, Some("date-time")) => "2026-01-15T08:00:00Z".into(),
        (_, Some("uuid")) => "0198c0de-0000-7000-8000-000000000001".into(),
        (_, Some("uri")) => "https://example.org/".into(),
        _ => "".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::operations;
    use super::*;

    fn line_of(heading: &str) -> String {
        let contract = serde_json::to_value(crate::http::contract()).unwrap();
        let operations = operations(&contract);
        let operation = operations.iter().find(|one| one.heading() == heading).unwrap();
        line(operation, &contract)
    }

    #[test]
    fn a_line_sends_what_must_be_sent_and_nothing_else() {
        for (heading, line) in [
            ("GET /healthz", r#"curl -sS "$URL/healthz""#),
            (
                "POST /v1/employees",
                r#"curl -sS -H "authorization: Bearer $KEY" -H 'content-type: application/json' -d '{"name":"NAME"}' "$URL/v1/employees""#,
            ),
            (
                "PATCH /v1/gates/{gate_id}",
                r#"curl -sS -X PATCH -H "authorization: Bearer $KEY" -H 'content-type: application/json' -d '{"name":"NAME"}' "$URL/v1/gates/$GATE_ID""#,
            ),
            (
                "POST /v1/schedules",
                r#"curl -sS -H "authorization: Bearer $KEY" -H 'content-type: application/json' -d '{"hours":[{"days":["monday"],"from":"08:00","until":"18:00"}],"name":"NAME"}' "$URL/v1/schedules""#,
            ),
            (
                "DELETE /v1/gates/{gate_id}",
                r#"curl -sS -X DELETE -H "authorization: Bearer $KEY" "$URL/v1/gates/$GATE_ID""#,
            ),
            (
                "POST /v1/gates/{gate_id}/passages",
                r#"curl -sS -H "authorization: Bearer $KEY" -H "x-event-id: $(uuidgen)" -H "x-captured-at: $(date -u +%FT%TZ)" -H 'content-type: image/jpeg' --data-binary @photo.jpg "$URL/v1/gates/$GATE_ID/passages""#,
            ),
            (
                "POST /v1/verify",
                r#"curl -sS -H "authorization: Bearer $KEY" -H 'content-type: image/jpeg' --data-binary @photo.jpg "$URL/v1/verify?employee_id=$EMPLOYEE_ID""#,
            ),
            (
                "GET /v1/invitation",
                r#"curl -sS -H "authorization: Invitation $TOKEN" "$URL/v1/invitation""#,
            ),
        ] {
            assert_eq!(line_of(heading), line);
        }
    }
}
