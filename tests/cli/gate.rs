//! `limen gate`, and what `limen secrets` knows of the secrets of gates.

use serde_json::Value;
use sqlx::PgPool;

use super::{text, with_database};

async fn succeeds(pool: &PgPool, arguments: &[&str]) -> String {
    let output = with_database(pool, arguments).await.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[sqlx::test]
async fn a_gate_is_added_with_a_secret_that_is_shown_once_and_can_be_replaced(pool: PgPool) {
    let added = succeeds(&pool, &["gate", "add", "north", "--direction", "out", "--json"]).await;
    let added: Value = serde_json::from_str(&added).unwrap();
    let [gate, key, secret] =
        ["gate_id", "key_id", "secret"].map(|name| added[name].as_str().unwrap());
    let listed = succeeds(&pool, &["gate", "list"]).await;
    let row = listed.lines().find(|line| line.contains(gate)).expect("the gate");
    for part in ["north", "badge_or_face", "out", key, "true"] {
        assert!(row.contains(part), "no {part} in {row}");
    }
    assert!(!listed.contains(secret));

    let shown = succeeds(&pool, &["gate", "credential", gate, "--overlap", "0s"]).await;
    let new = shown.lines().find_map(|line| line.strip_prefix("key_id ")).unwrap().trim();
    assert!(shown.contains(gate) && !shown.contains(key) && !shown.contains(secret), "{shown}");
    let listed = succeeds(&pool, &["gate", "list"]).await;
    assert!(listed.contains(new) && !listed.contains(key), "{listed}");
    let authors: Vec<String> = sqlx::query_scalar("select author from changes order by position")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert!(authors.iter().all(|author| author.contains("gate")), "{authors:?}");

    let status = succeeds(&pool, &["secrets", "status"]).await;
    let sealed = |line: &str| line.ends_with("| 0         | 1     | 0        | 0      | seals |");
    assert!(status.lines().any(sealed), "{status}");
    for wrong in [
        &["gate", "add", "north"][..],
        &["gate", "add", "south", "--mode", "badge"],
        &["gate", "credential", gate, "--overlap", "31d"],
        &["gate", "credential", key],
    ] {
        let output = with_database(&pool, wrong).await.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", text(&output));
    }
}
