use crate::{Run, command, copy, fixture, prompt_file, read_json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A command with a cache of its own at the hub that listens here.
fn at_hub(listener: &TcpListener, cache: &Path, args: &[&str]) -> Command {
    let mut run = command(args);
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    run.env("HF_ENDPOINT", endpoint).env("HF_HOME", cache).env_remove("HF_HUB_CACHE").env_remove("HF_TOKEN");
    run
}

/// Serves a fixture the way the Hugging Face hub serves a repository: model info, then files with ETag and ranges.
fn serve(listener: TcpListener, folder: &'static str) {
    serve_folder(&listener, &fixture(folder));
}

fn serve_folder(listener: &TcpListener, folder: &Path) {
    for stream in listener.incoming().take(1000).flatten() {
        let folder = folder.to_owned();
        std::thread::spawn(move || answer(stream, &folder));
    }
}

fn answer(mut stream: TcpStream, folder: &Path) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut request, mut range) = (String::new(), None);
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("range: bytes=") {
                let (from, to) = value.trim().split_once('-').unwrap();
                range = Some((from.parse::<usize>().unwrap(), to.parse::<usize>().ok()));
            }
        }
        let path = request.split(' ').nth(1).unwrap().to_owned();
        let reply = reply(&path, folder, range);
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}

fn reply(path: &str, folder: &Path, range: Option<(usize, Option<usize>)>) -> Vec<u8> {
    let head = |status: &str, extra: &str, len: usize| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\nx-repo-commit: abc123\r\n{extra}\r\n").into_bytes()
    };
    if path.starts_with("/api/models/council/tiny") {
        let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap()).filter(|e| e.path().is_file());
        let siblings: Vec<_> =
            names.map(|e| serde_json::json!({"rfilename": e.file_name().to_string_lossy()})).collect();
        let body = serde_json::json!({"sha": "abc123", "siblings": siblings}).to_string();
        return [head("200 OK", "", body.len()), body.into_bytes()].concat();
    }
    let file = path.strip_prefix("/council/tiny/resolve/").and_then(|p| p.split_once('/')).map(|(_, n)| folder.join(n));
    let Some(Ok(bytes)) = file.map(std::fs::read) else { return head("404 Not Found", "", 0) };
    let etag = format!("etag: \"{}\"\r\naccept-ranges: bytes\r\n", bytes.len());
    match range {
        None => [head("200 OK", &etag, bytes.len()), bytes].concat(),
        Some((from, to)) => {
            let to = to.unwrap_or(bytes.len() - 1).min(bytes.len() - 1);
            let extra = format!("{etag}content-range: bytes {from}-{to}/{}\r\n", bytes.len());
            [head("206 Partial Content", &extra, to + 1 - from), bytes[from..=to].to_vec()].concat()
        }
    }
}

#[test]
fn a_hub_id_is_fetched_once_and_then_found_in_the_cache() {
    for folder in ["llada", "dream"] {
        let (cache, listener) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || serve(listener, folder));
        let generate = |model: &str| {
            let mut run = command(
                &["generate", "--model", model, "--prompt", "hello", "--gen-length", "8", "--json", "--alg", "entropy"]
                    [..if folder == "dream" { 10 } else { 8 }],
            );
            run.env("HF_ENDPOINT", &endpoint).env("HF_HOME", cache.path()).output().unwrap()
        };
        let (hub, local) = (generate("council/tiny"), generate(fixture(folder).to_str().unwrap()));
        assert!(hub.status.success(), "{}", String::from_utf8_lossy(&hub.stderr));
        assert_eq!(hub.stdout, local.stdout);
        let missing = generate("council/absent");
        assert_eq!(missing.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&missing.stderr).contains("could not be fetched from the hub"));
    }
}

#[test]
fn a_revision_is_fetched_recorded_and_used_offline() {
    let (cache, listener) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (here, out) = (listener.try_clone().unwrap(), cache.path().join("run"));
    std::thread::spawn(move || serve(listener, "llada"));
    let behaviours = prompt_file(cache.path(), 2);
    let (b, o) = (behaviours.to_str().unwrap(), out.to_str().unwrap());
    let probe = ["probe", "order", "--model", "council/tiny@v1.5", "--behaviors", b, "--benign", b, "--out", o];
    let few = ["--gen-length", "8", "--steps", "4", "--quiet"];
    Run::from(at_hub(&here, cache.path(), &[&probe[..], &few[..]].concat()).output().unwrap()).ok();
    assert_eq!(read_json(&out.join("manifest.json"))["hashes"]["revision"], "abc123");
    let inspect = |id: &str| {
        let mut run = at_hub(&here, cache.path(), &["inspect", id, "--json"]);
        Run::from(run.env("HF_HUB_OFFLINE", "1").output().unwrap())
    };
    assert_eq!(inspect("council/tiny@v1.5").ok().json()[0]["revision"], "abc123");
    for (id, said) in [
        ("council/tiny", "HF_HUB_OFFLINE"),
        ("council/tiny@../x", "branch, tag or commit"),
        ("council/tiny@", "branch, tag or commit"),
        ("../tiny@main", "not a hub id"),
    ] {
        let run = inspect(id);
        assert!(run.code == 2 && run.stderr.contains(said), "{id}: {}", run.stderr);
    }
}

#[test]
fn an_index_that_names_files_elsewhere_ends_the_command_and_writes_nothing_there() {
    for name in ["../../../../../victim", "/tmp/mosa-victim.safetensors"] {
        let folder = copy("dream");
        let index = folder.path().join("model.safetensors.index.json");
        let mut map = read_json(&index);
        map["weight_map"]["model.norm.weight"] = name.into();
        std::fs::write(&index, map.to_string()).unwrap();
        let (place, listener) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        std::fs::write(place.path().join("victim"), "mine").unwrap();
        let (here, cache) = (listener.try_clone().unwrap(), place.path().join("cache"));
        let served = folder.path().to_owned();
        std::thread::spawn(move || serve_folder(&listener, &served));
        let run = Run::from(at_hub(&here, &cache, &["inspect", "council/tiny"]).output().unwrap());
        assert!(run.code == 2 && run.stderr.contains("names the file"), "{}", run.stderr);
        assert_eq!(std::fs::read_to_string(place.path().join("victim")).unwrap(), "mine");
        assert!(!Path::new("/tmp/mosa-victim.safetensors").exists());
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_download_within_a_second() {
    let (cache, listener) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut run = at_hub(&listener, cache.path(), &["inspect", "council/tiny"]);
    let child = run.stderr(std::process::Stdio::piped()).spawn().unwrap();
    // It is asked for the repository and never answers.
    let (stream, _) = listener.accept().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    // SAFETY: the process is our child and has not been waited for.
    #[allow(unsafe_code)]
    let sent = unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    assert_eq!(sent, 0);
    let output = child.wait_with_output().unwrap();
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    drop(stream);
}
