//! The types that are sent and answered.

use maud::{Markup, html as markup};
use serde_json::Value;

/// A text of the contract, in which `code` stands between backticks.
pub(super) fn prose(text: &str) -> Markup {
    markup! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

/// What a schema allows, in a few words, with a link where it has a name.
pub(super) fn type_of(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return markup! { a href={ "#schema-" (name) } { (name) } };
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[several].as_array() {
            return joined(parts.iter().map(type_of));
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if types.is_empty() {
        return markup! { "anything" };
    }
    joined(types.into_iter().map(|name| match name {
        "array" => markup! { "list of " (type_of(&schema["items"])) },
        "object" | "null" | "boolean" => markup! { (name) },
        name => markup! { (schema["format"].as_str().unwrap_or(name)) (limits(schema)) },
    }))
}

fn joined(parts: impl Iterator<Item = Markup>) -> Markup {
    markup! { @for (number, part) in parts.enumerate() { @if number > 0 { " or " } (part) } }
}

/// The range of a number, where the contract states one.
fn limits(schema: &Value) -> Markup {
    markup! {
        @if let Some(least) = schema.get("minimum") { " ≥ " (least) }
        @if let Some(most) = schema.get("maximum") { " ≤ " (most) }
    }
}

/// Every type with a name.
pub(super) fn schemas(contract: &Value) -> Markup {
    markup! {
        section aria-labelledby="schemas" {
            h2 #schemas { "Schemas" }
            @for (name, schema) in contract["components"]["schemas"].as_object().into_iter().flatten() {
                h3 id={ "schema-" (name) } { (name) }
                @if let Some(text) = schema["description"].as_str() { p { (prose(text)) } }
                @if let Some(values) = schema["enum"].as_array() {
                    p {
                        @for (number, value) in values.iter().filter_map(Value::as_str).enumerate() {
                            @if number > 0 { ", " } code { (value) }
                        }
                    }
                } @else if let Some(properties) = schema["properties"].as_object() {
                    dl {
                        @for (property, stated) in properties {
                            dt {
                                code { (property) } " "
                                span.kind {
                                    (type_of(stated))
                                    @if requires(schema, property) { ", required" }
                                }
                            }
                            dd { (prose(stated["description"].as_str().unwrap_or_default())) }
                        }
                    }
                } @else {
                    p.kind { (type_of(schema)) }
                }
            }
        }
    }
}

/// Whether a property must be there.
pub(super) fn requires(schema: &Value, property: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|name| name == property))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_told_in_a_few_words() {
        for (schema, told) in [
            (json!({"type": "string", "format": "uuid"}), "uuid"),
            (json!({"type": ["string", "null"]}), "string or null"),
            (json!({"type": "integer", "format": "int32", "minimum": 0}), "int32 ≥ 0"),
            (json!({"type": "array", "items": {"type": "boolean"}}), "list of boolean"),
            (json!({"oneOf": [{"type": "null"}, {"type": "object"}]}), "null or object"),
            (json!({}), "anything"),
            (
                json!({"$ref": "#/components/schemas/Problem"}),
                r##"<a href="#schema-Problem">Problem</a>"##,
            ),
        ] {
            assert_eq!(type_of(&schema).into_string(), told);
        }
        assert_eq!(prose("a `b` <c>").into_string(), "a <code>b</code> &lt;c&gt;");
    }
}
