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
    refused: Mutex<BTreeSet<String>>,
    open: Mutex<Vec<Weak<OwnedFd>>>,
}

impl Proxy {
    /// Listens at a socket file, which is then shown to the program.
    pub fn at_socket(
        path: &Utf8Path,
        hosts: IndexHosts,
        upstream: Upstream,
    ) -> std::io::Result<Self> {
        Self::serve(UnixListener::bind(path)?.into(), hosts, upstream)
    }

    /// Listens at a port of this machine's loopback, and returns it.
    pub fn at_port(hosts: IndexHosts, upstream: Upstream) -> std::io::Result<(Self, u16)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        Ok((Self::serve(listener.into(), hosts, upstream)?, port))
    }

    fn serve(listener: OwnedFd, hosts: IndexHosts, upstream: Upstream) -> std::io::Result<Self> {
        let shared =
            Arc::new(Shared { hosts, upstream, refused: Mutex::default(), open: Mutex::default() });
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
        Request::Plain { host, port, to_host, to_proxy } => {
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
    let length = reason.len() + 1;
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{reason}\n"
    );
    let _ = write_all(client, text.as_bytes());
}
