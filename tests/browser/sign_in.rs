//! Signing in and out.

use limen::domain::Scope;
use sqlx::PgPool;

use crate::browser::Browser;
use crate::openid::OpenId;
use crate::service::TestService;

#[sqlx::test]
async fn whoever_has_a_key_signs_in_and_out_and_no_script_sees_what_stands_for_it(pool: PgPool) {
    with_browser!(browser, service, pool, "obama-1.jpg");
    let admin = service.make_key(&[Scope::Admin], None).await;
    browser.go("/").await;
    browser.labelled("API key").await.send_keys("limen_nonsense").await.unwrap();
    browser.press("Sign in").await;
    browser.says("the API key is not valid").await;

    browser.sign_in(&admin).await;
    // Nobody is known yet.
    browser.find("//h1[.='Try Limen']").await;
    assert_eq!(browser.run("return document.cookie", vec![]).await, "");
    let kept = "return JSON.stringify([{...localStorage}, {...sessionStorage}])";
    let kept = browser.run(kept, vec![]).await;
    assert!(!kept.as_str().unwrap().contains("limen_"), "{kept}");

    // Somebody comes back.
    browser.go("/console/people").await;
    browser.find("//h1[.='People']").await;
    browser.press("Sign out").await;
    browser.labelled("API key").await;
    browser.go("/console/people").await;
    browser.labelled("API key").await;
    browser.close().await;
}

#[sqlx::test]
async fn whose_key_is_revoked_is_signed_out(pool: PgPool) {
    with_browser!(browser, service, pool, "obama-1.jpg");
    let key = service.make_key(&[Scope::Viewer], None).await;
    browser.sign_in(&key).await;
    let id = key.split('_').nth(1).unwrap().parse().unwrap();
    service.store.revoke_key(&crate::service::author(), id).await.unwrap();
    browser.go("/console/people").await;
    browser.labelled("API key").await;
    browser.close().await;
}

#[sqlx::test]
async fn a_view_is_for_those_whose_key_may_see_it(pool: PgPool) {
    with_browser!(browser, service, pool, "obama-1.jpg");
    let enroller = service.make_key(&[Scope::Enroller], None).await;
    browser.sign_in(&enroller).await;
    browser.find("//h1[.='People']").await;
    for view in ["Live", "System"] {
        assert!(!browser.shows(&format!("//nav//a[.='{view}']")).await, "{view}");
    }
    browser.close().await;
}

#[sqlx::test]
async fn whoever_the_provider_knows_signs_in_there_and_comes_back_to_where_they_were(pool: PgPool) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = format!("http://{port}");
    let provider = OpenId::start(&base, &[]);
    with_browser!(browser, service, pool, "obama-1.jpg", |config| {
        config.server.bind = port;
        provider.configure(config, &base);
    });
    let sign_in = async |person: &str| {
        browser.press("Sign in with Example").await;
        browser.find("//input[@name='login']").await.send_keys(person).await.unwrap();
        browser.find("//input[@name='password']").await.send_keys("any").await.unwrap();
        browser.find("//button[@type='submit']").await.click().await.unwrap();
    };
    browser.go("/console/people").await;
    sign_in("eve").await;
    browser.says("You are known there, but have no role here.").await;
    browser.picture("sign-in-refused").await;
    let barriers = browser.barriers().await;
    assert!(barriers.is_empty(), "{barriers:?}");
    // The provider remembers her: she is somebody else from now on.
    provider.regroup("eve", "it").await;
    browser.press("Sign in with Example").await;
    browser.find("//button[normalize-space()='Sign out']").await;
    browser.go("/console/system/keys").await;
    browser.says("eve (yours), eve at localhost:").await;

    browser.press("Sign out").await;
    browser.find("//a[normalize-space()='Sign in with Example']").await;
    browser.go("/console/people").await;
    browser.press("Sign in with Example").await;
    browser.find("//h1[.='People']").await;
    browser.close().await;
}
