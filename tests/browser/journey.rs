//! What the product is for, from the first visit to the refusal of somebody who was revoked.

use std::time::Duration;

use limen::domain::Scope;
use serde_json::json;
use sqlx::PgPool;

use crate::browser::Browser;
use crate::service::TestService;

#[sqlx::test]
async fn somebody_enrols_before_the_camera_passes_and_is_refused_once_revoked(pool: PgPool) {
    with_browser!(browser, service, pool, "obama-1.jpg");
    let gate = service.gate(json!({"name": "North"})).await;
    let key = service.make_key(&[Scope::Admin], None).await;
    browser.sign_in(&key).await;
    // Nobody has photographed themself yet.
    browser.press("People").await;
    browser.press("Add somebody").await;
    browser.labelled("Name").await.send_keys("Barack Obama").await.unwrap();
    browser.press("Add").await;
    browser.find("//h1[.='Barack Obama']").await;
    browser.says("No face is enrolled").await;
    let person = browser.client.current_url().await.unwrap().path().to_owned();
    browser.press("Use the camera").await;
    browser.press("Enrol this photo").await;
    browser.says("px between the eyes").await;
    browser.picture("enrolled").await;

    // The kiosk in one window, the officer's view of it in another.
    browser.go(&format!("/console/gates/{gate}")).await;
    browser.press("Open as a kiosk").await;
    let stay = "//label[contains(., 'Sign out of the console')]//input";
    browser.find(stay).await.click().await.unwrap();
    browser.press("Open").await;
    browser.find("//h1[.='North']").await;
    let kiosk = browser.client.window().await.unwrap();
    let desk = browser.client.new_window(true).await.unwrap().handle;
    browser.client.switch_to_window(desk.clone()).await.unwrap();
    browser.go("/console/live").await;
    // It asked by itself once somebody stood there; a window behind another sees less, so it is asked by hand, too.
    browser.client.switch_to_window(kiosk.clone()).await.unwrap();
    let welcome = "//*[@role='alert'][contains(., 'Welcome')]";
    ask_until(&browser, welcome).await;
    browser.picture("kiosk-grant").await;
    browser.client.switch_to_window(desk.clone()).await.unwrap();
    browser.find("//tbody/tr[contains(., 'granted') and contains(., 'Barack Obama')]").await;

    browser.go(&person).await;
    browser.press("Revoke").await;
    browser.find("//dialog//button[@type='submit']").await.click().await.unwrap();
    browser.find("//span[contains(@class, 'tag')][.='revoked']").await;
    browser.go("/console/live").await;
    browser.find("//tbody/tr").await;
    browser.client.switch_to_window(kiosk).await.unwrap();
    ask_until(&browser, "//*[@role='alert'][contains(., 'See the desk')]").await;
    browser.picture("kiosk-refusal").await;
    browser.client.switch_to_window(desk).await.unwrap();
    // It arrives by itself, and says why.
    browser
        .find("//tbody/tr[contains(., 'revoked')]//button[.='Why?']")
        .await
        .click()
        .await
        .unwrap();
    browser.find("//dialog//strong[.='revoked']").await;
    browser.says("The employee was revoked").await;
    browser.picture("why").await;
    let passages = service.get("/v1/passages?reason=revoked").await.expect(200);
    assert!(!passages["items"].as_array().unwrap().is_empty());
    browser.close().await;
}

/// Asks at the kiosk until it shows something: an answer is shown for some seconds, and so may be one of before.
async fn ask_until(browser: &Browser, shown: &str) {
    for _ in 0..60 {
        if browser.shows(shown).await {
            return;
        }
        let button = "//button[@type='submit'][not(@disabled)]";
        if browser.shows(button).await {
            browser.find(button).await.click().await.ok();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the kiosk never showed {shown}:\n{}", browser.text().await);
}

#[sqlx::test]
async fn an_empty_installation_is_two_clicks_from_its_first_grant(pool: PgPool) {
    with_browser!(browser, service, pool, "obama-1.jpg");
    let key = service.make_key(&[Scope::Admin, Scope::Gate], None).await;
    browser.sign_in(&key).await;
    browser.find("//h1[.='Try Limen']").await;
    browser.find("//section[1]//button").await.click().await.unwrap();
    browser.find("//button[contains(@class, 'round')][1]").await.click().await.unwrap();
    browser.find("//li[contains(@class, 'grant')]").await;
    browser.picture("first-grant").await;
    for (round, decision) in [(2, "deny"), (3, "deny")] {
        let button = format!("(//button[contains(@class, 'round')])[{round}]");
        browser.find(&button).await.click().await.unwrap();
        let answers = format!("//ol[count(li) = {round}]/li[1][contains(@class, '{decision}')]");
        browser.find(&answers).await;
    }
    browser.press("Remove the samples").await;
    browser.says("The sample people are gone").await;
    let people = service.get("/v1/employees").await.expect(200);
    assert_eq!(people["items"], json!([]));
    browser.close().await;
}

#[sqlx::test]
async fn the_slider_over_the_risk_moves_the_threshold_and_what_it_costs(pool: PgPool) {
    with_browser!(browser, service, pool, "obama-1.jpg");
    let employee = service.employee(json!({})).await;
    service.post_frame(&format!("/v1/employees/{employee}/faces"), "obama-1.jpg").await.expect(201);
    let key = service.make_key(&[Scope::Viewer], None).await;
    browser.sign_in(&key).await;
    browser.press("Risk").await;
    let figures = "//*[contains(@class, 'figures')]";
    browser.find(figures).await;
    browser.settle().await;
    let said = async || browser.find(figures).await.text().await.unwrap();
    let before = said().await;
    let slider = browser.find("//input[@type='range']").await;
    let risk = async || browser.find("//output").await.text().await.unwrap();
    let risk_before = risk().await;
    // To the far left, where strangers are rarest.
    slider.send_keys("\u{e011}").await.unwrap();
    browser.settle().await;
    assert_ne!(risk().await, risk_before);
    assert_ne!(said().await, before);
    browser.close().await;
}
