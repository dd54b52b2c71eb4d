//! Where a target is: `ssh://[user@]host[:port]`, or a `Host` of the user's `ssh_config`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address that `ssh` can be given without taking any of it for an option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SshAddress {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

/// What is no address of a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    #[error("`{address}` names no host")]
    NoHost { address: String },
    #[error("`{address}` would be read by ssh as an option")]
    Option { address: String },
    #[error("`{address}` has a blank or a control character in it")]
    Character { address: String },
    #[error("`{address}` has the port `{port}`; a port is a number from 1 to 65535")]
    Port { address: String, port: String },
    #[error("`{address}` holds a password; sizar neither stores nor passes passwords")]
    Password { address: String },
    #[error("`{address}` has a path; the address of a target ends with its host")]
    Path { address: String },
}

impl SshAddress {
    /// Returns the user, where the address names one.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the host, or the alias.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, where the address names one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the arguments that `ssh` takes for this address.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(port) = self.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &self.user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        arguments.extend(["--".to_owned(), self.host.clone()]);
        arguments
    }
}

impl FromStr for SshAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let address = || text.escape_debug().to_string();
        if text.chars().any(|char| char.is_control() || char.is_whitespace()) {
            return Err(InvalidAddress::Character { address: address() });
        }
        let rest = text.strip_prefix("ssh://");
        let is_url = rest.is_some();
        let rest = rest.unwrap_or(text);
        let rest = if is_url { rest.strip_suffix('/').unwrap_or(rest) } else { rest };
        if rest.contains('/') {
            return Err(InvalidAddress::Path { address: address() });
        }
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        if let Some((user, _)) = user.and_then(|user| user.split_once(':')) {
            return Err(InvalidAddress::Password { address: format!("{user}:***@{place}") });
        }
        let (host, port) = split_port(place);
        if host.is_empty() || user.is_some_and(str::is_empty) {
            return Err(InvalidAddress::NoHost { address: address() });
        }
        if host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
            return Err(InvalidAddress::Option { address: address() });
        }
        let port = port
            .map(|port| match port.parse::<u16>() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(InvalidAddress::Port { address: address(), port: port.to_owned() }),
            })
            .transpose()?;
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

/// Splits a port off; an IPv6 address with a port has brackets.
fn split_port(place: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = place.strip_prefix('[').and_then(|place| place.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match place.split_once(':') {
        Some((_, rest)) if rest.contains(':') => (place, None),
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    }
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl TryFrom<String> for SshAddress {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<SshAddress> for String {
    fn from(address: SshAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<SshAddress>().map_or_else(|error| error.to_string(), |it| it.to_string())
    }

    #[test]
    fn addresses_and_aliases_are_read() {
        assert_eq!(
            shown("ssh://alice@login.example.org:2222"),
            "ssh://alice@login.example.org:2222"
        );
        assert_eq!(shown("ssh://login/"), "ssh://login");
        assert_eq!(shown("tours"), "ssh://tours");
        assert_eq!(shown("a@b@host"), "ssh://a@b@host");
        assert_eq!(shown("ssh://[::1]:22"), "ssh://[::1]:22");
        assert_eq!(shown("::1"), "ssh://[::1]");
    }

    #[test]
    fn what_ssh_would_misread_is_refused() {
        for text in ["-oProxyCommand=x", "ssh://-oProxyCommand=x", "-x@host", "ssh://[-x]:1"] {
            assert!(
                matches!(text.parse::<SshAddress>(), Err(InvalidAddress::Option { .. })),
                "{text}"
            );
        }
        for text in ["ho\nst", "ho st", "a\u{7}@b"] {
            assert!(matches!(text.parse::<SshAddress>(), Err(InvalidAddress::Character { .. })));
        }
        for text in ["", "ssh://", "@host", "ssh://a@"] {
            assert!(
                matches!(text.parse::<SshAddress>(), Err(InvalidAddress::NoHost { .. })),
                "{text}"
            );
        }
        assert!(matches!("host:0".parse::<SshAddress>(), Err(InvalidAddress::Port { .. })));
        assert!(matches!("ssh://host/x".parse::<SshAddress>(), Err(InvalidAddress::Path { .. })));
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        assert_eq!(
            shown("ssh://alice:s3cret@host"),
            "`alice:***@host` holds a password; sizar neither stores nor passes passwords"
        );
    }
}
