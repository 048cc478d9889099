//! An OpenID provider of a test's own.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use limen::config::{Config, PasswordText};
use limen::domain::Scope;
use limen::http::OIDC_CALLBACK;
use serde_json::Value;

/// Runs until it is dropped.
pub struct OpenId {
    process: Child,
    /// It may say more, and ends where nobody would hear it.
    _output: BufReader<ChildStdout>,
    /// What it names itself.
    pub issuer: String,
}

impl OpenId {
    /// A real one, tests/openid/provider.mjs, that sends people back to a service that is reached at `base`;
    /// `different` names how it differs from others.
    pub fn start(base: &str, different: &[&str]) -> Self {
        Self::run("provider.mjs", &format!("{base}{OIDC_CALLBACK}"), different)
    }

    /// One that signs what it is told to, tests/openid/liar.mjs.
    pub fn liar() -> Self {
        Self::run("liar.mjs", "", &[])
    }

    /// What a liar says in the place of what is true.
    pub async fn says(&self, lies: &Value) {
        let url = format!("{}/says", self.issuer);
        let answer = reqwest::Client::new().post(url).body(lies.to_string()).send().await;
        answer.unwrap().error_for_status().unwrap();
    }

    fn run(script: &str, argument: &str, different: &[&str]) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openid/");
        let mut process = Command::new("node")
            .args([&format!("{folder}{script}"), argument])
            .envs(different.iter().map(|name| (name, "1")))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node");
        let mut issuer = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("its output"));
        output.read_line(&mut issuer).unwrap();
        let issuer = issuer.trim().to_owned();
        assert!(!issuer.is_empty(), "no provider: run these tests by `./dev test`");
        Self { process, _output: output, issuer }
    }

    /// Has a service that is reached at `base` sign people in by it.
    pub fn configure(&self, config: &mut Config, base: &str) {
        config.server.base_url = Some(base.parse().unwrap());
        config.oidc.issuer = Some(self.issuer.clone());
        config.oidc.name = "Example".to_owned();
        config.oidc.client_secret = Some(PasswordText("between the two of us".to_owned()));
        let roles = [("security-desk", Scope::Officer), ("it", Scope::Admin)];
        config.oidc.roles = roles.map(|(group, scope)| (group.to_owned(), [scope].into())).into();
    }

    /// Gives somebody other groups, as their directory would.
    pub async fn regroup(&self, person: &str, groups: &str) {
        let url = format!("{}/people/{person}?groups={groups}", self.issuer);
        reqwest::get(url).await.unwrap().error_for_status().unwrap();
    }
}

impl Drop for OpenId {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
