//! What the user's own `ssh_config` makes of an address, as `ssh -G` tells.

use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

use super::TransportError;

/// The settings that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RemoteConfig {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The name under which the key of the host is known, if it is another.
    pub host_key_alias: Option<String>,
    /// The user's own socket for shared connections.
    pub control_path: Option<String>,
    /// Whether the user lets a first connection be shared.
    pub control_master: bool,
    pub connect_timeout: Option<u64>,
    pub server_alive_interval: u64,
}

/// An `ssh -G` that reads the settings; it connects to nothing.
pub(super) struct Asking(Child);

impl Asking {
    /// Asks what the settings make of `arguments`.
    pub fn begin(arguments: &[String]) -> Result<Self, TransportError> {
        let mut command = Command::new("ssh");
        command.arg("-G").args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = command.spawn();
        started.map(Self).map_err(|source| TransportError::Start { program: "ssh".into(), source })
    }

    /// Waits for the answer.
    pub fn answer(self) -> Result<RemoteConfig, TransportError> {
        let output = self
            .0
            .wait_with_output()
            .map_err(|source| TransportError::Start { program: "ssh".into(), source })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = super::diagnose::last_lines(&said).join("; ");
            return Err(TransportError::Configuration { said });
        }
        Ok(RemoteConfig::read(&String::from_utf8_lossy(&output.stdout)))
    }
}

impl RemoteConfig {
    fn read(text: &str) -> Self {
        let mut config = Self { port: 22, ..Self::default() };
        for line in text.lines() {
            let Some((key, value)) = line.split_once(' ') else { continue };
            match key {
                "hostname" => value.clone_into(&mut config.host),
                "port" => config.port = value.parse().unwrap_or(22),
                "user" => value.clone_into(&mut config.user),
                "hostkeyalias" => config.host_key_alias = Some(value.to_owned()),
                "controlpath" if value != "none" => config.control_path = Some(value.to_owned()),
                "controlmaster" => config.control_master = value != "false" && value != "no",
                "connecttimeout" => config.connect_timeout = value.parse().ok(),
                "serveraliveinterval" => {
                    config.server_alive_interval = value.parse().unwrap_or_default();
                }
                _ => {}
            }
        }
        config
    }

    /// Returns the host as `known_hosts` and `ssh-keygen -R` name it.
    pub fn known_host(&self) -> String {
        match &self.host_key_alias {
            Some(alias) => alias.clone(),
            None if self.port == 22 => self.host.clone(),
            None => format!("[{}]:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let text = "host x\nuser alice\nhostname login.example.org\nport 2222\n\
                    controlmaster auto\ncontrolpath /tmp/s\nserveraliveinterval 0\nconnecttimeout none\n";
        let config = RemoteConfig::read(text);
        assert_eq!(config.known_host(), "[login.example.org]:2222");
        assert_eq!(config.control_path.as_deref(), Some("/tmp/s"));
        assert!(config.control_master);
        assert_eq!(config.connect_timeout, None);
    }
}
