//! The variables that a foreign program gets.
//!
//! Nothing of the user's comes along but what is listed here; tokens and passwords often live in
//! variables. What an [`Invocation`] sets wins over everything.
//!
//! | variable | value | why |
//! | --- | --- | --- |
//! | `LANG`, `LC_*`, `TERM`, `TZ` | the user's | text and time look as the user expects; without any `LANG` or `LC_ALL`, `LC_ALL=C.UTF-8`, because Python before 3.7 falls back to ASCII |
//! | `OPENBLAS_CORETYPE` | the user's | on some virtual machines OpenBLAS takes the processor for another one and computes wrongly or crashes; who set it needs it |
//! | `PATH` | the system's folders | the same everywhere |
//! | `HOME`, `XDG_*`, `TMPDIR` | the run's own folders | runs never meet, and the user's files stay out |
//! | `USER`, `LOGNAME` | `researcher` | results do not depend on who ran it |
//! | `PYTHONNOUSERSITE` | `1` | packages of `~/.local` do not leak in |
//! | `PYTHONUNBUFFERED` | `1`, when shown live | lines appear when they are printed |
//! | `MPLBACKEND`, `QT_QPA_PLATFORM` | `Agg`, `offscreen` | plots are written without a display |
//! | `OMP_NUM_THREADS`, … | the cores asked for | thread pools size themselves by the whole machine otherwise |
//! | `CUDA_VISIBLE_DEVICES`, … | empty, without GPUs | frameworks take the CPU at once |
//! | `HTTPS_PROXY`, … | the user's, with the whole network, unless a password is in it | with the index alone, they name sizar's own |
//! | [`OFFLINE`] | offline | without the whole network, trackers and model hubs fail fast or work from their caches, instead of waiting |
//! | `SSL_CERT_FILE`, … | the user's, with network | certificates of an institution's proxy |

use std::collections::BTreeMap;

use sizar_model::{Invocation, NetworkAccess};

use super::Limits;
use crate::sandbox::{Confinement, SandboxKind};

/// The folders in which programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What keeps services from waiting for a network that is not there.
pub const OFFLINE: [(&str, &str); 8] = [
    ("WANDB_MODE", "offline"),
    ("HF_HUB_OFFLINE", "1"),
    ("TRANSFORMERS_OFFLINE", "1"),
    ("HF_DATASETS_OFFLINE", "1"),
    ("COMET_MODE", "OFFLINE"),
    ("COMET_OFFLINE", "1"),
    ("NEPTUNE_MODE", "offline"),
    ("CLEARML_OFFLINE_MODE", "1"),
];

/// What thread pools ask for their size.
pub const THREADS: [&str; 6] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// Where certificates are, for the programs that ask.
pub const CERTIFICATES: [&str; 5] =
    ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"];

/// How an institution's proxy is named.
pub const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Returns all variables of a program; `user` holds those of this process.
pub fn variables(
    invocation: &Invocation,
    confinement: &Confinement,
    limits: &Limits,
    live: bool,
    user: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        all.insert(name.to_owned(), value.to_owned());
    };
    for (name, value) in user {
        if name.starts_with("LC_")
            || matches!(name.as_str(), "LANG" | "TERM" | "TZ" | "OPENBLAS_CORETYPE")
        {
            set(name, value);
        }
    }
    if !user.contains_key("LANG") && !user.contains_key("LC_ALL") {
        set("LC_ALL", "C.UTF-8");
    }
    set("PATH", PATH);
    let home = &confinement.home;
    set("HOME", home.as_str());
    set("XDG_CACHE_HOME", home.join(".cache").as_str());
    set("XDG_CONFIG_HOME", home.join(".config").as_str());
    set("XDG_DATA_HOME", home.join(".local/share").as_str());
    let tmp = match confinement.kind {
        // There `/tmp` is this folder, and sockets need short paths.
        SandboxKind::Bubblewrap => "/tmp",
        SandboxKind::Landlock | SandboxKind::None => confinement.tmp.as_str(),
    };
    set("TMPDIR", tmp);
    set("USER", "researcher");
    set("LOGNAME", "researcher");
    set("PYTHONNOUSERSITE", "1");
    if live {
        set("PYTHONUNBUFFERED", "1");
    }
    set("MPLBACKEND", "Agg");
    set("QT_QPA_PLATFORM", "offscreen");
    if let Some(cpus) = limits.cpus {
        for name in THREADS {
            set(name, &cpus.to_string());
        }
    }
    if !confinement.gpus {
        set("CUDA_VISIBLE_DEVICES", "");
        set("HIP_VISIBLE_DEVICES", "");
    }
    if invocation.network != NetworkAccess::Full {
        for (name, value) in OFFLINE {
            set(name, value);
        }
    }
    if invocation.network == NetworkAccess::Full {
        for name in PROXIES {
            // A password in it would be a secret of the user's.
            if let Some(value) = user.get(name).filter(|value| !value.contains('@')) {
                set(name, value);
            }
        }
    }
    if invocation.network != NetworkAccess::None {
        for name in CERTIFICATES {
            if let Some(value) = user.get(name) {
                set(name, value);
            }
        }
    }
    all.extend(invocation.env.clone());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(invocation: &Invocation, user: &[(&str, &str)]) -> BTreeMap<String, String> {
        let confinement = Confinement::new(SandboxKind::Landlock, "/h", "/t");
        let limits = Limits { cpus: Some(3), ..Limits::default() };
        let user = user.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        variables(invocation, &confinement, &limits, false, &user)
    }

    #[test]
    fn nothing_of_the_users_comes_along_but_what_is_listed() {
        let user = [("AWS_SECRET_ACCESS_KEY", "x"), ("PATH", "/home/u/bin"), ("LC_TIME", "fr_FR")];
        let all = of(&Invocation::new("a"), &user);
        assert!(!all.values().any(|value| value == "x" || value == "/home/u/bin"));
        assert_eq!(all["LC_TIME"], "fr_FR");
        assert_eq!(all["LC_ALL"], "C.UTF-8");
        assert_eq!(all["HOME"], "/h");
        assert_eq!(all["TMPDIR"], "/t");
        assert_eq!(all["OMP_NUM_THREADS"], "3");
        assert_eq!(all["WANDB_MODE"], "offline");
    }

    #[test]
    fn the_invocation_wins() {
        let invocation =
            Invocation::new("a").env("HOME", "/x").env("WANDB_MODE", "online").env("A", "1");
        let all = of(&invocation, &[("A", "2"), ("LANG", "de_DE.UTF-8")]);
        assert_eq!((&*all["HOME"], &*all["WANDB_MODE"], &*all["A"]), ("/x", "online", "1"));
        assert!(!all.contains_key("LC_ALL"));
    }

    #[test]
    fn with_network_nothing_is_switched_offline_and_certificates_are_known() {
        let invocation = Invocation::new("a").network(NetworkAccess::Full);
        let all = of(&invocation, &[("SSL_CERT_FILE", "/c.pem")]);
        assert!(!all.contains_key("WANDB_MODE"));
        assert_eq!(all["SSL_CERT_FILE"], "/c.pem");
    }
}
