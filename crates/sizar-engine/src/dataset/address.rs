//! Where data lie.

use std::str::FromStr;

use serde::Deserialize;

/// An address of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// One file; `sha256` is its digest, or how that begins.
    Web { url: String, sha256: Option<String> },
    /// All files of a record.
    Zenodo { record: String },
}

/// A text that is no address of data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address of data: {why}")]
pub struct InvalidAddress {
    pub text: String,
    pub why: &'static str,
}

/// The beginnings of addresses.
const SCHEMES: [&str; 5] = ["https://", "http://", "s3://", "zenodo:", "doi:"];
/// The beginning of the DOIs of Zenodo.
const ZENODO: &str = "10.5281/zenodo.";

/// What comes before the beginning of a digest, in the end of an address that sizar makes itself.
pub(crate) const BEGINS: &str = "sha256-begins=";

fn is_beginning(digits: &str) -> bool {
    (8..64).contains(&digits.len())
        && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns whether a text is meant as an address, and not as a path.
pub fn is_address(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |why| InvalidAddress { text: text.to_owned(), why };
        let record = |number: &str| {
            let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let why = "a record of Zenodo is a number";
            plain.then(|| Self::Zenodo { record: number.to_owned() }).ok_or_else(|| invalid(why))
        };
        let doi = text.strip_prefix("doi:").or_else(|| text.strip_prefix("https://doi.org/"));
        if let Some(doi) = doi {
            let number = doi.strip_prefix(ZENODO);
            return record(number.ok_or_else(|| invalid("only Zenodo's DOIs lead to files"))?);
        }
        if let Some(number) = text.strip_prefix("zenodo:") {
            return record(number);
        }
        let (url, fragment) = text.split_once('#').map_or((text, None), |(u, f)| (u, Some(f)));
        let begins = fragment.and_then(|fragment| fragment.strip_prefix(BEGINS));
        let sha256 = match fragment.map(|fragment| fragment.strip_prefix("sha256=")) {
            None => None,
            // who publishes weights puts it into their names
            Some(None) if begins.is_some_and(is_beginning) => begins.map(str::to_owned),
            Some(Some(digest))
                if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
            {
                Some(digest.to_ascii_lowercase())
            }
            Some(_) => return Err(invalid("after `#` comes `sha256=` and 64 digits")),
        };
        let url = match url.strip_prefix("s3://") {
            Some(rest) => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() || key.is_empty() {
                    return Err(invalid("it is `s3://BUCKET/KEY`"));
                }
                // what is public there is public over HTTPS, too
                format!("https://{bucket}.s3.amazonaws.com/{key}")
            }
            None => url.to_owned(),
        };
        let whole = sha256.as_ref().is_some_and(|digest| digest.len() == 64);
        if url.starts_with("http://") && !whole {
            return Err(invalid(
                "what comes without encryption may be anything: use `https://`, or say what it \
                 must hold with `#sha256=DIGEST`",
            ));
        }
        let address = Self::Web { url, sha256 };
        let named = address.name().is_some();
        named.then_some(address).ok_or_else(|| invalid("it names no file"))
    }
}

impl Address {
    /// Returns the name of the file, where it is one.
    pub fn name(&self) -> Option<&str> {
        let Self::Web { url, .. } = self else { return None };
        let path = url.split(['?', '#']).next()?.split_once("://")?.1;
        let name = path.split_once('/')?.1.rsplit('/').next()?;
        (!name.is_empty() && name != "." && name != "..").then_some(name)
    }
}

/// A file of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordFile {
    pub name: String,
    pub url: String,
    pub md5: Option<String>,
    pub size: Option<u64>,
}

/// Reads what Zenodo says of a record.
pub(super) fn files_of(json: &[u8]) -> Result<Vec<RecordFile>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Record {
        #[serde(default)]
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    struct File {
        key: String,
        size: Option<u64>,
        checksum: Option<String>,
        links: Links,
    }
    #[derive(Deserialize)]
    struct Links {
        #[serde(rename = "self")]
        own: String,
    }
    let record: Record = serde_json::from_slice(json)?;
    let one = |file: File| RecordFile {
        name: file.key,
        url: file.links.own,
        md5: file.checksum.and_then(|sum| Some(sum.strip_prefix("md5:")?.to_owned())),
        size: file.size,
    };
    Ok(record.files.into_iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let web = |url: &str| Address::Web { url: url.to_owned(), sha256: None };
        let read = |text: &str| text.parse::<Address>();
        assert_eq!(read("https://x.org/a/b.zip?dl=1"), Ok(web("https://x.org/a/b.zip?dl=1")));
        assert_eq!(read("https://x.org/a/b.zip?dl=1").unwrap().name(), Some("b.zip"));
        assert_eq!(read("s3://bucket/a/b.h5"), Ok(web("https://bucket.s3.amazonaws.com/a/b.h5")));
        let record = Ok(Address::Zenodo { record: "123".to_owned() });
        assert_eq!(read("zenodo:123"), record);
        assert_eq!(read("doi:10.5281/zenodo.123"), record);
        assert_eq!(read("https://doi.org/10.5281/zenodo.123"), record);
        let digest = "A".repeat(64);
        let begins = read("https://x.org/a#sha256-begins=0676ba61").unwrap();
        assert!(matches!(begins, Address::Web { sha256: Some(sum), .. } if sum == "0676ba61"));
        assert!(read("http://x.org/a#sha256-begins=0676ba61").is_err());
        assert!(read("https://x.org/a#sha256-begins=0676").is_err());
        let told = read(&format!("https://x.org/a#sha256={digest}")).unwrap();
        assert!(matches!(told, Address::Web { sha256: Some(sum), .. } if sum == "a".repeat(64)));
        for text in [
            "https://x.org",
            "https://x.org/",
            "s3://b",
            "zenodo:x",
            "doi:10.1/2",
            "https://x.org/a#sha256=1",
            "https://x.org/a/..",
            "http://x.org/a",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(is_address("s3://a/b") && !is_address("./https:/x") && !is_address("zenodo/1"));
    }

    #[test]
    fn a_record_of_zenodo_is_its_files() {
        let json = br#"{"id": 1, "files": [{"key": "a.zip", "size": 3, "checksum": "md5:abc",
            "links": {"self": "https://zenodo.org/api/records/1/files/a.zip/content"}}]}"#;
        let files = files_of(json).unwrap();
        assert_eq!((files[0].name.as_str(), files[0].size), ("a.zip", Some(3)));
        assert_eq!(files[0].md5.as_deref(), Some("abc"));
        assert!(files_of(b"{}").unwrap().is_empty());
    }
}
