//! Names, commits and tags that would become paths.

use crate::server::{Act, sha256};
use crate::{COMMIT, Place, all, asks_for, plain, repo, serve, sharded};

const PATHS: [&str; 9] = [
    "../../../../precious",
    "/etc/precious",
    "..",
    ".",
    "a/../../b.safetensors",
    "sub/model.safetensors",
    "..\\..\\precious.safetensors",
    "C:\\precious.safetensors",
    "model\0.safetensors",
];

#[test]
fn an_index_that_names_other_than_plain_files_is_refused_before_any_of_them_is_fetched() {
    for name in PATHS.into_iter().chain(["", "config.json", "model.safetensors.exe", ".hidden.safetensors"]) {
        let mut repo = sharded();
        let index = serde_json::json!({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": name}});
        repo.files.insert("model.safetensors.index.json".into(), index.to_string().into_bytes());
        repo.files.insert(name.into(), b"x".to_vec());
        let (place, server) = (Place::new(), plain(repo));
        let error = place.refused(&server);
        assert!(
            error.contains("model.safetensors.index.json") && error.contains("names the file"),
            "{name:?}: {error}"
        );
        let fetched = server.asked().into_iter().filter(|a| a.path.ends_with(".safetensors")).count();
        assert_eq!(fetched, 0, "{name:?}");
    }
}

#[test]
fn files_a_repository_lists_under_paths_are_never_asked_for() {
    let mut listed = repo();
    for name in PATHS {
        listed.files.insert(name.into(), b"x".to_vec());
    }
    let (place, server) = (Place::new(), plain(listed));
    place.get(&server).unwrap();
    place.untouched();
    assert!(server.asked().iter().all(|a| !a.path.contains("precious") && !a.path.contains("..")));
}

#[test]
fn a_commit_that_is_no_hash_is_refused_wherever_it_is_named() {
    for bad in ["../../../../x", "/tmp/x", "..", "", "main", "0123456789ABCDEF", "0123", &"0".repeat(65), "a\u{1b}[2J"]
    {
        let mut named = repo();
        named.commit = bad.to_owned();
        let error = Place::new().refused(&plain(named));
        assert!(error.contains("commit") && !error.contains('\u{1b}'), "{bad:?}: {error}");
        if bad.is_empty() || !bad.is_ascii() || bad.contains('\u{1b}') {
            continue;
        }
        let header = format!("x-repo-commit: {bad}\r\n");
        let server = serve(repo(), move |repo, asked| {
            let bytes = repo.files["config.json"].clone();
            asks_for(asked, "config.json").then(|| Act::Reply(200, header.clone(), bytes))
        });
        let place = Place::new();
        let error = place.refused(&server);
        assert!(error.contains("commit"), "{bad:?}: {error}");
        assert!(!all(&place.cache()).iter().any(|f| f.contains("config.json")));
    }
}

#[test]
fn files_of_another_commit_than_the_list_are_refused() {
    let server = serve(repo(), |repo, asked| {
        let bytes = repo.files["tokenizer.json"].clone();
        let headers = format!("x-repo-commit: {}\r\n", COMMIT.replace('0', "f"));
        asks_for(asked, "tokenizer.json").then_some(Act::Reply(200, headers, bytes))
    });
    let error = Place::new().refused(&server);
    assert!(error.contains("try again") && error.contains(COMMIT), "{error}");
}

#[test]
fn a_tag_never_becomes_a_path() {
    for etag in ["../../../../precious", "/tmp/mosa-precious", "..", "x/y", "a\\b", "5f3-60c", "12", ""] {
        let server = serve(repo(), move |repo, asked| {
            let bytes = repo.files["config.json"].clone();
            asks_for(asked, "config.json").then(|| repo.file(asked, &bytes, etag))
        });
        let place = Place::new();
        let snapshot = place.get(&server).unwrap();
        place.untouched();
        // The file is there, under the name of what it is.
        let config = snapshot.dir.join("config.json");
        assert_eq!(std::fs::read(&config).unwrap(), repo().files["config.json"]);
        let blob = place.repository().join("blobs").join(sha256(&repo().files["config.json"]));
        assert_eq!(config.canonicalize().unwrap(), blob.canonicalize().unwrap(), "{etag:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_the_cache_that_leads_out_of_it_is_replaced_and_what_it_leads_to_stays() {
    let (place, server) = (Place::new(), plain(repo()));
    let snapshot = place.get(&server).unwrap();
    let config = snapshot.dir.join("config.json");
    std::fs::remove_file(&config).unwrap();
    std::os::unix::fs::symlink(place.dir.path().join("precious"), &config).unwrap();
    place.get(&server).unwrap();
    place.untouched();
    assert_eq!(std::fs::read(&config).unwrap(), repo().files["config.json"]);
}

#[test]
fn an_answer_that_is_no_description_of_a_repository_is_refused() {
    for body in ["<html>sign in</html>", "[]", "{\"sha\": 5}", "{\"sha\": \"0123456789ab\"}"] {
        let server = serve(repo(), move |_, asked| {
            asked.path.starts_with("/api/").then(|| Act::Reply(200, String::new(), body.into()))
        });
        let error = Place::new().refused(&server);
        assert!(error.contains("describes a repository"), "{error}");
    }
}
