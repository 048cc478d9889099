//! The page itself: one document that loads nothing else.

use std::sync::LazyLock;

use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};
use sha2::{Digest, Sha256};

use super::texts::{ENGLISH, Texts};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The document, which says whether photos are kept.
pub(super) fn html(photos_kept: bool) -> Bytes {
    static PAGES: LazyLock<[Bytes; 2]> =
        LazyLock::new(|| [false, true].map(|kept| page(&ENGLISH, kept).into_string().into()));
    PAGES[usize::from(photos_kept)].clone()
}

/// What goes with it: this style and this script run and no other, it speaks to this service alone and is framed
/// by nobody, and of all devices it may ask for the camera.
pub(super) fn headers() -> [(HeaderName, &'static str); 8] {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        format!(
            "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
            hash(SCRIPT),
            hash(STYLE)
        )
    });
    [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, &POLICY),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(), geolocation=(), display-capture=()",
        ),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ]
}

fn page(texts: &Texts, photos_kept: bool) -> Markup {
    markup! {
        (DOCTYPE)
        html lang=(texts.language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (texts.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (texts.title) }
                    noscript { p.alert { (texts.no_script) } }
                    p #status role="status" { (texts.wait) }
                    (start(texts, photos_kept))
                    (camera(texts))
                    (review(texts))
                    section #refused hidden aria-labelledby="refused-heading" {
                        h2 #refused-heading tabindex="-1" { (texts.refused_heading) }
                        ul #reasons {}
                        p #left {}
                        div.buttons { button #retry type="button" { (texts.again) } }
                    }
                    section #done hidden aria-labelledby="done-heading" {
                        h2 #done-heading tabindex="-1" { (texts.done_heading) }
                        p { (texts.done[usize::from(photos_kept)]) }
                    }
                    section #over hidden aria-labelledby="over-heading" {
                        h2 #over-heading tabindex="-1" { (texts.over_heading) }
                        p #why {}
                    }
                }
                script #texts type="application/json" { (PreEscaped(data(texts))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn start(texts: &Texts, photos_kept: bool) -> Markup {
    markup! {
        section #start hidden {
            p { (texts.whose[0]) "“" strong #initial {} "”" (texts.whose[1]) }
            h2 { (texts.how_heading) }
            ul { @for line in texts.how { li { (line) } } }
            h2 { (texts.stored_heading) }
            @for line in texts.stored[usize::from(photos_kept)] { p { (line) } }
            div #consent hidden {
                input #agree type="checkbox" aria-describedby="trouble";
                label for="agree" { (texts.agree[0]) span #version {} (texts.agree[1]) }
                a #terms hidden target="_blank" rel="noopener noreferrer" { (texts.consent_link) }
            }
            p #trouble.alert role="alert" hidden {}
            div.buttons {
                button #open type="button" { (texts.open_camera) }
                input #file type="file" accept="image/jpeg,image/png,image/webp";
                label.button for="file" { (texts.choose_file) }
            }
        }
    }
}

fn camera(texts: &Texts) -> Markup {
    markup! {
        section #camera hidden aria-labelledby="camera-heading" {
            h2 #camera-heading tabindex="-1" { (texts.camera_heading) }
            p { (texts.camera_hint) }
            div.frame {
                video #video autoplay playsinline muted aria-hidden="true" {}
            }
            div.buttons {
                button #take type="button" { (texts.take) }
                button.quiet #back type="button" { (texts.back) }
            }
        }
    }
}

fn review(texts: &Texts) -> Markup {
    markup! {
        section #review hidden aria-labelledby="review-heading" {
            h2 #review-heading tabindex="-1" { (texts.review_heading) }
            p { (texts.review_hint) }
            canvas #picture role="img" aria-label=(texts.picture) {}
            div.buttons {
                button #send type="button" { (texts.send) }
                button.quiet #another type="button" { (texts.again) }
            }
        }
    }
}

/// What the script says, as JSON that cannot end the element that it stands in.
fn data(texts: &Texts) -> String {
    serde_json::to_string(&texts.script).unwrap_or_default().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use scraper::{Html, Selector};

    use super::super::texts::Sayings;
    use super::*;
    use crate::domain::{InvitationState, QualityIssue};
    use crate::http::PROBLEM_CODES;

    fn parsed() -> Html {
        Html::parse_document(std::str::from_utf8(&html(false)).unwrap())
    }

    fn count(page: &Html, selector: &str) -> usize {
        page.select(&Selector::parse(selector).unwrap()).count()
    }

    #[test]
    fn the_page_is_well_formed_and_loads_nothing() {
        let page = parsed();
        assert!(page.errors.is_empty(), "{:?}", page.errors);
        assert_eq!(count(&page, "html[lang] h1"), 1);
        assert_eq!(count(&page, "script"), 2);
        assert_eq!(count(&page, "[src], [href], [style], [onclick], link, iframe, img, form"), 0);
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        assert!(!SCRIPT.contains("</script") && !SCRIPT.contains("innerHTML"));
    }

    #[test]
    fn every_field_has_a_label_and_every_button_says_what_it_does() {
        let page = parsed();
        for input in page.select(&Selector::parse("input").unwrap()) {
            let id = input.value().id().expect("an id");
            assert_eq!(count(&page, &format!("label[for={id}]")), 1, "{id}");
        }
        for button in page.select(&Selector::parse("button").unwrap()) {
            assert!(!button.text().collect::<String>().is_empty());
        }
    }

    #[test]
    fn every_element_that_the_script_asks_for_is_there() {
        let page = parsed();
        let asked = SCRIPT.split("$(\"").skip(1).filter_map(|rest| rest.split_once('"'));
        let asked: Vec<_> = asked.map(|(id, _)| id).collect();
        assert!(asked.len() > 15, "{asked:?}");
        for id in asked {
            assert_eq!(count(&page, &format!("#{id}")), 1, "{id}");
        }
    }

    #[test]
    fn whatever_can_be_wrong_is_said_in_plain_words() {
        let says =
            |sayings: &Sayings, code: &str| sayings.0.iter().any(|(known, _)| *known == code);
        let texts = &ENGLISH.script;
        for issue in QualityIssue::ALL {
            assert!(says(&texts.issues, issue.code()), "{}", issue.code());
        }
        for state in InvitationState::ALL.into_iter().filter(|s| *s != InvitationState::Open) {
            assert!(says(&texts.states, state.code()), "{}", state.code());
        }
        assert!(says(&texts.problems, "ask_at_the_desk"));
        for (code, _) in texts.problems.0 {
            assert!(
                *code == "other" || PROBLEM_CODES.iter().any(|(known, _)| known == code),
                "there is no problem {code}"
            );
        }
    }

    #[test]
    fn the_policy_names_what_the_page_runs() {
        let headers = headers();
        let policy = headers.iter().find(|(name, _)| name == CONTENT_SECURITY_POLICY).unwrap().1;
        let page = parsed();
        for element in ["style", "script:not([type])"] {
            let selector = Selector::parse(element).unwrap();
            let text: String = page.select(&selector).next().unwrap().text().collect();
            let hash = STANDARD.encode(Sha256::digest(text));
            assert!(policy.contains(&format!("'sha256-{hash}'")), "{element} is not in {policy}");
        }
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
    }
}
