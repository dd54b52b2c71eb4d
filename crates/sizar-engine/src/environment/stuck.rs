//! Builds that never end: which package's they are, and how that is said.
//!
//! uv and pip print nothing where one of their builds is ended from outside. The folders in which
//! the build's processes were tell whose it is.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use sizar_model::artifact::Ending;

/// How many processes a step may have at once. Compilers start one for each core.
pub const PROCESSES: usize = 1000;
/// How long a step may use no processor. A download does, and ends by itself when it stalls.
pub const IDLE: Duration = Duration::from_mins(5);

/// Says what stopped a step, in the form in which uv names a failed build where it was one.
pub fn said(ending: &Ending, places: &[String], seconds: u64) -> Option<String> {
    let what = match ending {
        Ending::TimedOut => format!("it did not end within {seconds} s"),
        Ending::OutOfMemory => "it used more memory than there is".to_owned(),
        Ending::TooManyProcesses => {
            format!("it starts processes without end: there were more than {PROCESSES}")
        }
        Ending::Idle => format!("it hangs: it did nothing for {} s", IDLE.as_secs()),
        Ending::Exited { .. }
        | Ending::Signalled { .. }
        | Ending::Cancelled
        | Ending::Preempted
        | Ending::NodeFailed => return None,
    };
    Some(match places.iter().find_map(|place| release_in(place)) {
        Some(release) => format!(
            "error: Failed to build `{release}`\n  cause: the build was stopped\n      [stderr]\nBuildError: {what}\n"
        ),
        None => format!("Error: {what}\n"),
    })
}

/// Reads the release from the folder that uv or pip builds in.
fn release_in(place: &str) -> Option<String> {
    static UV: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"/sdists-v\d+/(?:pypi|index/[^/]+)/([A-Za-z0-9][\w.-]*)/([0-9][^/]*)/")
    });
    // pip 20 and 21: `pip-install-x1y2/name_0123…`, of older ones without the digest
    static PIP: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"/pip-(?:install|wheel|download)-\w+/([A-Za-z0-9][A-Za-z0-9.-]*)")
    });
    if let Some(captures) = UV.captures(place) {
        return Some(format!("{}=={}", &captures[1], &captures[2]));
    }
    PIP.captures(place).map(|captures| captures[1].to_owned())
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a test reads every pattern")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sizar_env::diagnosis::{error_line, failed_package};

    #[test]
    fn a_stopped_build_is_named_as_a_failed_one_is() {
        let uv = "/h/cache/uv/sdists-v9/pypi/demo-x/1.5/Xk2/src/demo".to_owned();
        let text = said(&Ending::Idle, &["/tmp".into(), uv], 9).unwrap();
        assert_eq!(failed_package(&text).as_deref(), Some("demo-x"));
        assert_eq!(error_line(&text), "BuildError: it hangs: it did nothing for 300 s");
        let index = "/h/cache/uv/sdists-v9/index/0f3a/demo/2.0.1/Xk2/src";
        assert_eq!(release_in(index).as_deref(), Some("demo==2.0.1"));
        let pip = "/tmp/pip-install-ab1_x/demo_0123456789abcdef/src";
        assert_eq!(release_in(pip).as_deref(), Some("demo"));
        assert_eq!(release_in("/tmp/work"), None);
        let elsewhere = said(&Ending::TimedOut, &[], 9).unwrap();
        assert_eq!(
            (failed_package(&elsewhere), error_line(&elsewhere).as_str()),
            (None, "Error: it did not end within 9 s")
        );
    }

    #[test]
    fn what_ended_by_itself_says_so_itself() {
        assert_eq!(said(&Ending::Exited { code: 1 }, &[], 9), None);
    }
}
