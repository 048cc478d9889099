//! Whatever a client sends: a 4xx that says what is wrong, and the service goes on.

use futures_util::future::join_all;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, RequestBuilder};
use serde_json::json;
use sqlx::PgPool;

use crate::frame;
use crate::service::{TestService, send};

/// Fixture, the media type it is sent as, status and code.
const BAD_FRAMES: [(&str, &str, u16, &str); 25] = [
    ("header-65535.png", "image/png", 413, "frame_too_many_pixels"),
    ("header-65535.jpg", "image/jpeg", 413, "frame_too_many_pixels"),
    ("header-65535.webp", "image/webp", 413, "frame_too_many_pixels"),
    ("header-16383.webp", "image/webp", 413, "frame_too_many_pixels"),
    ("bomb-20000.png", "image/png", 413, "frame_too_many_pixels"),
    ("truncated.jpg", "image/jpeg", 422, "malformed_frame"),
    ("truncated.png", "image/png", 422, "malformed_frame"),
    ("truncated.webp", "image/webp", 422, "malformed_frame"),
    ("truncated-in-header.jpg", "image/jpeg", 422, "malformed_frame"),
    ("corrupt.png", "image/png", 422, "malformed_frame"),
    ("animated.png", "image/png", 422, "animated_frame"),
    ("animated.webp", "image/webp", 422, "animated_frame"),
    ("animated.gif", "image/jpeg", 415, "not_an_image"),
    ("text-named.jpg", "image/jpeg", 415, "not_an_image"),
    ("pdf-named.jpg", "image/jpeg", 415, "not_an_image"),
    ("gif-named.jpg", "image/jpeg", 415, "not_an_image"),
    ("still.bmp", "image/png", 415, "not_an_image"),
    ("png-named.jpg", "image/jpeg", 415, "content_type_mismatch"),
    ("obama-1.jpg", "image/webp", 415, "content_type_mismatch"),
    ("still.gif", "image/gif", 415, "unsupported_content_type"),
    ("still.bmp", "image/bmp", 415, "unsupported_content_type"),
    ("still.tiff", "image/tiff", 415, "unsupported_content_type"),
    ("obama-1.jpg", "application/octet-stream", 415, "unsupported_content_type"),
    ("obama-1.jpg", "application/json", 415, "unsupported_content_type"),
    ("obama-1.jpg", "multipart/form-data", 400, "bad_multipart"),
];

#[sqlx::test]
async fn a_frame_that_cannot_be_used_is_refused_with_the_reason(pool: PgPool) {
    let service = TestService::start(&pool).await;
    for (name, kind, status, code) in BAD_FRAMES {
        let request = service.frame_request("/v1/recognize", frame::bytes(name), kind);
        let answer = send(request).await;
        assert_eq!(answer.status, status, "{name} as {kind}: {}", answer.text);
        answer.refused(status, code);
    }
    for kind in ["image/jpeg", "image/png", "image/webp"] {
        let empty = service.frame_request("/v1/recognize", Vec::new(), kind);
        send(empty).await.refused(400, "empty_frame");
    }
    let untyped = service.request(Method::POST, "/v1/recognize").body(frame::bytes("obama-1.jpg"));
    send(untyped).await.refused(415, "unsupported_content_type");
    service.assert_ready().await;
}

#[sqlx::test]
async fn every_route_that_takes_frames_refuses_bad_ones(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let employee = service.enrolled("obama-1.jpg").await;
    for path in [
        "/v1/recognize".to_owned(),
        "/v1/liveness".to_owned(),
        format!("/v1/verify?employee_id={employee}"),
        format!("/v1/employees/{employee}/faces"),
        format!("/v1/gates/{gate}/passages"),
    ] {
        for (name, status) in
            [("truncated.jpg", 422), ("header-65535.png", 413), ("text-named.jpg", 415)]
        {
            let request = service
                .frame_request(&path, frame::bytes(name), frame::media_type(name))
                .header("x-event-id", name)
                .header("x-captured-at", chrono::Utc::now().to_rfc3339());
            let answer = send(request).await;
            assert_eq!(answer.status, status, "{name} to {path}");
            answer.assert_problem();
        }
    }
    assert!(service.trail().await.is_empty(), "nothing was decided");
}

#[sqlx::test]
async fn a_form_that_cannot_be_used_is_refused_with_the_reason(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let request = || {
        let path = format!("/v1/gates/{gate}/passages");
        let request = service.request(Method::POST, &path).header("x-event-id", "e-1");
        request.header("x-captured-at", chrono::Utc::now().to_rfc3339())
    };
    let tiny = || frame::part("pixel-1x1.png");
    let untyped = || Part::bytes(frame::bytes("pixel-1x1.png"));
    let as_png = |bytes: Vec<u8>| Part::bytes(bytes).mime_str("image/png").unwrap();
    let over = vec![0; 10 * 1024 * 1024 + 1];
    for (form, status, code) in [
        (Form::new(), 400, "bad_multipart"),
        (Form::new().part("picture", tiny()), 400, "unknown_part"),
        (Form::new().part("", tiny()), 400, "unknown_part"),
        (frame::form(&["pixel-1x1.png"; 6]), 400, "too_many_frames"),
        (Form::new().part("frame", untyped()), 415, "unsupported_content_type"),
        (Form::new().text("frame", "text"), 415, "unsupported_content_type"),
        (Form::new().part("frame", as_png(Vec::new())), 400, "empty_frame"),
        (Form::new().part("frame", as_png(over)), 413, "frame_too_large"),
        (
            Form::new().part("frame", tiny()).part("frame", frame::part("truncated.png")),
            422,
            "malformed_frame",
        ),
    ] {
        send(request().multipart(form)).await.refused(status, code);
    }
    let boundary = "multipart/form-data; boundary=b";
    let head =
        "--b\r\ncontent-disposition: form-data; name=\"frame\"\r\ncontent-type: image/png\r\n\r\n";
    for (body, code) in [
        (String::new(), "bad_multipart"),
        ("no boundary in here".to_owned(), "bad_multipart"),
        ("--b\r\n".to_owned(), "bad_multipart"),
        (format!("{head}cut off"), "bad_multipart"),
        ("--b--\r\n".to_owned(), "missing_frame"),
        (format!("--b\r\nx: {}\r\n\r\n\r\n--b--\r\n", "y".repeat(10_000)), "unknown_part"),
    ] {
        let answer = send(request().header("content-type", boundary).body(body.clone())).await;
        assert!(answer.status == 400, "{} to {:.60}: {}", answer.status, body, answer.text);
        answer.refused(400, code);
    }
    assert!(service.trail().await.is_empty());
}

#[sqlx::test]
async fn json_that_cannot_be_used_is_refused_with_the_reason(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let deep = format!(
        "{{\"name\":\"A\",\"metadata\":{}1{}}}",
        "{\"a\":".repeat(5_000),
        "}".repeat(5_000)
    );
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(100_000));
    let post = |body: &[u8], kind: &str| {
        let request = service.request(Method::POST, "/v1/employees").body(body.to_vec());
        if kind.is_empty() { request } else { request.header("content-type", kind) }
    };
    let kind = "application/json";
    for (body, kind, status, code) in [
        (&b""[..], kind, 400, "bad_json"),
        (b"{", kind, 400, "bad_json"),
        (b"{\"name\":\"A\"} trailing", kind, 400, "bad_json"),
        (b"{'name':'A'}", kind, 400, "bad_json"),
        (b"{\"name\":\"\xff\"}", kind, 400, "bad_json"),
        (b"{\"name\":\"\\ud800\"}", kind, 400, "bad_json"),
        (b"{\"name\":\"A\",\"metadata\":{\"a\":1e999}}", kind, 400, "bad_json"),
        (b"null", kind, 422, "bad_value"),
        (b"{\"name\":\"A\",\"name\":\"B\"}", kind, 422, "bad_value"),
        (deep.as_bytes(), kind, 400, "bad_json"),
        (huge.as_bytes(), kind, 413, "body_too_large"),
        (b"{\"name\":\"A\"}", "text/plain", 415, "not_json"),
        (b"{\"name\":\"A\"}", "", 415, "not_json"),
        (b"name=A", "application/x-www-form-urlencoded", 415, "not_json"),
    ] {
        let answer = send(post(body, kind)).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!((answer.status, answer.json["code"].as_str()), (status, Some(code)), "{shown}");
        answer.refused(status, code);
    }
    let people = service.get("/v1/employees").await.expect(200);
    assert_eq!(people["items"], json!([]));
}

#[sqlx::test]
async fn a_wrong_method_or_path_is_a_problem_too(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let odd = Method::from_bytes(b"BREW").unwrap();
    for (method, path) in [
        (Method::PUT, "/v1/employees"),
        (Method::DELETE, "/v1/employees"),
        (Method::GET, "/v1/recognize"),
        (Method::POST, "/healthz"),
        (Method::POST, "/openapi.json"),
        (Method::PUT, "/v1/zones"),
        (Method::POST, "/v1/access-groups/x/members/x"),
        (odd, "/v1/gates"),
    ] {
        send(service.request(method, path)).await.refused(405, "method_not_allowed");
    }
    let long = format!("/{}", "x".repeat(8_000));
    for path in ["/v1", "/v1/employees/", "/v2/employees", "/%ff%00", "/../etc/passwd", &long] {
        service.get(path).await.refused(404, "not_found");
    }
    let named = service.request(Method::GET, "/v1/nothing").header("x-request-id", "call-7");
    assert_eq!(send(named).await.refused(404, "not_found")["instance"], "call-7");
}

#[sqlx::test]
async fn a_body_of_50_mb_is_refused_whether_it_is_announced_or_not(pool: PgPool) {
    let service = TestService::start(&pool).await;
    for (path, kind) in [("/v1/recognize", "image/jpeg"), ("/v1/employees", "application/json")] {
        let request = || service.request(Method::POST, path).header("content-type", kind);
        let refused = |sent: Result<reqwest::Response, reqwest::Error>| match sent {
            Ok(response) => assert_eq!(response.status(), 413),
            // The service answered and hung up while the client was still sending.
            Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
        };
        refused(request().body(vec![0xff; 50_000_000]).send().await);
        let chunks = (0..50).map(|_| Ok::<_, std::io::Error>(vec![0xff; 1_000_000]));
        let body = Body::wrap_stream(futures_util::stream::iter(chunks));
        refused(request().body(body).send().await);
    }
    service.assert_ready().await;
}

#[sqlx::test]
async fn two_hundred_mixed_bad_requests_at_once_give_no_5xx(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let pass = format!("/v1/gates/{gate}/passages");
    let bad = |number: usize| -> RequestBuilder {
        let (name, kind, ..) = BAD_FRAMES[number / 8 % BAD_FRAMES.len()];
        let text = |path: &str, body: String| {
            let request = service.request(Method::POST, path);
            request.header("content-type", "application/json").body(body)
        };
        match number % 8 {
            0 | 1 => service.frame_request("/v1/recognize", frame::bytes(name), kind),
            2 => service
                .frame_request(&pass, frame::bytes(name), kind)
                .header("x-event-id", format!("e-{number}"))
                .header("x-captured-at", chrono::Utc::now().to_rfc3339()),
            3 => service.frame_request(&pass, frame::bytes("obama-1.jpg"), "image/jpeg"),
            4 => text("/v1/employees", "[".repeat(number * 50)),
            5 => text(
                "/v1/gates",
                json!({"name": "x", "open_ms": number}).to_string().replace('1', "-"),
            ),
            6 => service.request(Method::GET, &format!("/v1/employees/{number}")),
            _ => service.bare(Method::PATCH, "/v1/employees"),
        }
    };
    let answers = join_all((0..200).map(|number| send(bad(number)))).await;
    for (number, answer) in answers.iter().enumerate() {
        assert!((400..500).contains(&answer.status), "{number}: {} {}", answer.status, answer.text);
        answer.assert_problem();
    }
    service.assert_ready().await;
    let employee = service.enrolled("obama-1.jpg").await;
    let known = service.post_frame("/v1/recognize", "obama-3.jpg").await.expect(200);
    assert_eq!(known["employee_id"], employee.as_str());
}

/// What is refused before its body was read ends the connection, and must say so: a client that
/// keeps connections would otherwise lose its next request.
#[sqlx::test]
async fn a_refusal_does_not_cost_the_client_its_next_request(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let large = frame::bytes("obama-1.jpg");
    let mut lost = Vec::new();
    for (what, request) in [
        ("413", service.request(Method::POST, "/v1/employees")),
        ("401", service.bare(Method::POST, "/v1/recognize")),
        ("404", service.request(Method::POST, "/v1/nothing")),
        ("405", service.request(Method::PUT, "/v1/employees")),
        ("400", service.request(Method::POST, "/v1/employees/x/faces")),
    ] {
        let request = request.header("content-type", "application/json");
        for _ in 0..10 {
            let refused = request.try_clone().expect("no stream");
            let refused = send(refused.body(large.clone())).await;
            assert_eq!(refused.status.to_string(), what);
            let next = service.request(Method::POST, "/v1/employees").json(&json!({}));
            if next.send().await.is_err() {
                lost.push(what);
            }
        }
    }
    assert!(lost.is_empty(), "the requests after these were lost: {lost:?}");
}
