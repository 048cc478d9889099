//! `limen audit`: whether the trail is as it was written.

use sqlx::PgPool;

use super::{limen, text, with_database};

#[sqlx::test]
async fn an_altered_trail_is_named_and_the_exit_status_is_1(pool: PgPool) {
    let run = async |arguments: &[&str]| with_database(&pool, arguments).await.output().unwrap();
    assert_eq!(run(&["migrate"]).await.status.code(), Some(0));
    for name in ["one", "two"] {
        let key = run(&["key", "create", "--name", name, "--scope", "viewer"]).await;
        assert_eq!(key.status.code(), Some(0), "{}", text(&key));
    }
    let sound = run(&["audit", "verify"]).await;
    assert_eq!(sound.status.code(), Some(0), "{}", text(&sound));
    assert!(text(&sound).contains("2 records in 1 chains: all as written"), "{}", text(&sound));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heads");
    let heads = run(&["audit", "heads"]).await;
    std::fs::write(&file, &heads.stdout).unwrap();
    let kept = ["audit", "verify", "--heads", file.to_str().unwrap()];
    assert_eq!(run(&kept).await.status.code(), Some(0));

    sqlx::query("update changes set author = 'nobody' where position = 2")
        .execute(&pool)
        .await
        .unwrap();
    let altered = run(&["audit", "verify"]).await;
    assert_eq!(altered.status.code(), Some(1), "{}", text(&altered));
    let id: String = sqlx::query_scalar("select id::text from changes where position = 2")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(text(&altered).contains(&id), "{}", text(&altered));
    let json = run(&["audit", "verify", "--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["faults"][0]["record_id"], id.as_str(), "{json}");

    // Heads of somebody else, and what is no head.
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE";
    let mut strangers = with_database(&pool, &kept).await;
    let strangers = strangers.env("LIMEN_SECRETS__KEYS", key).output().unwrap();
    assert_eq!(strangers.status.code(), Some(1));
    assert!(text(&strangers).contains("no valid signature"), "{}", text(&strangers));
    std::fs::write(&file, "{\"length\": 1}").unwrap();
    let nonsense = run(&kept).await;
    assert_eq!(nonsense.status.code(), Some(1));
    assert!(text(&nonsense).contains("line 1"), "{}", text(&nonsense));
}

/// One in 64 does.
#[test]
fn a_public_key_may_begin_with_a_hyphen() {
    for command in ["verify", "take-over"] {
        let output = limen(&["audit", command, "--public-key", "-no-key"]).output().unwrap();
        assert!(text(&output).contains("invalid value '-no-key'"), "{}", text(&output));
    }
}
