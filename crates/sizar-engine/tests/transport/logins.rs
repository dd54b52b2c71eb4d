//! Logins that fail, and what is said then.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use camino::Utf8PathBuf;
use sizar_engine::transport::{Ssh, Step, Transport, TransportError};
use sizar_testkit::Sshd;

use crate::world::Client;

fn error(config: Utf8PathBuf) -> TransportError {
    Client::new().alone(config).connect().unwrap_err()
}

#[test]
fn slow_a_host_key_that_is_unknown_or_changed_is_refused() {
    let sshd = Sshd::start(&[]);
    fs_err::write(sshd.path("nothing"), "").unwrap();
    let unknown = format!("UserKnownHostsFile {}", sshd.path("nothing"));
    let said = error(sshd.client_config(&[&unknown]));
    assert!(matches!(said, TransportError::UnknownHostKey { .. }), "{said:?}");
    let said = error(sshd.client_config(&[&unknown, "StrictHostKeyChecking ask"]));
    assert!(matches!(said, TransportError::UnknownHostKey { .. }), "{said:?}");
    let foreign = sshd.foreign_key().with_extension("pub");
    let changed = format!("UserKnownHostsFile {}", sshd.know("changed", &foreign));
    let said = error(sshd.client_config(&[&changed]));
    let TransportError::ChangedHostKey { host, fingerprint, known } = &said else {
        panic!("{said:?}")
    };
    assert_eq!(host, "login");
    assert!(fingerprint.as_ref().is_some_and(|it| it.starts_with("SHA256:")), "{said:?}");
    assert!(known.as_ref().is_some_and(|it| it.ends_with("/changed:1")), "{said:?}");
    assert!(said.hints().iter().any(|hint| hint.contains("ssh-keygen -R")));
    assert_eq!(sshd.logins(), 0);
}

#[test]
fn slow_refusals_are_told_apart() {
    let sshd = Sshd::start(&[]);
    let foreign = format!("IdentityFile {}", sshd.foreign_key());
    fs_err::remove_file(sshd.path("id")).unwrap();
    let said = error(sshd.client_config(&[&foreign]));
    assert!(matches!(said, TransportError::PermissionDenied { .. }), "{said:?}");
    drop(sshd);
    let sshd = Sshd::start(&["KbdInteractiveAuthentication yes"]);
    let foreign = format!("IdentityFile {}", sshd.foreign_key());
    fs_err::remove_file(sshd.path("id")).unwrap();
    let said = error(sshd.client_config(&[&foreign]));
    // without PAM there is nothing to ask, and sshd offers keys alone
    assert!(
        matches!(
            said,
            TransportError::WouldAskForPassword { .. } | TransportError::PermissionDenied { .. }
        ),
        "{said:?}"
    );
    drop(sshd);
    let sshd = Sshd::start(&["PasswordAuthentication yes"]);
    let foreign = format!("IdentityFile {}", sshd.foreign_key());
    fs_err::remove_file(sshd.path("id")).unwrap();
    let client = Client::new();
    let config = sshd.client_config(&[&foreign]);
    let said = client.alone(config.clone()).connect().unwrap_err();
    assert!(matches!(said, TransportError::WouldAskForPassword { .. }), "{said:?}");
    let before = sshd.log().matches("Connection from").count();
    let said = client.alone(config).connect().unwrap_err();
    assert!(matches!(said, TransportError::TooManyLogins { .. }), "{said:?}");
    assert_eq!(sshd.log().matches("Connection from").count(), before, "nobody knocks again");
}

#[test]
fn slow_what_is_not_there_is_told() {
    let sshd = Sshd::start(&["ForceCommand internal-sftp"]);
    let said = error(sshd.client_config(&[]));
    assert!(
        matches!(said, TransportError::SftpOnly { .. } | TransportError::NoShell { .. }),
        "{said:?}"
    );
    let closed = format!("Port {}", closed_port());
    let said = error(sshd.client_config(&[&closed]));
    assert!(matches!(said, TransportError::Refused { .. }), "{said:?}");
    let said = error(sshd.client_config(&["HostName no-such-host.invalid"]));
    assert!(
        matches!(&said, TransportError::HostNotFound { host } if host == "no-such-host.invalid"),
        "{said:?}"
    );
    let said = error(sshd.client_config(&["NoSuchOption yes"]));
    assert!(matches!(said, TransportError::Configuration { .. }), "{said:?}");
}

fn closed_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Passes a connection on, and cuts it after so many bytes from the server.
fn cutting_proxy(server: u16, left: &Arc<AtomicI64>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let left = Arc::clone(left);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).unwrap();
            for (mut from, mut to, counted) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap(), false),
                (server, client, true),
            ] {
                let left = Arc::clone(&left);
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = from.read(&mut buffer) {
                        let rest = if counted {
                            left.fetch_sub(count as i64, Ordering::SeqCst) - count as i64
                        } else {
                            left.load(Ordering::SeqCst)
                        };
                        if rest < 0 || to.write_all(&buffer[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = from.shutdown(Shutdown::Both);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    port
}

#[test]
fn slow_a_hundred_cuts_never_give_a_wrong_answer() {
    let sshd = Sshd::start(&[]);
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let port = format!("Port {}", cutting_proxy(sshd.port(), &left));
    let config = sshd.client_config(&[&port]);
    let client = Client::new();
    let steps: Vec<_> = (0..6)
        .map(|step| {
            Step::script("echo \"$1\"; head -c 1000 /dev/zero; exit \"$1\"").arg(step.to_string())
        })
        .collect();
    let (mut lost, mut answered) = (0, 0);
    for cut in 0..100 {
        left.store(i64::MAX, Ordering::SeqCst);
        let mut options = client.options(config.clone());
        (options.share, options.interactive) = (false, true);
        let mut ssh = Ssh::new(options);
        ssh.connect().unwrap();
        left.store(cut * 97, Ordering::SeqCst);
        match ssh.run(&steps) {
            Ok(answers) => {
                answered += 1;
                for (step, answer) in answers.iter().enumerate() {
                    assert_eq!(answer.status(), Some(step as i32));
                    assert_eq!(answer.stdout.len(), 1002);
                    assert!(answer.stdout.starts_with(format!("{step}\n").as_bytes()));
                }
            }
            Err(TransportError::Lost { step, .. }) => {
                assert!(step.sent);
                lost += 1;
            }
            Err(error) => panic!("cut {cut}: {error:?}"),
        }
    }
    assert!(lost > 50, "{lost} lost, {answered} answered");
}
