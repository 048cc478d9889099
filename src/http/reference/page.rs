//! The page: one document that loads nothing and runs nothing, made of the contract once.

use std::sync::LazyLock;

use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::operation::operations;
use super::schema::{prose, schemas};
use crate::http::contract;
use crate::http::problem::CODES;

const STYLE: &str = include_str!("page.css");

/// The document.
pub(super) fn html() -> Bytes {
    static PAGE: LazyLock<Bytes> = LazyLock::new(|| {
        let contract = serde_json::to_value(contract()).unwrap_or_default();
        page(&contract).into_string().into()
    });
    PAGE.clone()
}

/// What goes with it: this style and nothing else.
pub(super) fn headers() -> [(HeaderName, &'static str); 6] {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        )
    });
    [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, &POLICY),
        (CACHE_CONTROL, "no-cache"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ]
}

fn page(contract: &Value) -> Markup {
    let info = &contract["info"];
    let title = format!("{}: the API", info["title"].as_str().unwrap_or_default());
    let operations = operations(contract);
    // By subject, in the order of the contract.
    let tags = contract["tags"].as_array().into_iter().flatten().filter_map(|tag| {
        let name = tag["name"].as_str()?;
        let own: Vec<_> = operations.iter().filter(|operation| operation.tag == name).collect();
        Some((name, tag["description"].as_str().unwrap_or_default(), own))
    });
    let tags: Vec<_> = tags.collect();
    markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    h1 { (title) }
                    p { (prose(info["description"].as_str().unwrap_or_default())) }
                    p {
                        "Version " (info["version"].as_str().unwrap_or_default())
                        ". For machines: " a href="/openapi.json" { "openapi.json" } "."
                    }
                }
                div.columns {
                    nav aria-label="Operations" {
                        @for (name, _, own) in &tags {
                            details {
                                summary { (name) " " span.count { (own.len()) } }
                                ul { @for one in own { li { a href={ "#" (one.id) } { (one.heading()) } } } }
                            }
                        }
                        ul {
                            li { a href="#problems" { "Problems" } }
                            li { a href="#schemas" { "Schemas" } }
                        }
                    }
                    main #content {
                        (first())
                        @for (name, description, own) in &tags {
                            section aria-labelledby={ "tag-" (name) } {
                                h2 id={ "tag-" (name) } { (name) }
                                p { (prose(description)) }
                                @for one in own { (one.markup(contract)) }
                            }
                        }
                        (problems())
                        (schemas(contract))
                    }
                }
            }
        }
    }
}

/// What the lines of `curl` begin with.
fn first() -> Markup {
    markup! {
        section aria-labelledby="first" {
            h2 #first { "Before the first request" }
            p {
                "Each operation has a line for a shell that knows where the service is, and a key of the right role ("
                code { "limen key create" } "):"
            }
            pre tabindex="0" { code { "export URL=http://127.0.0.1:8080 KEY=limen_..." } }
        }
    }
}

fn problems() -> Markup {
    markup! {
        section aria-labelledby="problems" {
            h2 #problems { "Problems" }
            p {
                "What is refused is answered with " code { "application/problem+json" } " and one of these, as "
                code { "code" } "."
            }
            dl {
                @for (code, meaning) in CODES {
                    dt { code { (code) } }
                    dd { (prose(meaning)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use scraper::{ElementRef, Html, Selector};

    use super::*;

    fn parsed() -> Html {
        Html::parse_document(std::str::from_utf8(&html()).unwrap())
    }

    fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
        page.select(&Selector::parse(selector).unwrap()).collect()
    }

    fn text(element: ElementRef<'_>) -> String {
        element.text().collect()
    }

    #[test]
    fn the_page_is_well_formed_loads_nothing_and_runs_nothing() {
        let page = parsed();
        assert!(page.errors.is_empty(), "{:?}", page.errors);
        assert_eq!(all(&page, "html[lang] h1").len(), 1);
        let foreign = all(&page, "script, link, img, iframe, form, [src], [style], [onclick]");
        assert!(foreign.is_empty(), "{}", foreign.len());
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        let policy = headers().into_iter().find(|(name, _)| name == CONTENT_SECURITY_POLICY);
        let hash = STANDARD.encode(Sha256::digest(text(all(&page, "style")[0])));
        assert!(policy.unwrap().1.contains(&format!("'sha256-{hash}'")));
    }

    #[test]
    fn every_link_leads_somewhere_and_every_id_is_there_once() {
        let page = parsed();
        let ids: Vec<_> = all(&page, "[id]").iter().filter_map(|e| e.value().id()).collect();
        let distinct: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len(), "an id comes twice");
        for link in all(&page, "a[href]") {
            let target = link.value().attr("href").unwrap();
            let known = target.strip_prefix('#').is_some_and(|id| distinct.contains(id));
            assert!(known || target == "/openapi.json", "{target}");
        }
        for labelled in all(&page, "[aria-labelledby]") {
            assert!(distinct.contains(labelled.value().attr("aria-labelledby").unwrap()));
        }
    }

    #[test]
    fn every_operation_and_schema_and_code_of_the_contract_is_told() {
        let page = parsed();
        let contract = serde_json::to_value(contract()).unwrap();
        let paths = contract["paths"].as_object().unwrap();
        let operations: usize = paths.values().map(|item| item.as_object().unwrap().len()).sum();
        assert!(operations > 50);
        let told = all(&page, "article");
        assert_eq!(told.len(), operations);
        for article in told {
            let whole = text(article);
            for part in ["Who may", "Answers", "curl -sS"] {
                assert!(whole.contains(part), "{part} is missing: {whole}");
            }
        }
        for schema in contract["components"]["schemas"].as_object().unwrap().keys() {
            assert_eq!(all(&page, &format!("#schema-{schema}")).len(), 1, "{schema}");
        }
        let problems = all(&page, "dt").into_iter().map(text).collect::<BTreeSet<_>>();
        assert!(CODES.iter().all(|(code, _)| problems.contains(*code)));
    }
}
