//! The token goes to the endpoint and to no other host.

use crate::server::{Act, Server, sha256};
use crate::{COMMIT, Place, asks_for, repo, serve, weights};
use mosa_hub::Settings;
use std::time::Duration;

#[test]
fn a_redirect_to_another_host_does_not_get_the_token() {
    for status in [301, 302, 303, 307, 308] {
        let other = Server::start(|_| Act::Reply(200, "etag: \"of-the-other\"\r\n".into(), weights(100_000)));
        let target = format!("{}/bucket/blob?signature=1", other.base);
        let hash = sha256(&weights(100_000));
        let hub = serve(repo(), move |_, asked| {
            let headers = format!(
                "location: {target}\r\nx-repo-commit: {COMMIT}\r\nx-linked-etag: \"{hash}\"\r\nx-linked-size: {}\r\n",
                weights(100_000).len()
            );
            asks_for(asked, "model.safetensors").then(|| Act::Reply(status, headers, Vec::new()))
        });
        let place = Place::new();
        let snapshot = place.get(&hub).unwrap();
        assert!(hub.asked().iter().all(|a| a.token.as_deref() == Some("Bearer hf_secret")));
        let there = other.asked();
        assert!(there.len() == 1 && there[0].token.is_none(), "{there:?}");
        assert_eq!(std::fs::read(snapshot.dir.join("model.safetensors")).unwrap(), weights(100_000));
    }
}

#[test]
fn the_description_of_a_repository_may_be_redirected_without_the_token() {
    let other = Server::start(|asked| repo().serve(asked));
    let base = other.base.clone();
    let hub = Server::start(move |asked| Act::Reply(307, format!("location: {base}{}\r\n", asked.path), Vec::new()));
    Place::new().get(&hub).unwrap();
    assert!(!other.asked().is_empty() && other.asked().iter().all(|a| a.token.is_none()), "{:?}", other.asked());
}

#[test]
fn a_redirect_on_the_same_host_keeps_the_token() {
    let hub = serve(repo(), |repo, asked| {
        if asks_for(asked, "tokenizer.json") && asked.path.contains("/resolve/") {
            let to = format!("location: /cache/tokenizer.json\r\nx-repo-commit: {COMMIT}\r\n");
            return Some(Act::Reply(307, to, Vec::new()));
        }
        let bytes = &repo.files["tokenizer.json"];
        (asked.path == "/cache/tokenizer.json").then(|| repo.file(asked, bytes, &sha256(bytes)))
    });
    Place::new().get(&hub).unwrap();
    let inner: Vec<_> = hub.asked().into_iter().filter(|a| a.path.starts_with("/cache/")).collect();
    assert!(inner.len() == 1 && inner[0].token.is_some(), "{inner:?}");
}

#[test]
fn redirects_that_lead_nowhere_end() {
    for (to, said) in [("/api/models/council/tiny/revision/main", "redirects"), ("file:///etc/passwd", "no address")] {
        let hub = Server::start(move |_| Act::Reply(302, format!("location: {to}\r\n"), Vec::new()));
        let error = Place::new().refused(&hub);
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn without_a_token_none_is_sent_and_a_gate_says_what_to_do() {
    let hub = Server::start(|_| Act::Reply(401, String::new(), Vec::new()));
    let place = Place::new();
    let settings = Settings { token: None, timeout: Duration::from_secs(2), ..place.settings(&hub.base) };
    let error = place.with(settings, "main").unwrap_err().to_string();
    assert!(error.contains("HF_TOKEN") && error.contains("401"), "{error}");
    assert!(hub.asked().iter().all(|a| a.token.is_none()));
    let error = place.get(&hub).unwrap_err().to_string();
    assert!(error.contains("accept its terms") && !error.contains("hf_secret"), "{error}");
}
