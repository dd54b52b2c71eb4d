//! The client: one agent with its limits, and small documents.

use std::sync::Arc;
use std::time::Duration;

use sizar_model::SafeUrl;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use url::Url;

use super::HttpError;
use super::reach::{Bounded, Inner, Reach};

/// How often a server may say that it lies elsewhere.
const REDIRECTS: u32 = 10;

/// How long a client waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection to be made.
    pub connect: Duration,
    /// For the answer to begin.
    pub response: Duration,
    /// For the next byte of the answer.
    pub stalled: Duration,
    /// Before the second, third and fourth try.
    pub back_off: [Duration; 3],
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            response: Duration::from_mins(1),
            stalled: Duration::from_secs(45),
            back_off: [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(4)],
        }
    }
}

/// A client for HTTP and HTTPS.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    patience: Patience,
    reach: Reach,
}

/// A small document.
#[derive(Clone, Debug)]
pub struct Document {
    /// The media type, without parameters and in lower case.
    pub media_type: String,
    pub body: Vec<u8>,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// Makes a client from the environment's proxy and certificates.
    pub fn new() -> Self {
        Self::with_patience(Patience::default())
    }

    /// Makes a client that waits for other times than usual.
    pub fn with_patience(patience: Patience) -> Self {
        Self::within(Reach::Anywhere, patience)
    }

    /// Makes a client that asks certain servers only, wherever those lead.
    pub fn within(reach: Reach, patience: Patience) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.response))
            .timeout_per_read(Some(patience.stalled))
            .timeout_per_write(Some(patience.stalled))
            .user_agent(concat!("sizar/", env!("CARGO_PKG_VERSION")))
            // each step is looked at here
            .max_redirects(0)
            .tls_config(tls())
            .build();
        let bounded = Bounded { reach: reach.clone(), resolver: DefaultResolver::default() };
        let agent = Agent::with_parts(config, DefaultConnector::default(), bounded);
        Self { agent, patience, reach }
    }

    /// Fetches a document of at most `limit` bytes, preferring the media types in `accept`.
    ///
    /// # Errors
    ///
    /// The last of the tries' errors.
    pub fn get(&self, url: &SafeUrl, accept: &str, limit: u64) -> Result<Document, HttpError> {
        self.persist(|_| {
            let response = self.ask(url, &[("accept", accept)])?;
            let media_type = response.body().mime_type().unwrap_or_default().to_ascii_lowercase();
            let body = response.into_body().into_with_config().limit(limit).read_to_vec().map_err(
                |source| match source {
                    ureq::Error::BodyExceedsLimit(_) => {
                        HttpError::TooLarge { url: url.clone(), limit }
                    }
                    source => unreachable(url, source),
                },
            )?;
            Ok(Document { media_type, body })
        })
    }

    /// Asks how many bytes a file has; none where the server does not say.
    ///
    /// # Errors
    ///
    /// The error of the one try.
    pub fn size(&self, url: &SafeUrl) -> Result<Option<u64>, HttpError> {
        let response = self.call(url, &[], Method::Head)?;
        let length = response.headers().get("content-length");
        Ok(length.and_then(|length| length.to_str().ok()?.trim().parse().ok()))
    }

    /// Calls `attempt` (with the number of the try) until it succeeds, or fails for good.
    pub(super) fn persist<T>(
        &self,
        mut attempt: impl FnMut(usize) -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        let mut number = 0;
        loop {
            match attempt(number) {
                Err(error) if error.may_pass() => {
                    let Some(wait) = self.patience.back_off.get(number) else { return Err(error) };
                    tracing::debug!(%error, ?wait, "asking again");
                    std::thread::sleep(*wait);
                    number += 1;
                }
                result => return result,
            }
        }
    }

    /// Asks once; every status but success is an error.
    pub(super) fn ask(
        &self,
        url: &SafeUrl,
        headers: &[(&str, &str)],
    ) -> Result<ureq::http::Response<ureq::Body>, HttpError> {
        self.call(url, headers, Method::Get)
    }

    fn call(
        &self,
        url: &SafeUrl,
        headers: &[(&str, &str)],
        method: Method,
    ) -> Result<ureq::http::Response<ureq::Body>, HttpError> {
        // checked here, because ureq's own message about an address quotes it with its secrets
        let parsed = Url::parse(url.expose()).ok();
        let usable = parsed
            .is_some_and(|parsed| matches!(parsed.scheme(), "http" | "https") && parsed.has_host());
        if !usable {
            return Err(HttpError::Address { url: url.clone() });
        }
        let mut address = url.expose().to_owned();
        for _ in 0..=REDIRECTS {
            if !self.reach.allows(&address) {
                let host =
                    Url::parse(&address).ok().and_then(|url| url.host_str().map(str::to_owned));
                return Err(HttpError::Inner { url: url.clone(), host: host.unwrap_or_default() });
            }
            let mut request = match method {
                Method::Get => self.agent.get(&address),
                Method::Head => self.agent.head(&address),
            };
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = request.call().map_err(|source| unreachable(url, source))?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            match elsewhere(&address, &response) {
                Some(next) => address = next,
                None => {
                    return Err(HttpError::Status { url: url.clone(), status: status.as_u16() });
                }
            }
        }
        Err(HttpError::Endless { url: url.clone() })
    }
}

/// Returns where a server says that what was asked for lies.
fn elsewhere(address: &str, response: &ureq::http::Response<ureq::Body>) -> Option<String> {
    let leads = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let there = response.headers().get("location").filter(|_| leads)?.to_str().ok()?;
    Some(Url::parse(address).ok()?.join(there).ok()?.into())
}

#[derive(Clone, Copy)]
enum Method {
    Get,
    Head,
}

fn unreachable(url: &SafeUrl, source: ureq::Error) -> HttpError {
    match source {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => HttpError::Address { url: url.clone() },
        ureq::Error::Other(source) if source.is::<Inner>() => {
            let host =
                source.downcast_ref::<Inner>().map_or_else(String::new, |it| it.host.clone());
            HttpError::Inner { url: url.clone(), host }
        }
        source => HttpError::Unreachable { url: url.clone(), source: Box::new(source) },
    }
}

fn tls() -> TlsConfig {
    // an unreadable certificate among many is the system's matter; with none at all every
    // connection fails, and that error says so
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a system certificate cannot be read");
    }
    let certificates: Vec<_> =
        found.certs.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
    TlsConfig::builder()
        .root_certs(RootCerts::from(certificates))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}
