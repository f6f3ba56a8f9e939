use crate::{command, fixture};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

/// Serves a fixture the way the Hugging Face hub serves a repository: model info, then files with ETag and ranges.
fn serve(listener: TcpListener, folder: &'static str) {
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(stream, &fixture(folder)));
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
    let file = path.strip_prefix("/council/tiny/resolve/main/").map(|n| folder.join(n));
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
