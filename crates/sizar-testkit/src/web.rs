//! A web server on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a server answers to one request.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub media_type: &'static str,
    /// Breaks the connection after so many bytes of the body.
    pub broken_at: Option<usize>,
    /// Sends nothing more after so many bytes, and keeps the connection.
    pub stalls_at: Option<usize>,
    /// The server's mark of this content.
    pub etag: Option<&'static str>,
    /// Where it says that it lies.
    pub location: Option<String>,
}

impl Answer {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        let media_type = "application/octet-stream";
        Self {
            status: 200,
            body: body.into(),
            media_type,
            broken_at: None,
            stalls_at: None,
            etag: None,
            location: None,
        }
    }

    /// Leads elsewhere.
    pub fn redirect(location: impl Into<String>) -> Self {
        Self { location: Some(location.into()), ..Self::status(302) }
    }

    pub fn status(status: u16) -> Self {
        Self { status, ..Self::ok("") }
    }
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub range: Option<u64>,
    pub if_range: Option<String>,
    pub authorization: Option<String>,
}

/// A web server on this machine, which honours `Range`.
pub struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request by `answer`, which gets the number of the request, from 0.
    pub fn start(answer: impl Fn(usize, &Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("it works");
        let address = listener.local_addr().expect("it works").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut stalled = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(request) = read_request(&stream) else { continue };
                let number = {
                    let mut seen = seen.lock().expect("it works");
                    seen.push(request.clone());
                    seen.len() - 1
                };
                let answer = answer(number, &request);
                // kept open until the server ends, for whoever waits for more
                let Ok(stream) = send(stream, &request, &answer) else { continue };
                stalled.extend(answer.stalls_at.map(|_| stream));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn url_with_login(&self, path: &str) -> String {
        format!("http://me:s3cret@{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("it works").clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let (method, rest) = first.split_once(' ')?;
    let (method, path) = (method.to_owned(), rest.split(' ').next()?.to_owned());
    let mut request = Request { method, path, range: None, if_range: None, authorization: None };
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let start = value.trim().strip_prefix("bytes=")?.trim_end_matches('-');
                request.range = start.parse().ok();
            }
            "if-range" => request.if_range = Some(value.trim().to_owned()),
            "authorization" => request.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Some(request)
}

fn send(mut stream: TcpStream, request: &Request, answer: &Answer) -> std::io::Result<TcpStream> {
    // what is not any more what a part of it is of goes whole
    let same = request.if_range.as_deref().is_none_or(|tag| answer.etag == Some(tag));
    let from = request.range.filter(|_| same).unwrap_or(0) as usize;
    let location = answer.location.iter().map(|to| format!("location: {to}\r\n"));
    let location: String = location.collect();
    let etag = answer.etag.map(|tag| format!("etag: {tag}\r\n")).unwrap_or_default();
    let (status, body) = match answer.status {
        200 if from > 0 && from >= answer.body.len() => (416, &[][..]),
        200 if from > 0 => (206, &answer.body[from..]),
        status => (status, &answer.body[..]),
    };
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\ncontent-type: {}\r\n{etag}{location}connection: close\r\n\r\n",
        body.len(),
        answer.media_type,
    )?;
    if request.method == "HEAD" {
        return Ok(stream);
    }
    let end = answer.broken_at.or(answer.stalls_at).unwrap_or(body.len()).min(body.len());
    stream.write_all(&body[..end])?;
    Ok(stream)
}
