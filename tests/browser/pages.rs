//! Every page, for everybody: at a desk and on a phone, in light and dark.

use limen::domain::Scope;
use serde_json::json;
use sqlx::PgPool;

use crate::browser::{Browser, DESK, PHONE};
use crate::passage::Passage;
use crate::service::{TestService, send};

const PAGES: [&str; 9] = [
    "live",
    "people",
    "gates",
    "risk",
    "system",
    "system/keys",
    "system/changes",
    "system/webhooks",
    "start",
];

#[sqlx::test]
async fn no_page_keeps_anybody_out_or_is_wider_than_the_window(pool: PgPool) {
    with_browser!(browser, service, pool, "obama-1.jpg");
    let gate = service.gate(json!({})).await;
    let employee = service.employee(json!({"name": "Barack Obama", "badge_id": "B-1"})).await;
    let faces = format!("/v1/employees/{employee}/faces");
    service.post_frame(&faces, "obama-1.jpg").await.expect(201);
    for photo in ["obama-3.jpg", "biden-1.jpg", "print-attack-obama.jpg"] {
        send(Passage::of(photo).request(&service, &gate)).await.expect(200);
    }
    let key = service.make_key(&[Scope::Admin, Scope::Gate], None).await;
    browser.go("/console").await;
    browser.labelled("API key").await;
    let mut found = barriers(&browser, "sign in").await;
    browser.sign_in(&key).await;
    let mut paths: Vec<_> = PAGES.iter().map(|page| format!("/console/{page}")).collect();
    paths.push(format!("/console/people/{employee}"));
    paths.push(format!("/console/gates/{gate}"));
    paths.push("/kiosk".to_owned());
    for path in paths {
        browser.go(&path).await;
        browser.find("//h1").await;
        browser.settle().await;
        // A page that could not ask what it shows has nothing to keep anybody out.
        let trouble = "//*[contains(@class, 'notice')][contains(@class, 'bad')]";
        assert!(!browser.shows(trouble).await, "{path}:\n{}", browser.text().await);
        found.extend(barriers(&browser, &path).await);
    }
    browser.go("/console/live").await;
    browser.press("Why?").await;
    browser.find("//dialog").await;
    found.extend(barriers(&browser, "why").await);
    assert!(found.is_empty(), "{}", found.join("\n"));
    browser.close().await;
}

/// What is wrong with the page that is shown, in each size and theme.
async fn barriers(browser: &Browser, page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (width, size) in [("desk", DESK), ("phone", PHONE)] {
        browser.resize(size).await;
        for theme in ["light", "dark"] {
            browser.theme(theme).await;
            let name = format!("{}-{width}-{theme}", page.trim_matches('/').replace('/', "-"));
            browser.picture(&name).await;
            let barriers = browser.barriers().await;
            found.extend(barriers.into_iter().map(|barrier| format!("{name}: {barrier}")));
            let overhang = browser.overhang().await;
            if overhang > 0 {
                found.push(format!("{name} is {overhang} pixels wider than the window"));
            }
        }
    }
    found
}
