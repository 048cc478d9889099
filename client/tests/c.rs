//! `limen_grant.h` as a program in C uses it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use limen_grant::{Grant, Hex, Request, body_hash, sign};

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_program_in_c_signs_and_opens_on_what_was_signed_and_on_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("c");
    let library = [
        "rustc",
        "--quiet",
        "-p",
        "limen-grant",
        "--release",
        "--features",
        "c",
        "--crate-type",
        "staticlib",
        "--target-dir",
    ];
    run(Command::new(env!("CARGO")).args(library).arg(&target).current_dir(root));
    let program = target.join("turnstile");
    run(Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root)
        .arg(root.join("tests/turnstile.c"))
        .arg(target.join("release/liblimen_grant.a"))
        .args(["-lpthread", "-ldl", "-lm", "-o"])
        .arg(&program));

    let key = SigningKey::from_bytes(&[7; 32]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let gate = [1; 16];
    let grant = Grant { gate, passage: [2; 16], expires_at_ms: now + 3_000, open_ms: 2_500 };
    let token = sign(&key, &grant, "event-1").expect("a token");
    let asks = |event: &str, now: u64, token: &str| {
        let public = hex(key.verifying_key().as_bytes());
        let now = now.to_string();
        run(Command::new(&program).args([&public, &hex(&gate), event, &now, token]))
    };
    assert_eq!(asks("event-1", now, token.as_str()), "0 2500\n");
    assert_eq!(asks("event-2", now, token.as_str()), "6 0\n");
    assert_eq!(asks("event-1", now + 3_000, token.as_str()), "7 0\n");
    assert_eq!(asks("event-1", now - 3_000, token.as_str()), "8 0\n");
    assert_eq!(asks("event-1", now, "no token"), "1 0\n");

    let secret = [9; 32];
    for (body, badge) in [("frame", "B-1"), ("", "")] {
        let request = Request {
            method: "POST",
            path: "/v1/gates/G/passages",
            content_type: "image/jpeg",
            body_sha256: body_hash(body.as_bytes()),
            timestamp_us: 1_800_000_000_000_000,
            nonce: "q83vASNFZ4mrze8B",
            event: "event-1",
            captured_at: "2027-01-15T08:00:00.000Z",
            badge,
        };
        let arguments =
            ["sign", &hex(&secret), request.path, body, "1800000000000000", "event-1", badge];
        let signature = request.sign(&secret);
        let signed = format!("{} {}\n", Hex(&request.body_sha256), signature.as_str());
        assert_eq!(run(Command::new(&program).args(arguments)), signed);
    }
}
