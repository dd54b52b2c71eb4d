//! Hosts that only this machine's neighbours reach: what foreign code names is not asked of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use url::{Host, Url};

/// Ends of names that no public server has (RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`).
const INNER: [&str; 5] = ["localhost", "local", "internal", "home.arpa", "lan"];

/// Which servers may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Those that the user named, and wherever they lead.
    #[default]
    Anywhere,
    /// Those of the public internet, and inner hosts that the user named: foreign code wrote the
    /// address.
    Public { and: Vec<String> },
}

/// Names inner hosts that foreign code may have asked, by commas.
const HOSTS: &str = "SIZAR_WEIGHTS_HOSTS";
/// How [`Reach::Public`] is written, and [`Reach::Anywhere`].
const PUBLIC: &str = "public";
const ANYWHERE: &str = "anywhere";

/// Returns whether a host is the machine that asks itself.
fn is_own(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let by_number = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
    by_number || host.eq_ignore_ascii_case("localhost") || host.ends_with(".localhost")
}

impl Reach {
    /// Returns what may be asked for foreign code, by the environment.
    pub fn of_foreign_code() -> Self {
        Self::public(&std::env::var(HOSTS).unwrap_or_default())
    }

    fn public(hosts: &str) -> Self {
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        Self::Public { and: hosts.map(str::to_owned).collect() }
    }

    /// Returns whether a server may be asked, as far as the text of the address tells.
    pub fn allows(&self, address: &str) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Public { .. } => is_public(address) || self.is_named(address),
        }
    }

    fn is_named(&self, address: &str) -> bool {
        let Self::Public { and } = self else { return false };
        let host = Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.is_some_and(|host| and.iter().any(|one| one.eq_ignore_ascii_case(&host)))
    }

    /// Returns a word that says it to a process on another machine, for which this one's own names
    /// of itself are others.
    pub fn word(&self) -> String {
        match self {
            Self::Anywhere => ANYWHERE.to_owned(),
            Self::Public { and } => {
                let there = and.iter().filter(|host| !is_own(host));
                let there: Vec<&str> = there.map(String::as_str).collect();
                format!("{PUBLIC} {}", there.join(","))
            }
        }
    }
}

impl FromStr for Reach {
    type Err = std::convert::Infallible;

    /// Reads [`Reach::word`]; what is not understood reaches the public internet alone.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if word == ANYWHERE {
            return Ok(Self::Anywhere);
        }
        Ok(Self::public(word.strip_prefix(PUBLIC).unwrap_or_default()))
    }
}

/// A host that leads to a place that may not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` is a host of an inner network")]
pub(super) struct Inner {
    pub host: String,
}

/// Looks names up, and leaves out what [`Reach`] does not: a public name may lead to an inner
/// address.
///
/// What goes through a proxy is looked up by that, and its own name is the user's.
#[derive(Debug)]
pub(super) struct Bounded {
    pub reach: Reach,
    pub resolver: DefaultResolver,
}

impl Resolver for Bounded {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let is_proxy =
            config.proxy().is_some_and(|proxy| proxy.uri().authority() == uri.authority());
        if self.reach == Reach::Anywhere || is_proxy || self.reach.is_named(&uri.to_string()) {
            return Ok(found);
        }
        let mut public = self.empty();
        for address in found.iter().filter(|address| is_public_ip(address.ip())) {
            public.push(*address);
        }
        if public.is_empty() {
            let host = uri.host().unwrap_or_default().to_owned();
            return Err(ureq::Error::Other(Box::new(Inner { host })));
        }
        Ok(public)
    }
}

/// Returns whether an address names a host of the public internet, as far as its text tells.
fn is_public(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let ends = |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
            name.contains('.') && !INNER.iter().any(|end| ends(end))
        }
        Some(Host::Ipv4(ip)) => is_public_v4(ip),
        Some(Host::Ipv6(ip)) => is_public_ip(ip.into()),
        None => false,
    }
}

fn is_public_ip(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // mapped (RFC 4291), and the older form without `ffff`; `::` and `::1` are among them
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => v4(high, low),
        // translated by the network (RFC 6052): behind DNS64 public hosts are reached so
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // the same for a network's own use (RFC 8215), and Teredo (RFC 4380)
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => false,
        // 6to4 (RFC 3056)
        [0x2002, high, low, ..] => v4(high, low),
        // what was called local to a site (RFC 3879)
        [first, ..] if first & 0xffc0 == 0xfec0 => false,
        _ => !ip.is_unique_local() && !ip.is_unicast_link_local() && !ip.is_multicast(),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    // carriers' own (RFC 6598)
    let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
    // assignments of protocols (RFC 6890), and what is reserved, broadcasts among it (RFC 1112)
    let assigned = ip.octets()[..3] == [192, 0, 0];
    let reserved = ip.octets()[0] >= 240;
    let inner = ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared || assigned;
    !inner && ip.octets()[0] != 0 && !reserved && !ip.is_multicast()
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
            "https://[::10.0.0.1]/x",
            "https://[::]/x",
            "https://[64:ff9b::a9fe:a9fe]/x",
            "https://[64:ff9b:1::808:808]/x",
            "https://[2002:a00:1::]/x",
            "https://[2001::1]/x",
            "https://[fec0::1]/x",
            "https://192.0.0.8/x",
            "https://240.0.0.1/x",
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
            "https://[64:ff9b::808:808]/x",
            "https://[2002:808:808::1]/x",
            "https://islocal.org/x",
        ] {
            assert!(is_public(outer), "{outer}");
        }
    }

    #[test]
    fn a_name_that_leads_to_an_inner_address_is_not_asked() {
        let looked_up = |reach: Reach| {
            let bounded = Bounded { reach, resolver: DefaultResolver::default() };
            let timeout = NextTimeout {
                after: ureq::unversioned::transport::time::Duration::NotHappening,
                reason: ureq::Timeout::Resolve,
                per_read: None,
                per_write: None,
            };
            // as a public name may: the look-up tells, and not the text
            bounded.resolve(&"http://localhost:9/x".parse().unwrap(), &Config::default(), timeout)
        };
        let refused = looked_up(Reach::public("127.0.0.1")).unwrap_err();
        let ureq::Error::Other(inner) = refused else { panic!("{refused}") };
        assert_eq!(inner.to_string(), "`localhost` is a host of an inner network");
        assert!(looked_up(Reach::public("localhost")).is_ok());
        assert!(looked_up(Reach::Anywhere).is_ok());
    }

    #[test]
    fn what_may_be_asked_is_said_in_a_word() {
        let named = Reach::public("nas.local, 127.0.0.1");
        assert!(named.allows("https://NAS.local/x") && !named.allows("https://other.local/x"));
        for reach in [Reach::Anywhere, Reach::public(""), Reach::public("nas.local,10.0.0.7")] {
            assert_eq!(reach.word().parse(), Ok(reach));
        }
        // another machine's `localhost` is another
        assert_eq!(Reach::public("localhost,127.0.0.1,[::1],nas.local").word(), "public nas.local");
        for word in ["", "something newer"] {
            assert_eq!(word.parse(), Ok(Reach::public("")));
        }
    }
}
