//! Lets a program that has no network reach the package index, and nothing else.
//!
//! Names are resolved here, outside, so that inside not even DNS is needed.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use camino::Utf8Path;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown};

use super::index_hosts::IndexHosts;
use super::relay::{relay, write_all};
use super::request::{Refusal, Request};
use super::upstream::{Upstream, read_head};
use crate::index::{Page, TimeMachine};

/// The most connections at a time: uv opens 50, and a hostile build as many as it is let.
const MOST_OPEN: usize = 256;

/// A running proxy; dropping it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    stop: Arc<OwnedFd>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    hosts: IndexHosts,
    upstream: Upstream,
    /// Answered here, and not sent on.
    time_machine: Option<Arc<TimeMachine>>,
    refused: Mutex<BTreeSet<String>>,
    open: Mutex<Vec<Weak<OwnedFd>>>,
}

impl Proxy {
    /// Listens at a socket file, which is then shown to the program.
    pub fn at_socket(
        path: &Utf8Path,
        hosts: IndexHosts,
        upstream: Upstream,
        time_machine: Option<Arc<TimeMachine>>,
    ) -> std::io::Result<Self> {
        Self::serve(UnixListener::bind(path)?.into(), hosts, upstream, time_machine)
    }

    /// Listens at a port of this machine's loopback, and returns it.
    pub fn at_port(
        hosts: IndexHosts,
        upstream: Upstream,
        time_machine: Option<Arc<TimeMachine>>,
    ) -> std::io::Result<(Self, u16)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        Ok((Self::serve(listener.into(), hosts, upstream, time_machine)?, port))
    }

    fn serve(
        listener: OwnedFd,
        hosts: IndexHosts,
        upstream: Upstream,
        time_machine: Option<Arc<TimeMachine>>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            hosts,
            upstream,
            time_machine,
            refused: Mutex::default(),
            open: Mutex::default(),
        });
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let (sharing, stopping) = (Arc::clone(&shared), Arc::clone(&stop));
        let accepting = std::thread::Builder::new()
            .name("index proxy".into())
            .spawn(move || accept(&listener, &stopping, &sharing))?;
        Ok(Self { shared, stop, accepting: Some(accepting) })
    }

    /// Returns what the program tried to reach and was not let, as `host:port`.
    pub fn refused(&self) -> Vec<String> {
        self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        // The connections' threads end with their sockets.
        for socket in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(socket) = socket.upgrade() {
                let _ = shutdown(&*socket, Shutdown::Both);
            }
        }
    }
}

fn accept(listener: &OwnedFd, stop: &OwnedFd, shared: &Arc<Shared>) {
    loop {
        let mut fds = [PollFd::new(listener, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) if !fds[1].revents().is_empty() => return,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        let Ok(client) = accept_with(listener, SocketFlags::CLOEXEC) else { continue };
        let client = Arc::new(client);
        {
            let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|socket| socket.strong_count() > 0);
            if open.len() >= MOST_OPEN {
                continue;
            }
            open.push(Arc::downgrade(&client));
        }
        let shared = Arc::clone(shared);
        // Without a thread the connection closes, which is the answer.
        let _ = std::thread::Builder::new()
            .name("index connection".into())
            .spawn(move || serve(&client, &shared));
    }
}

fn serve(client: &Arc<OwnedFd>, shared: &Shared) {
    let Ok((head, rest)) = read_head(client) else { return };
    let request = match Request::read(&head) {
        Ok(request) => request,
        Err(Refusal::Malformed) => return answer(client, "400 Bad Request", "not a request"),
        Err(Refusal::Method) => return answer(client, "405 Method Not Allowed", "only reading"),
    };
    if let (Request::Plain { host, path, is_head, .. }, Some(machine)) =
        (&request, &shared.time_machine)
        && host == TimeMachine::HOST
    {
        return show(client, &machine.answer(path), *is_head);
    }
    let (host, port) = request.destination();
    if !shared.hosts.permit(host, port) {
        // The name is the program's choice: bounded, and nothing that could steer a terminal.
        let name: String = host.chars().filter(|c| !c.is_control()).take(100).collect();
        let mut refused = shared.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < 50 {
            refused.insert(format!("{name}:{port}"));
        }
        drop(refused);
        let reason = format!("sizar lets builds reach the package index only, not {name}");
        return answer(client, "403 Forbidden", &reason);
    }
    let opened = match &request {
        Request::Tunnel { host, port } => shared.upstream.tunnel(host, *port).and_then(|socket| {
            write_all(client, b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            Ok(socket)
        }),
        Request::Plain { host, port, to_host, to_proxy, .. } => {
            shared.upstream.plain(host, *port).and_then(|(socket, proxy)| {
                match proxy {
                    None => write_all(&socket, to_host)?,
                    Some(authorization) => {
                        let line = to_proxy.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
                        let (first, headers) = to_proxy.split_at(line);
                        write_all(&socket, &[first, authorization.as_bytes(), headers].concat())?;
                    }
                }
                Ok(socket)
            })
        }
    };
    match opened {
        Ok(outside) => {
            if write_all(&outside, &rest).is_ok() {
                relay(client, &Arc::new(outside));
            }
        }
        Err(error) => answer(client, "502 Bad Gateway", &error.to_string()),
    }
}

fn answer(client: &OwnedFd, status: &str, reason: &str) {
    send(client, status, "text/plain; charset=utf-8", &format!("{reason}\n"), false);
}

fn show(client: &OwnedFd, page: &Page, is_head: bool) {
    send(client, page.status, page.media_type, &page.body, is_head);
}

fn send(client: &OwnedFd, status: &str, media_type: &str, body: &str, is_head: bool) {
    let length = body.len();
    // What is true of one date is not of another, under the same address.
    let mut text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    if !is_head {
        text.push_str(body);
    }
    let _ = write_all(client, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use sizar_model::SafeUrl;

    use super::*;
    use crate::http::Client;
    use crate::index::Index;

    /// A server that answers every connection with what it was sent first.
    fn server() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let mut got = [0; 1024];
                let count = client.read(&mut got).unwrap();
                client.write_all(&got[..count]).unwrap();
            }
        });
        port
    }

    fn hosts(more: &str) -> IndexHosts {
        IndexHosts::new(&BTreeMap::new(), &[more.to_owned()])
    }

    fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn requests_go_through_the_users_own_proxy() {
        let server = server();
        let index = format!("localhost:{server}");
        let (outer, port) = Proxy::at_port(hosts(&index), Upstream::default(), None).unwrap();
        let variable = |name: &str| (name.to_owned(), format!("http://u:p@127.0.0.1:{port}"));
        let user = [variable("https_proxy"), variable("http_proxy")].into();
        let more = format!("only.inner.example:{server}");
        let inner_hosts = IndexHosts::new(&BTreeMap::new(), &[index.clone(), more.clone()]);
        let (inner, inner_port) = Proxy::at_port(inner_hosts, Upstream::new(&user), None).unwrap();

        // Both ways at once: the tunnel, and bytes sent before its answer.
        let answer = ask(inner_port, &format!("CONNECT {index} HTTP/1.1\r\n\r\nhello"));
        assert_eq!(answer, "HTTP/1.1 200 Connection established\r\n\r\nhello");

        let answer = ask(inner_port, &format!("GET http://{index}/x HTTP/1.1\r\nA: b\r\n\r\n"));
        assert!(answer.starts_with("GET /x HTTP/1.1\r\nHost: localhost:"), "{answer}");
        assert!(answer.contains("\r\nA: b\r\n") && !answer.contains("Proxy-"), "{answer}");

        // What the outer proxy refuses comes back as such: it was asked.
        let answer = ask(inner_port, &format!("CONNECT {more} HTTP/1.1\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway"), "{answer}");
        assert!(answer.contains("the proxy answered 403"), "{answer}");
        assert_eq!(outer.refused(), [more]);
        assert!(inner.refused().is_empty());
    }

    #[test]
    fn the_dated_index_is_answered_here_and_nowhere_else() {
        let nowhere = SafeUrl::new("http://127.0.0.1:1/simple/");
        let machine = TimeMachine::new(Index::at(nowhere, Client::new()), None, &BTreeMap::new());
        let serving = Proxy::at_port(hosts("a"), Upstream::default(), Some(machine)).unwrap();
        let (proxy, port) = serving;
        let root = TimeMachine::URL;
        let answer = ask(port, &format!("GET {root} HTTP/1.1\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html"), "{answer}");
        assert!(answer.contains("\r\nCache-Control: no-store\r\n") && answer.contains("<html>"));
        let answer = ask(port, &format!("HEAD {root} HTTP/1.1\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n"), "{answer}");
        // it is no way to other files, and there is nothing behind its name
        let answer = ask(port, &format!("GET http://{}/etc HTTP/1.1\r\n\r\n", TimeMachine::HOST));
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        let answer = ask(port, &format!("CONNECT {}:443 HTTP/1.1\r\n\r\n", TimeMachine::HOST));
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert_eq!(proxy.refused(), [format!("{}:443", TimeMachine::HOST)]);
        let (_proxy, port) = Proxy::at_port(hosts("a"), Upstream::default(), None).unwrap();
        let answer = ask(port, &format!("GET {root} HTTP/1.1\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }

    #[test]
    fn what_is_refused_is_bounded_and_cannot_steer_a_terminal() {
        let (proxy, port) = Proxy::at_port(hosts("a"), Upstream::default(), None).unwrap();
        let name = "x".repeat(500);
        let answer = ask(port, &format!("CONNECT \u{1b}[2J{name}:443 HTTP/1.1\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden"), "{answer}");
        let refused = proxy.refused();
        assert!(refused[0].starts_with("[2Jx") && refused[0].len() < 120, "{refused:?}");
    }

    #[test]
    fn dropping_it_closes_open_connections() {
        let server = server();
        let index = format!("localhost:{server}");
        let (proxy, port) = Proxy::at_port(hosts(&index), Upstream::default(), None).unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(format!("CONNECT {index} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
        let mut answer = [0; 39];
        stream.read_exact(&mut answer).unwrap();
        drop(proxy);
        assert_eq!(stream.read(&mut answer).unwrap(), 0);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }
}
