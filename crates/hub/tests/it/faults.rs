//! Bytes that do not come, come otherwise, or come too slowly.

use crate::server::{Act, Server, git_sha1, sha256};
use crate::{COMMIT, Place, all, asks_for, plain, repo, serve, weights};
use mosa_hub::{HubError, Settings};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn headers(etag: &str) -> String {
    let weak = if etag.starts_with("W/") { etag.to_owned() } else { format!("\"{etag}\"") };
    format!("x-repo-commit: {COMMIT}\r\netag: {weak}\r\n")
}

/// Whether a whole file of weights got its name.
fn named(place: &Place) -> bool {
    let files = all(&place.cache());
    files.iter().any(|f| f.ends_with("model.safetensors") && f.contains("snapshots"))
}

/// Afterwards a hub without faults gives a checkpoint that is right.
fn recovers(place: &Place) {
    let snapshot = place.get(&plain(repo())).unwrap();
    assert_eq!(std::fs::read(snapshot.dir.join("model.safetensors")).unwrap(), weights(100_000));
    let left: Vec<String> = all(&place.cache()).into_iter().filter(|f| f.contains("incomplete")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn bytes_with_another_hash_than_announced_are_removed() {
    let right = repo().files["model.safetensors"].clone();
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    for etag in [sha256(&right), git_sha1(&right), format!("W/\"{}\"", sha256(&right))] {
        let sent = wrong.clone();
        let server = serve(repo(), move |_, asked| {
            asks_for(asked, "model.safetensors").then(|| Act::Reply(200, headers(&etag), sent.clone()))
        });
        let place = Place::new();
        let error = place.refused(&server);
        assert!(error.contains("model.safetensors") && error.contains(&sha256(&wrong)), "{error}");
        assert!(!named(&place) && !all(&place.cache()).iter().any(|f| f.contains("incomplete")));
        recovers(&place);
    }
}

#[test]
fn small_files_are_checked_by_the_hash_git_gives_them() {
    let server = serve(repo(), |repo, asked| {
        let bytes = repo.files.iter().find(|(n, _)| asks_for(asked, n)).map(|(_, b)| b);
        bytes.filter(|_| !asked.path.starts_with("/api/")).map(|b| repo.file(asked, b, &git_sha1(b)))
    });
    let place = Place::new();
    let snapshot = place.get(&server).unwrap();
    let blob = snapshot.dir.join("config.json").canonicalize().unwrap();
    assert_eq!(blob.file_name().unwrap().to_str().unwrap(), git_sha1(&repo().files["config.json"]));
}

#[test]
fn a_body_without_length_and_hash_is_refused_and_one_with_a_hash_is_checked() {
    let bytes = repo().files["model.safetensors"].clone();
    for (etag, keep, said) in [
        ("unknown".to_owned(), bytes.len(), Some("neither length nor hash")),
        ("unknown".to_owned(), bytes.len() - 50, Some("neither length nor hash")),
        (sha256(&bytes), bytes.len() - 50, Some("is not what was announced")),
        (sha256(&bytes), bytes.len(), None),
    ] {
        let sent = bytes[..keep].to_vec();
        let server = serve(repo(), move |_, asked| {
            asks_for(asked, "model.safetensors").then(|| Act::Unframed(headers(&etag), sent.clone()))
        });
        let place = Place::new();
        match said {
            None => drop(place.get(&server).unwrap()),
            Some(said) => {
                let error = place.refused(&server);
                assert!(error.contains(said), "{error}");
                assert!(!named(&place));
                recovers(&place);
            }
        }
    }
}

#[test]
fn a_body_that_always_breaks_off_is_never_taken_for_whole() {
    for etag in ["unknown".to_owned(), sha256(&weights(100_000))] {
        let server = serve(repo(), move |repo, asked| {
            let bytes = repo.files["model.safetensors"].clone();
            asks_for(asked, "model.safetensors").then(|| Act::Cut(headers(&etag), bytes, 5000))
        });
        let place = Place::new();
        let error = place.refused(&server);
        assert!(error.contains("model.safetensors"), "{error}");
        assert!(!named(&place));
        recovers(&place);
    }
}

#[test]
fn a_body_in_parts_is_whole_with_its_last_one_only() {
    for whole in [true, false] {
        let server = serve(repo(), move |repo, asked| {
            let bytes = repo.files["config.json"].clone();
            asks_for(asked, "config.json").then(|| Act::Chunked(headers("unknown"), bytes, whole))
        });
        let place = Place::new();
        if whole {
            place.get(&server).unwrap();
        } else {
            assert!(place.refused(&server).contains("config.json"));
            assert!(!all(&place.cache()).iter().any(|f| f.contains("config.json")));
        }
    }
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let cut = AtomicUsize::new(0);
    let server = serve(repo(), move |repo, asked| {
        let bytes = repo.files["model.safetensors"].clone();
        let first = asks_for(asked, "model.safetensors") && cut.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Act::Cut(headers(&sha256(&bytes)), bytes, 60_000))
    });
    let place = Place::new();
    let snapshot = place.get(&server).unwrap();
    assert_eq!(std::fs::read(snapshot.dir.join("model.safetensors")).unwrap(), weights(100_000));
    let from: Vec<_> =
        server.asked().into_iter().filter(|a| asks_for(a, "model.safetensors")).map(|a| a.from).collect();
    assert!(from.len() == 2 && from[0].is_none() && from[1].is_some_and(|n| n > 0 && n <= 60_000), "{from:?}");
}

#[test]
fn another_part_than_the_one_asked_for_is_refused() {
    let server = serve(repo(), move |repo, asked| {
        let bytes = repo.files["model.safetensors"].clone();
        let head = headers(&sha256(&bytes));
        match (asks_for(asked, "model.safetensors"), asked.from) {
            (true, None) => Some(Act::Cut(head, bytes, 60_000)),
            (true, Some(_)) => Some(Act::Reply(206, head + "content-range: bytes 0-9/100\r\n", bytes[..10].to_vec())),
            _ => None,
        }
    });
    let place = Place::new();
    let error = place.refused(&server);
    assert!(error.contains("another one came") && !named(&place), "{error}");
    recovers(&place);
}

#[test]
fn more_bytes_than_announced_are_refused() {
    let server = serve(repo(), |repo, asked| {
        let mut bytes = repo.files["model.safetensors"].clone();
        let size = bytes.len();
        bytes.extend([0; 1000]);
        let head = format!("{}x-linked-etag: \"{}\"\r\nx-linked-size: {size}\r\n", headers("x"), sha256(&bytes));
        asks_for(asked, "model.safetensors").then_some(Act::Unframed(head, bytes))
    });
    let place = Place::new();
    let error = place.refused(&server);
    assert!(error.contains("more came") && !named(&place), "{error}");
}

#[test]
fn a_hub_that_falls_silent_is_given_up() {
    let server = serve(repo(), |_, asked| {
        asks_for(asked, "tokenizer.json").then(|| Act::Stall(headers("x"), b"{".to_vec(), Duration::from_secs(20)))
    });
    let place = Place::new();
    let settings = Settings { timeout: Duration::from_millis(300), ..place.settings(&server.base) };
    let start = Instant::now();
    let error = place.with(settings, "main").unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && start.elapsed() < Duration::from_secs(10), "{error}");
}

#[test]
fn an_interrupt_ends_every_wait_within_a_second() {
    for at in ["/api/", "/resolve/main/tokenizer.json"] {
        let server = serve(repo(), move |_, asked| {
            asked.path.contains(at).then(|| Act::Stall(headers("x"), b"{".to_vec(), Duration::from_secs(5)))
        });
        let place = Place::new();
        let (interrupt, start) = (place.interrupt.clone(), Instant::now());
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            interrupt.ask();
        });
        let settings = Settings { timeout: Duration::from_secs(30), ..place.settings(&server.base) };
        let error = place.with(settings, "main").unwrap_err();
        assert!(matches!(error, HubError::Interrupted), "{error}");
        assert!(start.elapsed() < Duration::from_millis(1400), "{:?}", start.elapsed());
    }
}

#[test]
fn what_fails_in_passing_is_asked_again() {
    let count = AtomicUsize::new(0);
    let server = serve(repo(), move |_, asked| {
        let first = asked.path.starts_with("/api/") && count.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Act::Reply(503, String::new(), Vec::new()))
    });
    Place::new().get(&server).unwrap();
    let gone = Server::start(|_| Act::Reply(404, String::new(), Vec::new()));
    let error = Place::new().refused(&gone);
    assert!(error.contains("no such repository") && gone.asked().len() == 1, "{error}");
}
