//! The way from here to a host: direct, or through the proxy that the user's institution demands.

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use url::Url;

use super::relay::write_all;

/// How long one address may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest head of an answer or a request.
pub const HEAD: usize = 16 << 10;

/// The user's own proxies.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    secure: Option<Url>,
    plain: Option<Url>,
    exceptions: Vec<String>,
}

impl Upstream {
    /// Reads the user's variables; only proxies spoken to in plain HTTP are used.
    pub fn new(user: &BTreeMap<String, String>) -> Self {
        let first = |names: &[&str]| {
            let value = names.iter().find_map(|name| user.get(*name).filter(|v| !v.is_empty()))?;
            Url::parse(value).ok().filter(|url| url.scheme() == "http" && url.has_host())
        };
        let exceptions = ["no_proxy", "NO_PROXY"].iter().find_map(|name| user.get(*name));
        Self {
            secure: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            plain: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            exceptions: exceptions
                .into_iter()
                .flat_map(|text| text.split(','))
                .map(|host| host.trim().trim_start_matches('.').to_ascii_lowercase())
                .filter(|host| !host.is_empty())
                .collect(),
        }
    }

    fn is_exception(&self, host: &str) -> bool {
        self.exceptions.iter().any(|exception| {
            exception == "*"
                || host
                    .strip_suffix(exception.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// Opens a connection for a tunnel; bytes sent into it reach the host.
    pub fn tunnel(&self, host: &str, port: u16) -> std::io::Result<OwnedFd> {
        let Some(proxy) = self.secure.as_ref().filter(|_| !self.is_exception(host)) else {
            return connect(host, port);
        };
        let socket = connect_to(proxy)?;
        let authorization = authorization(proxy);
        let request =
            format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n");
        write_all(&socket, request.as_bytes())?;
        let (head, _) = read_head(&socket)?;
        let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if status.starts_with(b"2") {
            Ok(socket)
        } else {
            let status = String::from_utf8_lossy(status).into_owned();
            Err(std::io::Error::other(format!("the proxy answered {status}")))
        }
    }

    /// Opens a connection for a plain request; says whether it leads to a proxy, and with which
    /// header line it has to be asked.
    pub fn plain(&self, host: &str, port: u16) -> std::io::Result<(OwnedFd, Option<String>)> {
        match self.plain.as_ref().filter(|_| !self.is_exception(host)) {
            Some(proxy) => Ok((connect_to(proxy)?, Some(authorization(proxy)))),
            None => Ok((connect(host, port)?, None)),
        }
    }
}

fn connect_to(proxy: &Url) -> std::io::Result<OwnedFd> {
    connect(proxy.host_str().unwrap_or_default(), proxy.port_or_known_default().unwrap_or(80))
}

fn connect(host: &str, port: u16) -> std::io::Result<OwnedFd> {
    let mut last = std::io::Error::from(std::io::ErrorKind::HostUnreachable);
    for address in (host.trim_matches(['[', ']']), port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream.into());
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Returns the header line that shows the proxy the user's name and password.
fn authorization(proxy: &Url) -> String {
    if proxy.username().is_empty() {
        return String::new();
    }
    let plain = |text: &str| percent_decoded(text);
    let pair = [plain(proxy.username()), b":".to_vec(), plain(proxy.password().unwrap_or(""))];
    format!("Proxy-Authorization: Basic {}\r\n", base64(&pair.concat()))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(value) = escaped.filter(|_| byte == b'%') {
            decoded.push(value);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    decoded
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            // Six bits, so always one of the 64.
            let letter = LETTERS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place > group.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

/// Reads up to the empty line that ends a head; returns it and what came after it.
pub fn read_head(socket: &OwnedFd) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = head.split_off(end + 4);
            return Ok((head, rest));
        }
        if head.len() > HEAD {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        match rustix::io::read(socket, &mut buffer) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => head.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_shown_to_the_proxy() {
        let url = Url::parse("http://user:p%40ss@proxy.example:3128").unwrap();
        assert_eq!(authorization(&url), "Proxy-Authorization: Basic dXNlcjpwQHNz\r\n");
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(b"ab"), "YWI=");
    }

    #[test]
    fn exceptions_are_whole_domains() {
        let user = [("no_proxy", "localhost, .lab.example,x.org")];
        let user = user.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let upstream = Upstream::new(&user);
        assert!(upstream.is_exception("pypi.lab.example"));
        assert!(upstream.is_exception("x.org"));
        assert!(!upstream.is_exception("evilx.org"));
        assert!(!upstream.is_exception("pypi.org"));
    }
}
