//! A hub on this machine that behaves as a test asks it to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a client asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub path: String,
    pub token: Option<String>,
    pub from: Option<usize>,
}

/// What the server does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Status, headers with line ends, body; the length is said.
    Reply(u16, String, Vec<u8>),
    /// Headers and a body without a length: the end of the connection is its end.
    Unframed(String, Vec<u8>),
    /// The length of a whole body, of which only the beginning comes.
    Cut(String, Vec<u8>, usize),
    /// A body in parts with their lengths; without the last one if it is not whole.
    Chunked(String, Vec<u8>, bool),
    /// Headers and the beginning of a body, and then nothing for so long.
    Stall(String, Vec<u8>, Duration),
}

/// A server with the addresses it was asked for.
pub(crate) struct Server {
    pub base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) fn start(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, act) = (Arc::clone(&asked), Arc::new(act));
        std::thread::spawn(move || {
            for stream in listener.incoming().take(500).flatten() {
                let (seen, act) = (Arc::clone(&seen), Arc::clone(&act));
                std::thread::spawn(move || answer(stream, &seen, &*act));
            }
        });
        Self { base, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request per connection.
fn answer(mut stream: TcpStream, seen: &Mutex<Vec<Asked>>, act: &dyn Fn(&Asked) -> Act) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = lines
        .take_while(|l| !l.is_empty())
        .filter_map(|l| l.split_once(':').map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned())))
        .collect();
    let header = |name: &str| headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
    let from = header("range").and_then(|r| r.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok());
    let asked = Asked { path, token: header("authorization"), from };
    seen.lock().unwrap().push(asked.clone());
    let mut send = |head: String, body: &[u8]| {
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).and_then(|()| stream.flush());
    };
    let head = |status: u16, headers: &str| format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}");
    match act(&asked) {
        Act::Reply(status, headers, body) => {
            send(format!("{}content-length: {}\r\n\r\n", head(status, &headers), body.len()), &body);
        }
        Act::Unframed(headers, body) => send(format!("{}\r\n", head(200, &headers)), &body),
        Act::Cut(headers, body, at) => {
            send(format!("{}content-length: {}\r\n\r\n", head(200, &headers), body.len()), &body[..at]);
        }
        Act::Chunked(headers, body, whole) => {
            let part = format!("{}transfer-encoding: chunked\r\n\r\n{:x}\r\n", head(200, &headers), body.len());
            send(part, &[&body[..], if whole { b"\r\n0\r\n\r\n" } else { b"\r\n" }].concat());
        }
        Act::Stall(headers, body, time) => {
            send(format!("{}content-length: {}\r\n\r\n", head(200, &headers), body.len() + 100), &body);
            std::thread::sleep(time);
        }
    }
}

/// A repository: its commit and its files.
#[derive(Clone)]
pub(crate) struct Repo {
    pub commit: String,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Repo {
    /// The list of files, as the hub gives it.
    pub(crate) fn info(&self) -> Act {
        let siblings: Vec<_> = self.files.keys().map(|n| serde_json::json!({"rfilename": n})).collect();
        let body = serde_json::json!({"sha": self.commit, "siblings": siblings}).to_string();
        Act::Reply(200, String::new(), body.into_bytes())
    }

    /// As a hub without faults serves it: hashes as tags, parts where they are asked for.
    pub(crate) fn serve(&self, asked: &Asked) -> Act {
        if asked.path.starts_with("/api/models/council/tiny/revision/") {
            return self.info();
        }
        let name = asked.path.strip_prefix("/council/tiny/resolve/").and_then(|p| p.split_once('/')).map(|(_, n)| n);
        match name.and_then(|n| self.files.get(n)) {
            None => Act::Reply(404, String::new(), Vec::new()),
            Some(bytes) => self.file(asked, bytes, &sha256(bytes)),
        }
    }

    /// One file with this tag.
    pub(crate) fn file(&self, asked: &Asked, bytes: &[u8], etag: &str) -> Act {
        let headers = format!("x-repo-commit: {}\r\netag: \"{etag}\"\r\n", self.commit);
        match asked.from {
            None => Act::Reply(200, headers, bytes.to_vec()),
            Some(from) => {
                let range = format!("content-range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len());
                Act::Reply(206, headers + &range, bytes[from..].to_vec())
            }
        }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// The hash git gives a file with these bytes.
pub(crate) fn git_sha1(bytes: &[u8]) -> String {
    use sha1::Digest;
    let whole = [format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat();
    sha1::Sha1::digest(whole).iter().map(|b| format!("{b:02x}")).collect()
}
