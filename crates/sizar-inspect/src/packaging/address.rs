//! Requirements that are addresses: git, archives, wheels, folders.

use super::requirement::{Distribution, is_marker, normalise, with_marker};
use super::text::{group, pattern, without_secrets};

/// Reads `asked` where it is an address, with or without a name before it.
pub(super) fn read(asked: &str) -> Option<Distribution> {
    pattern!(NAMED, r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*@\s*(.+)$", needs["@"]);
    pattern!(EXTRAS, r"^\[[A-Za-z0-9][\w., -]*\]$", needs["["]);
    let (name, extras, rest) = match NAMED.captures(asked) {
        // `git@github.com:a/b` is an address without a name
        Some(found) if group(&found, 1) != "git" => {
            (Some(group(&found, 1)), group(&found, 2), group(&found, 3).trim())
        }
        _ => (None, "", asked),
    };
    let extras = if EXTRAS.is_match(extras) { extras } else { "" };
    let (target, marker) = split_marker(rest);
    if name.is_none() && !is_address(target) {
        return None;
    }
    let place = Place::of(target);
    let mut found = place.distribution(name, extras);
    if let (Some(requirement), Some(marker)) = (&mut found.requirement, marker) {
        *requirement = with_marker(requirement, marker);
    }
    Some(found)
}

/// `URL ; marker`: the semicolon needs a space before it (PEP 508).
fn split_marker(rest: &str) -> (&str, Option<&str>) {
    match rest.split_once(" ;") {
        Some((target, marker)) if is_marker(marker.trim()) => (target.trim(), Some(marker.trim())),
        Some((target, _)) => (target.trim(), None),
        None => (rest.trim(), None),
    }
}

fn is_address(text: &str) -> bool {
    pattern!(
        SCHEME,
        r"(?i)^(?:(?:git|hg|svn|bzr)\+)?(?:https?|git|ssh|file|ftp|svn)://|^(?:git\+)?git@[\w.-]+[:/]|^file:", needs [":", "@"]
    );
    pattern!(FOLDER, r"^(?:\.{1,2}$|\.{1,2}[/\\]|/|~/|[A-Za-z]:\\)", needs ["/", ".", "\\"]);
    pattern!(ARCHIVE, r"(?i)^\S+\.(?:whl|tar\.gz|tar\.bz2|tgz|zip)(?:\[[^\]]*\])?$", needs [".whl", ".tar.", ".tgz", ".zip"]);
    SCHEME.is_match(text) || FOLDER.is_match(text) || ARCHIVE.is_match(text)
}

/// Where something is to be had.
enum Place {
    /// The address to give to pip, the name that it suggests, and what was mended.
    Remote { address: String, name: Option<String>, guessed: bool, note: Option<&'static str> },
    /// A release that a wheel for one platform is of.
    Release { name: String, version: String },
    /// A file or folder of the authors, with the name and version that a wheel's name gives.
    Local { path: String, name: Option<String>, version: Option<String> },
}

impl Place {
    fn of(target: &str) -> Self {
        pattern!(EGG, r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?", needs["egg="]);
        let clean = without_secrets(target).into_owned();
        let lower = clean.to_ascii_lowercase();
        let egg = EGG.captures(&clean).map(|found| group(&found, 1).to_owned());
        if lower.starts_with("file:") || !(lower.contains("://") || lower.contains("git@")) {
            let (name, version) = from_file_name(&clean);
            let path = clean.strip_prefix("file:").unwrap_or(&clean).to_owned();
            return Self::Local { path, name: egg.or(name), version };
        }
        if let Some(release) = Self::wheel_of_one_platform(&clean) {
            return release;
        }
        let (mut address, note) = over_https(&clean);
        if EGG.is_match(&address) {
            address = EGG.replace(&address, "").into_owned();
            // `#subdirectory=` may have come after the name
            if !address.contains('#') {
                address = address.replacen('&', "#", 1);
            }
        }
        let certain = egg.or_else(|| from_file_name(&address).0);
        let guessed = certain.is_none();
        let name = certain.or_else(|| from_repository(&address));
        Self::Remote { address, name, guessed, note }
    }

    /// A wheel for one Python, system or CUDA: its release is what the author wanted.
    fn wheel_of_one_platform(address: &str) -> Option<Self> {
        pattern!(
            PLATFORM,
            r"-(?:linux|manylinux|macosx|win)[\w.]*\.whl(?:[#?].*)?$",
            needs[".whl"]
        );
        if !PLATFORM.is_match(address) {
            return None;
        }
        let (name, version) = from_file_name(address);
        Some(Self::Release { name: name?, version: version? })
    }

    fn distribution(self, name: Option<&str>, extras: &str) -> Distribution {
        match self {
            Self::Remote { address, name: suggested, guessed, note } => {
                let Some(chosen) = name.map(str::to_owned).or(suggested) else {
                    return Distribution::unreadable(&address, "an address that names no package");
                };
                let mut found = Distribution {
                    name: normalise(&chosen),
                    requirement: Some(format!("{}{extras} @ {address}", normalise(&chosen))),
                    ..Distribution::default()
                };
                if let Some(note) = note {
                    found.note(note);
                }
                if address.contains('$') {
                    found.requirement = None;
                    found.unreadable = Some("an address with an environment variable".to_owned());
                }
                if name.is_none() && guessed {
                    found.note("named after its repository");
                }
                found
            }
            Self::Release { name: suggested, version } => {
                let name = normalise(name.unwrap_or(&suggested));
                // a label such as `+cu101` names a build that no index has
                let public = version.split('+').next().unwrap_or(&version);
                let mut found = Distribution {
                    requirement: Some(format!("{name}{extras}=={public}")),
                    name,
                    ..Distribution::default()
                };
                found.note("the address of a wheel for one platform is read as its release");
                found
            }
            Self::Local { version, .. } if name.is_some() => {
                let name = normalise(name.unwrap_or_default());
                let version = version.map(|version| format!("=={version}")).unwrap_or_default();
                let mut found = Distribution {
                    requirement: Some(format!("{name}{extras}{version}")),
                    name,
                    ..Distribution::default()
                };
                found.note("the address on the authors' machine is dropped");
                found
            }
            Self::Local { path, name, version } => match (name, version) {
                (Some(name), Some(version)) => {
                    let name = normalise(&name);
                    let public = version.split('+').next().unwrap_or(&version);
                    let mut found = Distribution {
                        requirement: Some(format!("{name}=={public}")),
                        name,
                        ..Distribution::default()
                    };
                    found.note("read from the name of a local file");
                    found
                }
                _ => Distribution {
                    name: path,
                    unreadable: Some("a folder or file, not a package of an index".to_owned()),
                    ..Distribution::default()
                },
            },
        }
    }
}

/// GitHub has stopped the git protocol, and ssh needs a key: both repositories are open over https.
fn over_https(address: &str) -> (String, Option<&'static str>) {
    pattern!(
        GITHUB,
        r"^(?:git\+)?(?:git://(?:git@)?|ssh://git@|git@)(github\.com|gitlab\.com|bitbucket\.org)[:/](.*)$", needs ["git", "bitbucket"]
    );
    pattern!(
        BARE,
        r"^https?://(?:www\.)?github\.com/[^/#@]+/[^/#@]+(?:\.git(?:@[^#]*)?)?/?(?:#.*)?$",
        needs["github.com"]
    );
    if let Some(found) = GITHUB.captures(address) {
        let https = format!("git+https://{}/{}", group(&found, 1), group(&found, 2));
        return (https, Some("https instead of the git or ssh protocol"));
    }
    if BARE.is_match(address) {
        return (format!("git+{address}"), Some("the page of a repository is read as its address"));
    }
    (address.to_owned(), None)
}

/// Name and version from `name-1.0-cp37-cp37m-linux_x86_64.whl` or `name-1.0.tar.gz`.
fn from_file_name(address: &str) -> (Option<String>, Option<String>) {
    pattern!(
        WHEEL,
        r"^([A-Za-z0-9][A-Za-z0-9._]*)-(\d[\w.!+]*)(?:-\d\w*)?-[\w.]+-[\w.]+-[\w.]+\.whl$",
        needs[".whl"]
    );
    pattern!(SDIST, r"^([A-Za-z][A-Za-z0-9._-]*?)-(\d[\w.!+-]*?)\.(?:tar\.gz|tar\.bz2|tgz|zip)$", needs [".tar.", ".tgz", ".zip"]);
    let bare = address.split(['#', '?']).next().unwrap_or(address).replace("%2B", "+");
    let file = bare.rsplit(['/', '\\']).next().unwrap_or(&bare);
    match WHEEL.captures(file).or_else(|| SDIST.captures(file)) {
        Some(found) => (Some(group(&found, 1).to_owned()), Some(group(&found, 2).to_owned())),
        None => (None, None),
    }
}

/// The repository's own name: the best guess where no `#egg=` says it.
fn from_repository(address: &str) -> Option<String> {
    pattern!(
        HOSTED,
        r"(?:github\.com|gitlab\.com|bitbucket\.org)/[^/]+/([^/@#]+?)(?:\.git)?(?:[/@#].*)?$", needs ["github.com", "gitlab.com", "bitbucket.org"]
    );
    pattern!(GIT, r"^(?:git\+|hg\+).*/([^/@#]+?)(?:\.git)?(?:@[^#]*)?(?:#.*)?/?$", needs ["git+", "hg+"]);
    let found = HOSTED.captures(address).or_else(|| GIT.captures(address))?;
    Some(group(&found, 1).to_owned())
}
