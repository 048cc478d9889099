//! The pages as people use them: a real Chromium, with a camera that shows a photo, on a real service.

/// A service and a browser on it, before whose camera a photo stands. Where `./dev` could install no browser, and
/// said so, the test ends here.
#[macro_export]
macro_rules! with_browser {
    ($browser:ident, $service:ident, $pool:ident, $photo:literal) => {
        $crate::with_browser!($browser, $service, $pool, $photo, |_| {});
    };
    ($browser:ident, $service:ident, $pool:ident, $photo:literal, $change:expr) => {
        if std::env::var("LIMEN_TEST_BROWSER").is_ok_and(|browser| browser == "none") {
            eprintln!("NOT TESTED: there is no browser on this machine");
            return;
        }
        let $service = TestService::start_with(&$pool, $change).await;
        let $browser = Browser::open($service.address, $photo).await;
    };
}

#[path = "../api/answer.rs"]
#[allow(dead_code)]
mod answer;
mod browser;
#[path = "../api/frame.rs"]
#[allow(dead_code)]
mod frame;
mod journey;
mod modules;
#[path = "../api/openid.rs"]
#[allow(dead_code)]
mod openid;
mod pages;
#[path = "../api/passage.rs"]
#[allow(dead_code)]
mod passage;
#[path = "../api/promise.rs"]
#[allow(dead_code)]
mod promise;
#[path = "../api/service.rs"]
#[allow(dead_code)]
mod service;
mod sign_in;
