//! What the code would download where there is no network, fetched before the job.
//!
//! Only what is certain: an address that is written in the code, as the argument of a call that looks
//! in a cache for a file of that name first. Everything else is named.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::inspection::Sighting;
use sizar_model::resources::ByteSize;
use sizar_model::{Checkout, DataBinding, DataMode, Inspection, SafeUrl};

use super::carry::Carrier;
use super::downloads::{caches, concerning, named};
use super::ship;
use crate::dataset::{Address, BEGINS, Bounds};
use crate::http::{Client, Patience, Reach};
use crate::run::{self, RunRequest, chain};
use crate::target::{Place, Profile};

/// Variables that move the caches elsewhere.
const MOVES: [&str; 3] = ["TORCH_HOME", "TORCH_MODEL_ZOO", "XDG_CACHE_HOME"];
/// The fewest digits of a digest in a name that say something.
const DIGITS: usize = 8;

/// A file that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Weights {
    /// The address, with what is known of the digest.
    address: String,
    name: String,
    /// Where in the code.
    seen: String,
    /// Where the code looks for it.
    places: Vec<Utf8PathBuf>,
    /// How many bytes its server says that it has; no more are taken.
    size: u64,
}

impl Weights {
    /// Returns the address as the code has it.
    fn url(&self) -> &str {
        self.address.split('#').next().unwrap_or_default()
    }
}

/// What is fetched before a job, and what is said of it.
#[derive(Debug, Default)]
pub(super) struct Beforehand {
    wanted: Vec<Weights>,
    /// What is fetched, and what is not and why.
    pub sentences: Vec<String>,
}

impl Beforehand {
    /// Looks for what a run would download; asks how large that is.
    pub fn of(checkout: &Checkout, request: &RunRequest, profile: &Profile) -> Self {
        // who gives a job the network may want it to be used
        if request.job.network && profile.machine.internet != Some(false) {
            return Self::default();
        }
        let Ok(inspection) = run::inspect(checkout) else { return Self::default() };
        let (wanted, others) = sorted(&inspection, request);
        let patience = Patience {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(10),
            ..Patience::default()
        };
        let client = Client::within(Reach::of_foreign_code(), patience);
        let mut unreached: Vec<(String, String)> = Vec::new();
        let sizes = wanted.into_iter().map(|weights| {
            // one server that is not reached is waited for, and not each
            let url = weights.url();
            let server = url.split('/').nth(2).unwrap_or_default();
            if let Some((_, why)) = unreached.iter().find(|(other, _)| other == server) {
                return (weights, Err(why.clone()));
            }
            let size = client.size(&SafeUrl::new(url)).map_err(|error| {
                let why = chain(&error);
                if error.is_unreachable() {
                    unreached.push((server.to_owned(), why.clone()));
                }
                why
            });
            (weights.clone(), size)
        });
        let (wanted, mut sentences) =
            chosen(sizes.collect(), request.weights.unwrap_or(ByteSize(0)));
        sentences.extend(named(&others));
        Self { wanted, sentences }
    }

    /// Has it fetched, and returns where it is to be shown; what cannot be had is said, and is no
    /// reason not to run.
    pub fn fetch(&self, place: &mut Place, carrier: &Carrier<'_>) -> Vec<DataBinding> {
        let mut bindings = Vec::new();
        for Weights { address, name, seen, places, size } in &self.wanted {
            let bounds = Bounds { reach: Reach::of_foreign_code(), most: Some(*size) };
            match ship::address(place, carrier, Utf8Path::new(address), &bounds) {
                Ok(here) => bindings.extend(places.iter().map(|there| DataBinding {
                    here: here.clone(),
                    there: there.clone(),
                    mode: DataMode::ReadOnly,
                })),
                Err(error) => carrier.progress.note(format!(
                    "`{name}`, which {seen} would download, could not be fetched: {}",
                    chain(&error)
                )),
            }
        }
        bindings
    }
}

/// Divides what would be downloaded into what can be fetched and what is only named.
fn sorted<'a>(
    inspection: &'a Inspection,
    request: &RunRequest,
) -> (Vec<Weights>, Vec<&'a Sighting>) {
    let job = &request.job;
    let moved = job.env.iter().any(|(name, _)| MOVES.contains(&name.as_str()));
    let (mut wanted, mut others): (Vec<Weights>, Vec<_>) = (Vec::new(), Vec::new());
    for seen in concerning(inspection, &job.driver) {
        let fetchable = request.weights.is_some() && !moved;
        let Some(weights) = fetchable.then(|| weights(seen)).flatten() else {
            others.push(seen);
            continue;
        };
        // the user has it, or another call wants the same
        let given = |there: &Utf8PathBuf| {
            job.data.iter().any(|one| there.starts_with(&one.there) || one.there.starts_with(there))
        };
        let known = wanted.iter().any(|known| known.name == weights.name);
        if !known && !weights.places.iter().any(given) {
            wanted.push(weights);
        }
    }
    // a table of addresses is seen, too, and then the call that takes one of them
    let same = |seen: &&Sighting| wanted.iter().any(|one| one.url() == seen.text);
    others.retain(|seen| !same(seen));
    (wanted, others)
}

/// Reads what a call would download; none where that is not certain.
fn weights(seen: &Sighting) -> Option<Weights> {
    let caches = caches(&seen.kind);
    if caches.is_empty() || seen.text.contains('#') {
        return None;
    }
    let read = |text: &str| text.parse::<Address>().ok();
    // the name in the cache is that in the address, without its question
    let name = seen.text.split('?').next()?.rsplit('/').next()?.to_owned();
    let address = match digest_in(&name) {
        Some(digest) if digest.len() == 64 => format!("{}#sha256={digest}", seen.text),
        Some(digest) => format!("{}#{BEGINS}{digest}", seen.text),
        None => seen.text.clone(),
    };
    let web = seen.text.starts_with("https://") || seen.text.starts_with("http://");
    let plain = matches!(read(&address)?, Address::Web { .. })
        && web
        && Reach::of_foreign_code().allows(&seen.text);
    (plain && !name.contains(['%', '\\'])).then(|| Weights {
        address,
        places: caches.iter().map(|cache| Utf8Path::new(cache).join(&name)).collect(),
        name,
        seen: format!("{}:{}", seen.path, seen.line),
        size: 0,
    })
}

/// Returns how the SHA-256 digest of a file begins, where its name says so: `resnet50-0676ba61.pth`.
///
/// Digits alone may be a date.
fn digest_in(name: &str) -> Option<&str> {
    let digits = name.rsplit_once('-')?.1.split('.').next()?;
    let hexadecimal = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let lettered = digits.bytes().any(|byte| byte.is_ascii_lowercase());
    ((DIGITS..=64).contains(&digits.len()) && hexadecimal && lettered).then_some(digits)
}

/// Takes what fits under `most` together, in the order of the code; says what is fetched and what not.
fn chosen(
    sizes: Vec<(Weights, Result<Option<u64>, String>)>,
    most: ByteSize,
) -> (Vec<Weights>, Vec<String>) {
    let (mut taken, mut sentences, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (weights, size) in sizes {
        let Weights { name, seen, .. } = &weights;
        match size {
            Ok(Some(size)) if size <= most.0.saturating_sub(bytes) => {
                bytes += size;
                sentences.push(format!(
                    "{seen} would download `{name}` ({}): it is fetched before the job",
                    ByteSize(size)
                ));
                taken.push(Weights { size, ..weights });
            }
            Ok(Some(size)) => sentences.push(format!(
                "{seen} would download `{name}` ({}), and with it more than {most} would be \
                 fetched: `--weights {}` allows it",
                ByteSize(size),
                enough(bytes.saturating_add(size)),
            )),
            Ok(None) => sentences.push(format!(
                "{seen} would download `{name}`, and nothing says how large it is: it is not fetched; \
                 `--data {}:{}` does",
                weights.address,
                weights.places.first().map_or("", |place| place.as_str()),
            )),
            Err(why) => sentences.push(format!(
                "{seen} would download `{name}`, which is not fetched, since it could not be asked \
                 how large it is: {why}"
            )),
        }
    }
    (taken, sentences)
}

/// Writes a size that so many bytes fit under, as it is typed.
fn enough(bytes: u64) -> String {
    match bytes.div_ceil(1 << 20) {
        mebibytes if mebibytes < 1024 => format!("{mebibytes}M"),
        mebibytes => format!("{}G", mebibytes.div_ceil(1024)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: &str, text: &str) -> Sighting {
        Sighting { kind: kind.into(), text: text.into(), path: "net.py".into(), line: 7 }
    }

    #[test]
    fn what_a_call_downloads_is_told_with_its_digest() {
        let told =
            weights(&seen("torch_url", "https://x.org/m/resnet50-0676ba61.pth?a=1")).unwrap();
        assert_eq!(
            told.address,
            "https://x.org/m/resnet50-0676ba61.pth?a=1#sha256-begins=0676ba61"
        );
        assert_eq!(told.places[0], "~/.cache/torch/hub/checkpoints/resnet50-0676ba61.pth");
        assert_eq!(told.places.len(), 2);
        for (kind, text) in [
            ("url", "https://x.org/a.pth"),
            ("gdown", "https://x.org/a.pth"),
            ("torch_url", "load_url(url)"),
            ("torch_url", "http://x.org/a-0676ba61.pth"),
            ("torch_url", "https://x.org/"),
            ("torch_url", "https://192.168.0.7/a.pth"),
            ("torch_url", "doi:10.5281/zenodo.1"),
            ("torch_url", "https://doi.org/10.5281/zenodo.1"),
        ] {
            assert_eq!(weights(&seen(kind, text)), None, "{kind} {text}");
        }
        assert_eq!(digest_in("a-20190101.pth"), None);
        assert_eq!(digest_in("a-b-5c106cde.pth.tar"), Some("5c106cde"));
        assert_eq!(digest_in("vit-base.pth"), None);
    }

    #[test]
    fn no_more_is_fetched_than_was_allowed() {
        let one = |name: &str| {
            let text = format!("https://x.org/{name}");
            weights(&seen("torch_url", &text)).unwrap()
        };
        let sizes = vec![
            (one("a.pth"), Ok(Some(60 << 20))),
            (one("b.pth"), Ok(Some(1 << 40))),
            (one("c.pth"), Ok(None)),
            (one("d.pth"), Err("404".to_owned())),
            (one("e.pth"), Ok(Some(40 << 20))),
        ];
        let (taken, sentences) = chosen(sizes, ByteSize(100 << 20));
        assert_eq!(taken.iter().map(|one| &one.name[..1]).collect::<String>(), "ae");
        assert_eq!(sentences.len(), 5);
        assert!(sentences[0].contains("net.py:7") && sentences[0].contains("60.0 MiB"));
        assert!(sentences[1].contains("--weights 1025G"), "{}", sentences[1]);
        assert!(sentences[2].contains("--data https://x.org/c.pth:~/.cache/torch"));
    }
}
