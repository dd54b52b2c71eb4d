//! Leads from inside a network namespace to the package index.
//!
//! It listens on the namespace's own loopback and hands every connection to a socket file, at
//! whose other end [`Proxy`](super::proxy::Proxy) decides.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use super::helper::{complain, complain_of, end_like};
use super::relay::relay;

/// The variables by which programs find their proxy.
pub const VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
/// The variables that name what is reached without it.
pub const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// What is reached without it.
pub const DIRECT: &str = "localhost,127.0.0.1,::1";

/// Runs `SOCKET PROGRAM ARGS…` beside the bridge, and ends as the program does.
pub fn main(mut args: impl Iterator<Item = String>) -> ExitCode {
    let (Some(socket), Some(program)) = (args.next(), args.next()) else {
        return complain("the bridge was given no program");
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (listener, port) = match listener.and_then(|l| l.local_addr().map(|a| (l, a.port()))) {
        Ok(bound) => bound,
        Err(error) => return complain(&format!("the bridge cannot listen: {error}")),
    };
    let serving = std::thread::Builder::new().name("bridge".into()).spawn(move || {
        for client in listener.incoming().flatten() {
            let socket = socket.clone();
            let carry = move || {
                if let Ok(outside) = UnixStream::connect(socket) {
                    relay(&Arc::new(OwnedFd::from(client)), &Arc::new(OwnedFd::from(outside)));
                }
            };
            // Without a thread the connection closes, which is the answer.
            let _ = std::thread::Builder::new().spawn(carry);
        }
    });
    if let Err(error) = serving {
        return complain(&format!("the bridge cannot serve: {error}"));
    }
    let mut command = Command::new(&program);
    command.args(args);
    for (name, value) in variables(port) {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    match command.status() {
        Ok(status) => end_like(status),
        Err(error) => complain_of(&program, &error),
    }
}

/// Returns the variables that name the proxy at `port`.
pub fn variables(port: u16) -> impl Iterator<Item = (&'static str, String)> {
    let proxy = format!("http://127.0.0.1:{port}");
    VARIABLES
        .into_iter()
        .map(move |name| (name, proxy.clone()))
        .chain(EXCEPTIONS.map(|name| (name, DIRECT.to_owned())))
}
