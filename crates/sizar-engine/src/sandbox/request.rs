//! The two requests that a proxy for package indexes answers.

/// What a client asks the proxy for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A tunnel, for TLS.
    Tunnel { host: String, port: u16 },
    /// One plain request, as it is to be sent on to the host itself, and to another proxy.
    Plain {
        host: String,
        port: u16,
        /// Whether only the head of the answer is wanted.
        is_head: bool,
        path: String,
        to_host: Vec<u8>,
        to_proxy: Vec<u8>,
    },
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Malformed,
    /// Something else than reading.
    Method,
}

impl Request {
    /// Reads the head of a request, up to and with its empty line.
    pub fn read(head: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(head).map_err(|_| Refusal::Malformed)?;
        let (first, headers) = text.split_once("\r\n").ok_or(Refusal::Malformed)?;
        let mut words = first.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Refusal::Malformed);
        };
        if !version.starts_with("HTTP/1.") {
            return Err(Refusal::Malformed);
        }
        if method == "CONNECT" {
            let (host, port) = target.rsplit_once(':').ok_or(Refusal::Malformed)?;
            let port = port.parse().map_err(|_| Refusal::Malformed)?;
            return Ok(Self::Tunnel { host: host.to_owned(), port });
        }
        if !matches!(method, "GET" | "HEAD") {
            return Err(Refusal::Method);
        }
        let url = url::Url::parse(target).map_err(|_| Refusal::Malformed)?;
        let host = url.host_str().filter(|_| url.scheme() == "http").ok_or(Refusal::Malformed)?;
        let port = url.port().unwrap_or(80);
        // One request a connection: a second one could name another host.
        let kept: String = headers
            .split_inclusive("\r\n")
            .filter(|line| {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                !matches!(
                    &*name,
                    "proxy-connection" | "proxy-authorization" | "connection" | "host"
                ) && *line != "\r\n"
            })
            .collect();
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let with = |target: &str| {
            format!(
                "{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{kept}\r\n"
            )
            .into_bytes()
        };
        Ok(Self::Plain {
            host: host.to_owned(),
            port,
            is_head: method == "HEAD",
            path: url.path().to_owned(),
            to_host: with(&format!("{}{query}", url.path())),
            to_proxy: with(&format!("http://{authority}{}{query}", url.path())),
        })
    }

    /// Returns where it goes.
    pub fn destination(&self) -> (&str, u16) {
        match self {
            Self::Tunnel { host, port } | Self::Plain { host, port, .. } => (host, *port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_is_read() {
        let read = Request::read(b"CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org:443\r\n\r\n");
        assert_eq!(read, Ok(Request::Tunnel { host: "pypi.org".into(), port: 443 }));
    }

    #[test]
    fn a_plain_request_goes_on_without_what_was_for_the_proxy() {
        let head = b"GET http://m.example:81/simple/six/?a=b HTTP/1.1\r\nHost: evil.example\r\n\
                     Proxy-Authorization: Basic x\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n";
        let Ok(Request::Plain { host, port, to_host, .. }) = Request::read(head) else { panic!() };
        assert_eq!((&*host, port), ("m.example", 81));
        let text = String::from_utf8(to_host).unwrap();
        assert_eq!(
            text,
            "GET /simple/six/?a=b HTTP/1.1\r\nHost: m.example:81\r\nConnection: close\r\n\
             Accept: */*\r\n\r\n"
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for head in [
            "GET /simple HTTP/1.1\r\n\r\n",
            "CONNECT pypi.org HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
            "GET ftp://a/b HTTP/1.1\r\n\r\n",
            "CONNECT a:99999 HTTP/1.1\r\n\r\n",
            "hello",
        ] {
            assert_eq!(Request::read(head.as_bytes()), Err(Refusal::Malformed), "{head}");
        }
        let post = b"POST http://pypi.org/ HTTP/1.1\r\n\r\n";
        assert_eq!(Request::read(post), Err(Refusal::Method));
    }
}
