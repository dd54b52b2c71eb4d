//! Carries bytes both ways between two connected sockets.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::net::{Shutdown, shutdown};

/// Carries bytes until both sides have ended.
pub fn relay(one: &Arc<OwnedFd>, other: &Arc<OwnedFd>) {
    let (from, to) = (Arc::clone(other), Arc::clone(one));
    let back = std::thread::Builder::new().name("relay".into()).spawn(move || carry(&from, &to));
    match back {
        Ok(back) => {
            carry(one, other);
            let _ = back.join();
        }
        Err(_) => {
            let _ = shutdown(one, Shutdown::Both);
        }
    }
}

fn carry(from: &OwnedFd, to: &OwnedFd) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match rustix::io::read(from, &mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                if write_all(to, buffer.get(..count).unwrap_or_default()).is_err() {
                    // Nobody takes it any more; the sender should know.
                    let _ = shutdown(from, Shutdown::Read);
                    break;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    let _ = shutdown(to, Shutdown::Write);
}

/// Writes everything.
pub fn write_all(to: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::net::send(to, bytes, rustix::net::SendFlags::NOSIGNAL) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
