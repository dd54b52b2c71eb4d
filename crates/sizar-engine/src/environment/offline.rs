//! Code that asks the network as soon as it is imported, which a check does not let it.

use std::sync::LazyLock;

use regex::Regex;
use sizar_env::diagnosis::error_line;
use sizar_model::VerificationLevel;

use super::verify::Verified;

/// The last line of a failure for want of the network, as the standard library, requests, urllib3
/// and httpx write it.
static IN_VAIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:URLError|gaierror|ConnectionError|ConnectError|ProxyError|MaxRetryError|NameResolutionError)\b.*(?:name resolution|Name or service not known|Network is unreachable|Tunnel connection failed|Connection refused|Max retries exceeded|nodename nor servname)",
    )
    .expect("a test uses it")
});

/// Returns what is known of an environment whose driver ended because it has no network: that it
/// is installed. No other Python and no other date would mend it.
pub(super) fn asked_in_vain(output: &str) -> Option<Verified> {
    let line = error_line(output);
    IN_VAIN.is_match(&line).then(|| Verified {
        level: VerificationLevel::Installed,
        complete: false,
        checks: vec![format!(
            "it asks the network as soon as it starts ({line}), which a check does not have: \
             `sizar run --network` lets it"
        )],
        unmet: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_at_import_is_no_fault_of_the_environment() {
        let text = "importing cellpose.models:\nTraceback (most recent call last):\n  File \"x.py\", line 3, in <module>\n    download()\nurllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>\n";
        let seen = asked_in_vain(text).expect("it is for want of the network");
        assert_eq!(seen.level, VerificationLevel::Installed);
        assert!(!seen.complete && seen.checks[0].contains("--network"));
        assert!(asked_in_vain("ModuleNotFoundError: No module named 'requests'\n").is_none());
        assert!(asked_in_vain("ValueError: name resolution of a wavelet\n").is_none());
    }
}
