//! What the cache has, and what it takes to use it.

use crate::server::{Act, Server};
use crate::{COMMIT, Place, all, plain, repo, serve, sharded, weights};
use mosa_hub::Settings;
use std::fs;

#[test]
fn a_whole_snapshot_is_used_without_the_network() {
    for repo in [repo(), sharded()] {
        let (place, server) = (Place::new(), plain(repo));
        let first = place.get(&server).unwrap();
        assert_eq!(first.commit.as_str(), COMMIT);
        let asked = server.asked().len();
        assert_eq!(place.get(&server).unwrap(), first);
        assert_eq!(server.asked().len(), asked);
        assert_eq!(place.offline().unwrap(), first);
        // A commit that is there needs no branch.
        let settings = Settings { offline: true, ..place.settings(&server.base) };
        assert_eq!(place.with(settings, COMMIT).unwrap(), first);
    }
}

#[test]
fn the_cache_is_laid_out_as_huggingface_hub_lays_it_out() {
    let place = Place::new();
    let snapshot = place.get(&plain(repo())).unwrap();
    let files = all(&place.repository());
    let blobs = files.iter().filter(|f| f.starts_with("blobs/")).count();
    assert_eq!(blobs, 3, "{files:?}");
    assert_eq!(fs::read_to_string(place.repository().join("refs/main")).unwrap(), COMMIT);
    assert_eq!(snapshot.dir, place.repository().join("snapshots").join(COMMIT));
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let link = fs::read_link(snapshot.dir.join(name)).unwrap();
        assert!(link.starts_with("../../blobs"), "{link:?}");
    }
    // What the commit lacks is noted the way `huggingface_hub` notes it, and what is not needed is not there.
    assert!(place.repository().join(format!(".no_exist/{COMMIT}/vocab.json")).exists());
    assert!(!files.iter().any(|f| f.contains("README")));
}

#[test]
fn a_cached_file_that_is_broken_is_fetched_again() {
    for (name, keep) in
        [("model.safetensors", 500), ("model.safetensors", 0), ("config.json", 5), ("tokenizer.json", 0)]
    {
        let (place, server) = (Place::new(), plain(repo()));
        let snapshot = place.get(&server).unwrap();
        let path = snapshot.dir.join(name);
        let bytes = fs::read(&path).unwrap();
        let blob = path.canonicalize().unwrap();
        fs::write(&blob, &bytes[..keep]).unwrap();
        let error = place.offline().unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("broken") && error.contains("HF_HUB_OFFLINE"), "{error}");
        place.get(&server).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert!(place.notes().contains(name), "{}", place.notes());
    }
}

#[test]
fn a_file_that_is_missing_is_fetched_alone() {
    let (place, server) = (Place::new(), plain(sharded()));
    let snapshot = place.get(&server).unwrap();
    let gone = "model-00002-of-00002.safetensors";
    fs::remove_file(snapshot.dir.join(gone)).unwrap();
    let error = place.offline().unwrap_err().to_string();
    assert!(error.contains(gone) && error.contains("missing"), "{error}");
    let before = server.asked().len();
    place.get(&server).unwrap();
    let asked: Vec<String> = server.asked()[before..].iter().map(|a| a.path.clone()).collect();
    assert!(asked.len() == 2 && asked[0].starts_with("/api/") && asked[1].ends_with(gone), "{asked:?}");
    assert_eq!(fs::read(snapshot.dir.join(gone)).unwrap(), weights(11));
}

#[test]
fn a_cache_of_huggingface_hub_is_used_and_looked_after_once() {
    let (place, server) = (Place::new(), plain(repo()));
    place.get(&server).unwrap();
    // That client does not note what it was not asked for.
    fs::remove_dir_all(place.repository().join(".no_exist")).unwrap();
    place.offline().unwrap();
    let away = Settings { endpoint: "http://127.0.0.1:9".into(), ..place.settings("") };
    place.with(away, "main").unwrap();
    assert!(place.notes().contains("cannot be asked") && place.notes().contains(COMMIT), "{}", place.notes());
    let before = server.asked().len();
    place.get(&server).unwrap();
    assert_eq!(server.asked().len(), before + 1, "only the list is asked for");
    place.get(&server).unwrap();
    assert_eq!(server.asked().len(), before + 1);
}

#[test]
fn offline_says_what_is_missing() {
    let error = Place::new().offline().unwrap_err().to_string();
    assert!(error.contains("council/tiny") && error.contains("HF_HUB_OFFLINE") && error.contains("main"), "{error}");
}

#[test]
fn a_revision_is_asked_for_by_its_name_and_noted() {
    for (revision, path) in [("v1.0", "v1.0"), ("refs/pr/3", "refs%2Fpr%2F3"), (COMMIT, COMMIT)] {
        let (place, server) = (Place::new(), plain(repo()));
        let settings = place.settings(&server.base);
        let snapshot = place.with(settings.clone(), revision).unwrap();
        assert_eq!(snapshot.commit.as_str(), COMMIT);
        assert!(server.asked().iter().all(|a| a.path.contains(path)), "{:?}", server.asked());
        assert_eq!(place.with(Settings { offline: true, ..settings }, revision).unwrap(), snapshot);
        assert!(place.offline().is_err(), "another branch is not there");
    }
    let other = COMMIT.replace('0', "9");
    let (place, server) = (Place::new(), plain(repo()));
    let error = place.with(place.settings(&server.base), &other).unwrap_err().to_string();
    assert!(error.contains(&other) && error.contains(COMMIT), "{error}");
}

#[test]
fn a_repository_that_is_no_checkpoint_says_so_before_it_is_fetched() {
    for (gone, extra, said) in [
        ("config.json", None, "config.json"),
        ("model.safetensors", None, "no safetensors weights"),
        ("model.safetensors", Some("pytorch_model.bin"), "pytorch_model.bin"),
        ("model.safetensors", Some("model.gguf"), "model.gguf"),
    ] {
        let mut repo = repo();
        repo.files.remove(gone);
        if let Some(name) = extra {
            repo.files.insert(name.into(), b"x".to_vec());
        }
        let server = plain(repo);
        let error = Place::new().refused(&server);
        assert!(error.contains(said) && error.contains("council/tiny"), "{error}");
        assert!(extra.is_none_or(|name| server.asked().iter().all(|a| !a.path.ends_with(name))));
    }
    let mut lying = sharded();
    lying.files.remove("model-00002-of-00002.safetensors");
    let error = Place::new().refused(&plain(lying));
    assert!(error.contains("model-00002-of-00002.safetensors"), "{error}");
}

#[test]
fn shards_without_an_index_are_fetched() {
    let mut repo = sharded();
    repo.files.remove("model.safetensors.index.json");
    let (place, server) = (Place::new(), plain(repo));
    let snapshot = place.get(&server).unwrap();
    assert!(snapshot.dir.join("model-00002-of-00002.safetensors").exists());
    let before = server.asked().len();
    place.get(&server).unwrap();
    assert_eq!(server.asked().len(), before);
}

#[test]
fn two_at_once_fetch_each_file_once() {
    let server = serve(repo(), |repo, asked| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        Some(repo.serve(asked))
    });
    let place = Place::new();
    std::thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| place.get(&server))).collect();
        for one in both {
            one.join().unwrap().unwrap();
        }
    });
    place.offline().unwrap();
    assert!(!all(&place.cache()).iter().any(|f| f.contains("incomplete")));
}

#[test]
fn a_hub_that_is_away_is_named() {
    let place = Place::new();
    let error = place.with(place.settings("http://127.0.0.1:9"), "main").unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:9"), "{error}");
    let silent = Server::start(|_| Act::Reply(500, String::new(), Vec::new()));
    assert!(place.get(&silent).unwrap_err().to_string().contains("500"));
}
