//! Reads what `ssh` complained of. Its messages are English whatever the locale.

use super::TransportError;
use super::remote_config::RemoteConfig;

/// How many last lines an error repeats.
const LAST_LINES: usize = 4;

/// What is known about a login that failed.
pub(super) struct Failed<'a> {
    pub target: &'a str,
    pub config: &'a RemoteConfig,
    /// Whether somebody could have answered a question.
    pub interactive: bool,
    /// What ssh wrote to standard error.
    pub complaints: &'a str,
    /// What came instead of the shell's hello.
    pub said: &'a str,
    pub in_time: bool,
}

/// Returns the last lines that say something.
pub(super) fn last_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut last: Vec<_> = lines.rev().take(LAST_LINES).map(str::to_owned).collect();
    last.reverse();
    last
}

/// Returns why there is no shell.
pub(super) fn diagnose(failed: &Failed<'_>) -> TransportError {
    let text = failed.complaints;
    let target = failed.target.to_owned();
    let has = |part: &str| text.contains(part);
    let line_with = |part: &str| text.lines().find(|line| line.contains(part)).map(str::trim);
    let said = || last_lines(text).pop().unwrap_or_else(|| "it gave no reason".to_owned());
    let host = failed.config.known_host();
    let fingerprint = || {
        let is_print = |word: &&str| word.starts_with("SHA256:") || word.starts_with("MD5:");
        let word = text.split_whitespace().find(is_print)?;
        Some(word.trim_end_matches('.').to_owned())
    };
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        let known = text.lines().find_map(|line| {
            let (_, place) = line.trim().strip_prefix("Offending ")?.split_once(" in ")?;
            Some(place.to_owned())
        });
        return TransportError::ChangedHostKey { host, fingerprint: fingerprint(), known };
    }
    if has("Host key verification failed") || has("host key is known for") {
        return TransportError::UnknownHostKey { host, fingerprint: fingerprint(), target };
    }
    if let Some(line) = line_with("Permission denied (") {
        let methods = line.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')'));
        let methods = methods.map_or("", |(methods, _)| methods);
        let asks = |method: &str| matches!(method, "password" | "keyboard-interactive");
        let methods = methods.replace(',', ", ");
        if !failed.interactive && methods.split(", ").any(asks) {
            return TransportError::WouldAskForPassword { target, methods };
        }
        return TransportError::PermissionDenied { target, methods };
    }
    if has("Too many authentication failures") {
        let methods = "it counts too many failures".to_owned();
        return TransportError::PermissionDenied { target, methods };
    }
    if has("Could not resolve hostname") || has("Name or service not known") {
        let word = line_with("Could not resolve hostname")
            .and_then(|line| line.split_once("hostname ")?.1.split_once(':'))
            .map_or_else(|| failed.config.host.clone(), |(host, _)| host.to_owned());
        return TransportError::HostNotFound { host: word };
    }
    if has("Bad configuration option") || has("Bad owner or permissions") || has("terminating,") {
        return TransportError::Configuration { said: said() };
    }
    if has("Can't open user config file") || has("no such identity") && text.lines().count() == 1 {
        return TransportError::Configuration { said: said() };
    }
    if has("Connection refused") {
        return TransportError::Refused { target };
    }
    if has("timed out") || has("Timeout, server") {
        return TransportError::TimedOut { target };
    }
    for unreachable in ["No route to host", "Network is unreachable", "Host is down"] {
        if has(unreachable) {
            return TransportError::Unreachable { target, said: unreachable.to_lowercase() };
        }
    }
    if has("session open refused by peer")
        || has("Session open refused by peer")
        || has("open failed: administratively prohibited")
        || has("open failed: connect failed")
    {
        return TransportError::SessionRefused { target };
    }
    if failed.said.contains("sftp connections only") || text.contains("sftp connections only") {
        return TransportError::SftpOnly { target };
    }
    if has("kex_exchange_identification")
        || has("Connection closed by")
        || has("Connection reset by")
        || has("banner exchange")
        || has("no matching")
    {
        return TransportError::Closed { target, said: said() };
    }
    if !failed.in_time && failed.said.is_empty() && text.is_empty() {
        return TransportError::TimedOut { target };
    }
    let said = last_lines(&format!("{}\n{text}", failed.said));
    TransportError::NoShell { target, said }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(complaints: &str, interactive: bool) -> TransportError {
        let config = RemoteConfig {
            host: "login.example.org".into(),
            port: 2222,
            ..RemoteConfig::default()
        };
        diagnose(&Failed {
            target: "alice@login",
            config: &config,
            interactive,
            complaints,
            said: "",
            in_time: true,
        })
    }

    #[test]
    fn a_changed_key_comes_with_what_to_forget() {
        let text = "\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
The fingerprint for the ED25519 key sent by the remote host is
SHA256:abc/def.
Offending ED25519 key in /home/me/.ssh/known_hosts:3
Host key verification failed.
";
        let error = of(text, false);
        let TransportError::ChangedHostKey { host, fingerprint, known } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(host, "[login.example.org]:2222");
        assert_eq!(fingerprint.as_deref(), Some("SHA256:abc/def"));
        assert_eq!(known.as_deref(), Some("/home/me/.ssh/known_hosts:3"));
        assert!(error.hints()[1].contains("ssh-keygen -R '[login.example.org]:2222'"));
    }

    #[test]
    fn a_question_that_nobody_answers_is_told_from_a_refusal() {
        let with_password = "alice@login: Permission denied (publickey,password).\n";
        assert!(matches!(of(with_password, false), TransportError::WouldAskForPassword { .. }));
        assert!(matches!(of(with_password, true), TransportError::PermissionDenied { .. }));
        let with_key = "alice@login: Permission denied (publickey).\r\n";
        let error = of(with_key, false);
        assert!(
            matches!(&error, TransportError::PermissionDenied { methods, .. } if methods == "publickey"),
            "{error:?}"
        );
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        type IsRight = fn(&TransportError) -> bool;
        let cases: [(&str, IsRight); 6] = [
            (
                "ssh: Could not resolve hostname nowhere: Name or service not known",
                |error| matches!(error, TransportError::HostNotFound { host } if host == "nowhere"),
            ),
            ("ssh: connect to host 127.0.0.1 port 9: Connection refused", |error| {
                matches!(error, TransportError::Refused { .. })
            }),
            ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", |error| {
                matches!(error, TransportError::TimedOut { .. })
            }),
            ("ssh: connect to host 10.0.0.1 port 22: No route to host", |error| {
                matches!(error, TransportError::Unreachable { .. })
            }),
            ("kex_exchange_identification: Connection closed by remote host", |error| {
                matches!(error, TransportError::Closed { .. })
            }),
            (
                "mux_client_request_session: session request failed: Session open refused by peer",
                |error| matches!(error, TransportError::SessionRefused { .. }),
            ),
        ];
        for (text, is_right) in cases {
            let error = of(text, false);
            assert!(is_right(&error), "{text}: {error:?}");
        }
    }
}
