//! `client/examples/turnstile.c`, compiled as firmware is, at a gate of a real service.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::line::{Line, answer};
use crate::signing::{self, Credential, inputs};

/// The program; warnings are errors.
static TURNSTILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("client");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c");
    let library = ["rustc", "--quiet", "-p", "limen-grant", "--release", "--features", "c"];
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(library).args(["--crate-type", "staticlib", "--target-dir"]).arg(&target);
    let built = cargo.current_dir(&client).status().expect("cargo");
    assert!(built.success(), "{cargo:?}");
    let program = target.join("turnstile-example");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I"]).arg(&client);
    cc.arg(client.join("examples/turnstile.c")).arg(target.join("release/liblimen_grant.a"));
    cc.args(["-lpthread", "-ldl", "-lm", "-o"]).arg(&program);
    assert!(cc.status().expect("a compiler for C").success(), "{cc:?}");
    program
});

/// What a turnstile says of a photo: its exit code and its line.
async fn pass(
    address: SocketAddr,
    public_key: &str,
    credential: &Credential,
    photo: &str,
) -> (i32, String) {
    let frame = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(photo);
    let settings = [
        ("GATE_ID", credential.gate.clone()),
        ("KEY_ID", credential.key.clone()),
        ("SECRET", credential.secret.clone()),
        ("PUBLIC_KEY", public_key.to_owned()),
        // A slow machine is no lost answer.
        ("PATIENCE_MS", "30000".to_owned()),
    ];
    let output = tokio::task::spawn_blocking(move || {
        Command::new(&*TURNSTILE).arg(address.to_string()).arg(frame).envs(settings).output()
    });
    let output = output.await.unwrap().unwrap();
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[sqlx::test]
async fn firmware_in_c_opens_for_who_is_enrolled_and_for_nobody_else(pool: PgPool) {
    let (service, key, credential) = signing::start(&pool).await;
    let pass = async |photo: &str| pass(service.address, &key, &credential, photo).await;
    assert_eq!(pass("obama-3.jpg").await, (0, "open for 4000 ms\n".to_owned()));
    let shut = |why: &str| (1, format!("stay shut: {why}\n"));
    assert_eq!(pass("biden-1.jpg").await, shut("deny: unknown_person"));
    assert_eq!(pass("print-attack-obama.jpg").await, shut("deny: spoof"));
    assert_eq!(pass("no-face-rocket.jpg").await, shut("retry: no_face"));

    let trail = service.trail().await;
    let reasons: Vec<_> = trail.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["no_face", "spoof", "unknown_person", "granted"]);
    // Somebody went through on the grant, and of the rest there is nothing to report.
    let reports = inputs(&service).await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0]["input"], "rotation_done");
    assert_eq!(reports[0]["passage_id"], trail[3]["passage_id"]);
}

#[sqlx::test]
async fn firmware_in_c_asks_again_for_a_lost_answer_and_it_is_one_passage(pool: PgPool) {
    let (service, key, credential) = signing::start(&pool).await;
    let line = Line::losing(service.address, 1).await;
    let opened = pass(line.address, &key, &credential, "obama-3.jpg").await;
    assert_eq!(opened, (0, "open for 4000 ms\n".to_owned()));
    // Lost, repeated, reported.
    assert_eq!(line.asked.load(Ordering::SeqCst), 3);
    let trail = service.trail().await;
    assert_eq!(trail.len(), 1, "{trail:?}");

    // Where every answer to what it asks gets lost it stays shut, and says that nobody went through.
    let line = Line::losing(service.address, 2).await;
    let (code, said) = pass(line.address, &key, &credential, "obama-3.jpg").await;
    assert!(code == 1 && said.starts_with("stay shut: there was no answer"), "{said}");
    assert_eq!(service.trail().await.len(), 2);
    assert_eq!(inputs(&service).await[0]["input"], "grant_unused");

    // That it is refused when it asks again says nothing about the grant whose answer got lost.
    let busy = answer(429, r#"{"code": "overloaded"}"#);
    let line = Line::losing_then_lying(service.address, busy).await;
    let refused = pass(line.address, &key, &credential, "obama-3.jpg").await;
    assert_eq!(refused, (1, "stay shut: refused: 429 overloaded\n".to_owned()));
    let (trail, reports) = (service.trail().await, inputs(&service).await);
    assert_eq!((trail.len(), &trail[0]["reason"]), (3, &json!("granted")));
    assert_eq!(reports[0]["input"], "grant_unused");
    assert_eq!(reports[0]["passage_id"], trail[0]["passage_id"]);
}

#[sqlx::test]
async fn firmware_in_c_opens_for_nobody_who_cannot_sign(pool: PgPool) {
    let (service, key, credential) = signing::start(&pool).await;
    // The key of another service: what this one grants it did not sign.
    let other = limen::access::GrantKey::generate().unwrap().public();
    let refused = pass(service.address, &other, &credential, "obama-3.jpg").await;
    let shut = |why: &str| (1, format!("stay shut: {why}\n"));
    assert_eq!(refused, shut("the token does not hold: not signed by Limen"));
    assert_eq!(inputs(&service).await[0]["input"], "grant_unused");

    let address = service.address;
    drop(service);
    let begun_at = Instant::now();
    let (code, said) = pass(address, &key, &credential, "obama-3.jpg").await;
    assert!(code == 1 && said.starts_with("stay shut: the service cannot be reached"), "{said}");
    // Nothing was sent, so that there is no grant to wait for.
    assert!(begun_at.elapsed() < Duration::from_secs(3), "{:?}", begun_at.elapsed());

    let body = json!({"decision": "grant", "reason": "granted", "open_ms": 4000});
    let lies = [
        (answer(200, &body.to_string()), "grant without a token"),
        (answer(200, "granted"), "there was no answer that can be read within 30000 ms"),
        (
            answer(403, r#"{"code": nulltrue}"#),
            "there was no answer that can be read within 30000 ms",
        ),
        (answer(403, r#"{"code": "wrong_gate", "n": [-1.5e+3, true]}"#), "refused: 403 wrong_gate"),
    ];
    // At once, for each is waited for as long as a grant would hold.
    join_all(lies.map(async |(answer, why)| {
        let liar = Line::lying(answer).await;
        assert_eq!(pass(liar.address, &key, &credential, "obama-3.jpg").await, shut(why));
    }))
    .await;
}

#[test]
fn firmware_in_c_says_what_it_was_not_given() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (arguments, said) in [
        (&[][..], "usage: turnstile HOST:PORT FRAME [BADGE]\n"),
        (&["localhost", "frame.jpg"], "no HOST:PORT: localhost\n"),
        (&[&nobody, "frame.jpg"], "GATE_ID is not set\n"),
        (&[&nobody, "frame.jpg", "B\n1"], "a badge has up to 64 visible characters\n"),
    ] {
        let output = Command::new(&*TURNSTILE).args(arguments).env_clear().output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(String::from_utf8_lossy(&output.stderr), said);
    }
}
