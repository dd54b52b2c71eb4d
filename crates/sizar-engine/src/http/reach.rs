//! Hosts that only this machine's neighbours reach: what foreign code names is not asked of them.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

/// Ends of names that no public server has (RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`).
const INNER: [&str; 5] = ["localhost", "local", "internal", "home.arpa", "lan"];

/// Returns whether an address names a host of the public internet, as far as its text tells.
///
/// A public name may still lead to an inner address: that is the name server's business.
pub(crate) fn is_public(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let ends = |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
            name.contains('.') && !INNER.iter().any(|end| ends(end))
        }
        Some(Host::Ipv4(ip)) => is_public_v4(ip),
        Some(Host::Ipv6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => is_public_v4(ip),
            None => {
                let inner = ip.is_unique_local() || ip.is_unicast_link_local();
                !inner
                    && !IpAddr::from(ip).is_loopback()
                    && !ip.is_unspecified()
                    && !ip.is_multicast()
            }
        },
        None => false,
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    // carriers' own (RFC 6598)
    let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
    let inner = ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared;
    !inner && ip.octets()[0] != 0 && !ip.is_broadcast() && !ip.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_hosts_are_known_by_their_names_and_numbers() {
        for inner in [
            "https://localhost/x",
            "https://gitlab/x",
            "https://a.localhost/",
            "https://nas.local/x",
            "https://x.internal./x",
            "https://10.1.2.3/x",
            "https://127.1/x",
            "https://169.254.169.254/x",
            "https://192.168.0.1:8443/x",
            "https://100.64.0.1/x",
            "https://[::1]/x",
            "https://[fd00::1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://0x7f000001/x",
            "https://0.0.0.0/x",
            "nothing",
        ] {
            assert!(!is_public(inner), "{inner}");
        }
        for outer in [
            "https://download.pytorch.org/x",
            "https://8.8.8.8/x",
            "https://[2606:4700::1]/x",
            "https://islocal.org/x",
        ] {
            assert!(is_public(outer), "{outer}");
        }
    }
}
