//! Facts about this machine that help or hinder, and the commands that mend what hinders.

use camino::Utf8Path;
use fs_err as fs;
use serde::Serialize;
use sizar_model::resources::ByteSize;

use crate::sandbox;

/// What this machine is and can enforce.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Such as `Linux 6.1.0-18-amd64 x86_64`.
    pub kernel: String,
    /// The distribution's own name for itself.
    pub system: Option<String>,
    /// Cores that this process may use.
    pub cpus: usize,
    /// Memory that new programs could take.
    pub memory_available: Option<ByteSize>,
    /// GPUs' device files.
    pub gpu_devices: usize,
    pub sandbox: SandboxFacts,
    /// What hinders, worst first.
    pub obstacles: Vec<Obstacle>,
}

/// Which sandboxes really work here.
#[derive(Clone, Debug, Serialize)]
pub struct SandboxFacts {
    /// What foreign programs will run in.
    pub chosen: &'static str,
    pub bubblewrap_path: Option<String>,
    /// Why bubblewrap does not work; absent where it does.
    pub bubblewrap_problem: Option<String>,
    /// The version of Landlock that the kernel enforces, up to 6; 0 where it does not.
    pub landlock_abi: u8,
}

/// Something that hinders, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// One sentence.
    pub problem: String,
    /// A command for the user to run, if one mends it.
    pub mend: Option<String>,
}

/// Looks at this machine; runs bubblewrap once to see whether it works.
pub fn machine() -> Machine {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let release = os_release(&fs::read_to_string("/etc/os-release").unwrap_or_default());
    let problem = sandbox::try_bubblewrap().err();
    let abi = sandbox::landlock_abi();
    let chosen = sandbox::detect();
    let mut obstacles = Vec::new();
    if let Some(problem) = &problem {
        obstacles.push(explain(problem, Settings::read(), &release.families, abi));
    }
    Machine {
        kernel: [uname.sysname(), uname.release(), uname.machine()].map(text).join(" "),
        system: release.name,
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        memory_available: memory_available(),
        gpu_devices: sandbox::gpu_devices().len(),
        sandbox: SandboxFacts {
            chosen: chosen.name(),
            bubblewrap_path: sandbox::bubblewrap_program().map(Utf8Path::to_string),
            bubblewrap_problem: problem,
            landlock_abi: abi,
        },
        obstacles,
    }
}

/// The kernel's settings that forbid user namespaces.
#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    /// Ubuntu 24.04: only programs with a profile of their own may.
    apparmor: bool,
    /// Debian before 11.
    unprivileged_off: bool,
    /// RHEL 7 and hardened systems.
    none_allowed: bool,
}

impl Settings {
    fn read() -> Self {
        let is = |path: &str, value: &str| {
            fs::read_to_string(path).is_ok_and(|text| text.trim() == value)
        };
        Self {
            apparmor: is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            unprivileged_off: is("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            none_allowed: is("/proc/sys/user/max_user_namespaces", "0"),
        }
    }
}

/// Says why bubblewrap does not work, and what mends it.
fn explain(problem: &str, settings: Settings, families: &[String], abi: u8) -> Obstacle {
    let instead = match abi {
        0 => "foreign programs would run without a sandbox",
        1..=3 => "Landlock is used instead, which cannot close the network on this kernel",
        _ => "Landlock is used instead, which cannot show files under other names",
    };
    let (cause, mend) = if problem.contains("not installed") {
        ("bubblewrap is not installed".to_owned(), install(families))
    } else if settings.apparmor {
        (
            "AppArmor forbids bubblewrap to make user namespaces".to_owned(),
            Some("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0".to_owned()),
        )
    } else if settings.unprivileged_off {
        (
            "the kernel forbids users to make namespaces".to_owned(),
            Some("sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned()),
        )
    } else if settings.none_allowed {
        (
            "the kernel allows no user namespaces".to_owned(),
            Some("sudo sysctl -w user.max_user_namespaces=15000".to_owned()),
        )
    } else {
        (format!("bubblewrap does not work here ({problem})"), None)
    };
    Obstacle { problem: format!("{cause}: {instead}"), mend }
}

/// Returns the command that installs bubblewrap on a family of distributions.
fn install(families: &[String]) -> Option<String> {
    let commands = [
        ("debian", "sudo apt install bubblewrap"),
        ("ubuntu", "sudo apt install bubblewrap"),
        ("fedora", "sudo dnf install bubblewrap"),
        ("rhel", "sudo dnf install bubblewrap"),
        ("arch", "sudo pacman -S bubblewrap"),
        ("suse", "sudo zypper install bubblewrap"),
        ("alpine", "sudo apk add bubblewrap"),
    ];
    families.iter().find_map(|family| {
        let found = commands.iter().find(|(name, _)| name == family)?;
        Some(found.1.to_owned())
    })
}

/// What `/etc/os-release` says.
struct Release {
    name: Option<String>,
    /// The distribution and those it descends from.
    families: Vec<String>,
}

fn os_release(text: &str) -> Release {
    let value = |name: &str| {
        text.lines().find_map(|line| {
            Some(line.strip_prefix(name)?.strip_prefix('=')?.trim_matches(['"', '\'']).to_owned())
        })
    };
    let families = [value("ID"), value("ID_LIKE")]
        .into_iter()
        .flatten()
        .flat_map(|ids| ids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    Release { name: value("PRETTY_NAME"), families }
}

fn memory_available() -> Option<ByteSize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(ByteSize(kibibytes * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_is_read() {
        let text = "PRETTY_NAME=\"Linux Mint 22\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        let release = os_release(text);
        assert_eq!(release.name.as_deref(), Some("Linux Mint 22"));
        assert_eq!(install(&release.families).as_deref(), Some("sudo apt install bubblewrap"));
    }

    #[test]
    fn each_cause_has_its_command() {
        let families = ["fedora".to_owned()];
        let missing = explain("it is not installed", Settings::default(), &families, 6);
        assert_eq!(missing.mend.as_deref(), Some("sudo dnf install bubblewrap"));
        let settings = Settings { apparmor: true, ..Settings::default() };
        let forbidden = explain("setting up uid map: Permission denied", settings, &families, 0);
        assert!(forbidden.problem.starts_with("AppArmor"), "{forbidden:?}");
        assert!(forbidden.problem.ends_with("without a sandbox"));
        let other = explain("Operation not permitted", Settings::default(), &families, 3);
        assert_eq!(other.mend, None);
        assert!(other.problem.contains("(Operation not permitted)"));
    }

    #[test]
    fn this_machine_has_facts() {
        let machine = machine();
        assert!(machine.kernel.starts_with("Linux "));
        assert!(machine.cpus > 0 && machine.memory_available.is_some());
        let works = machine.sandbox.bubblewrap_problem.is_none();
        assert_eq!(works, machine.obstacles.is_empty());
    }
}
