//! One operation of the contract.

use maud::{Markup, html as markup};
use serde_json::Value;

use super::schema::{prose, type_of};
use super::{curl, roles};

/// The operations that a path may have, in the order in which they are told.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// An operation, and where it stands.
pub(super) struct Operation<'a> {
    pub id: &'a str,
    pub tag: &'a str,
    pub method: String,
    pub path: &'a str,
    pub stated: &'a Value,
}

/// All of them, by their paths.
pub(super) fn operations(contract: &Value) -> Vec<Operation<'_>> {
    let paths = contract["paths"].as_object().into_iter().flatten();
    let methods = paths.flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some((path, method, item.get(*method)?)))
    });
    methods
        .filter_map(|(path, method, stated)| {
            let id = stated["operationId"].as_str()?;
            let tag = stated["tags"][0].as_str()?;
            Some(Operation { id, tag, method: method.to_uppercase(), path, stated })
        })
        .collect()
}

impl Operation<'_> {
    /// Method and path.
    pub fn heading(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// What is told of it.
    pub fn markup(&self, contract: &Value) -> Markup {
        let stated = self.stated;
        markup! {
            article aria-labelledby=(self.id) {
                h3 id=(self.id) {
                    a href={ "#" (self.id) } {
                        span.method { (self.method) } " " span.path { (breakable(self.path)) }
                    }
                }
                @for text in [&stated["summary"], &stated["description"]].into_iter().filter_map(Value::as_str) {
                    p { (prose(text)) }
                }
                p { strong { "Who may: " } (roles::of(&self.heading()).unwrap_or_default()) }
                (parameters(stated))
                (body(stated))
                (answers(stated))
                pre tabindex="0" { code { (curl::line(self, contract)) } }
            }
        }
    }
}

/// A long path may be broken behind its slashes.
fn breakable(path: &str) -> Markup {
    markup! { @for part in path.split_inclusive('/') { (part) wbr; } }
}

fn parameters(stated: &Value) -> Markup {
    let parameters = stated["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    markup! {
        @if !parameters.is_empty() {
            h4 { "Takes" }
            dl {
                @for parameter in parameters {
                    dt {
                        code { (parameter["name"].as_str().unwrap_or_default()) } " "
                        span.kind {
                            (parameter["in"].as_str().unwrap_or_default()) ", " (type_of(&parameter["schema"]))
                            @if parameter["required"] == true { ", required" }
                        }
                    }
                    dd { (prose(parameter["description"].as_str().unwrap_or_default())) }
                }
            }
        }
    }
}

fn body(stated: &Value) -> Markup {
    let body = &stated["requestBody"];
    markup! {
        @if let Some(content) = body["content"].as_object() {
            h4 { "Body" }
            @if let Some(text) = body["description"].as_str() { p { (prose(text)) } }
            ul {
                @for (kind, content) in content {
                    li { code { (kind) } ": " (type_of(&content["schema"])) }
                }
            }
        }
    }
}

fn answers(stated: &Value) -> Markup {
    markup! {
        h4 { "Answers" }
        dl.answers {
            @for (status, answer) in stated["responses"].as_object().into_iter().flatten() {
                dt { (status) }
                dd {
                    (prose(answer["description"].as_str().unwrap_or_default()))
                    @for (kind, content) in answer["content"].as_object().into_iter().flatten() {
                        span.kind {
                            " " (type_of(&content["schema"]))
                            @if !kind.ends_with("json") { " as " (kind) }
                        }
                    }
                }
            }
        }
    }
}
