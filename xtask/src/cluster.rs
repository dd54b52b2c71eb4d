//! `cargo xtask cluster up | down | status`: the clusters of the tests, to play with.
//!
//! They are `sizar-testkit`'s, in a folder where they stay: `$SIZAR_CLUSTER` or `target/cluster`.

use std::process::Command;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Subcommand;
use sizar_testkit::Cluster;

use crate::shell::{root, run, say};

#[derive(Subcommand)]
pub enum ClusterChore {
    /// Bring up Slurm and OAR; they stay up
    Up,
    /// End both, with everything that runs on them
    Down,
    /// Show daemons, nodes and ports
    Status,
}

/// Does what was asked.
pub fn cluster(chore: &ClusterChore) -> anyhow::Result<()> {
    match chore {
        ClusterChore::Up => up()?,
        ClusterChore::Down => down(),
        ClusterChore::Status => status(),
    }
    Ok(())
}

fn prefix() -> Utf8PathBuf {
    let given = std::env::var("SIZAR_CLUSTER").ok().filter(|given| !given.is_empty());
    given.map_or_else(|| root().join("target/cluster"), Utf8PathBuf::from)
}

fn up() -> anyhow::Result<()> {
    let prefix = prefix();
    let cluster = if let Some(cluster) = Cluster::find(&prefix) {
        say(&format!("the cluster in `{prefix}` is up already"));
        cluster
    } else {
        let began = std::time::Instant::now();
        let cluster = Cluster::slurm()
            .with_oar()
            .accounting(true)
            .memory_enforced()
            .start_to_stay(&prefix)?;
        let seconds = began.elapsed().as_secs_f32();
        say(&format!("Slurm and OAR came up in `{prefix}` in {seconds:.1} s"));
        cluster
    };
    let config = cluster.ssh_config();
    say(&format!(
        "\nlog in:\n  ssh -F {config} slurm\n  ssh -F {config} oar\ntransfers:\n  \
         sftp -F {config} slurm-transfer\nend:\n  cargo xtask cluster down\n"
    ));
    register(&["slurm", "oar"], &config)
}

/// Makes targets of the hosts, by `sizar target add`, in `SIZAR_HOME`.
fn register(hosts: &[&str], config: &Utf8Path) -> anyhow::Result<()> {
    let program = program()?;
    let knows = Command::new(&program).args(["target", "--help"]).output();
    match knows {
        Ok(output) if output.status.success() => {}
        Ok(_) => {
            say(&format!("`{program}` has no targets yet: none was configured"));
            return Ok(());
        }
        Err(_) => {
            say("`sizar` is not built: `cargo build`, then `cargo xtask cluster up` again");
            say("configures the targets `slurm` and `oar`");
            return Ok(());
        }
    }
    for host in hosts {
        let mut add = Command::new(&program);
        // both schedulers' commands are found on either host
        add.args(["target", "add", host, &format!("ssh://{host}"), "--scheduler", host]);
        add.arg("--ssh-config").arg(config);
        // one that is there from last time is as good: the address stays the same
        if let Err(error) = run(add) {
            say(&format!("{error}"));
        }
    }
    Ok(())
}

/// Returns the program that was built beside this one, or else the one on the path.
fn program() -> anyhow::Result<Utf8PathBuf> {
    let own = std::env::current_exe().context("where this program is")?;
    let own = Utf8PathBuf::try_from(own)?;
    Ok([own.with_file_name("sizar"), own.with_file_name("../release/sizar")]
        .into_iter()
        .find(|program| program.exists())
        .unwrap_or_else(|| "sizar".into()))
}

fn down() {
    let prefix = prefix();
    match Cluster::find(&prefix) {
        Some(cluster) => {
            cluster.down();
            say(&format!("the cluster in `{prefix}` has ended"));
        }
        None => say(&format!("no cluster is up in `{prefix}`")),
    }
}

fn status() {
    let prefix = prefix();
    let Some(cluster) = Cluster::find(&prefix) else {
        say(&format!("no cluster is up in `{prefix}`: `cargo xtask cluster up`"));
        return;
    };
    say(&format!("the cluster in `{prefix}`\n\ndaemons"));
    for (name, up) in cluster.daemons() {
        say(&format!("  {name:18} {}", if up { "up" } else { "down" }));
    }
    say("\nnodes of Slurm");
    say(&cluster.root("sinfo -N -o '  %10N %10P %T'").stdout);
    say("nodes of OAR");
    say(&cluster.root("oarnodes -s | sed 's/^/  /'").stdout);
    say("ports of 127.0.0.1");
    for (name, port) in cluster.ports() {
        say(&format!("  {name:18} {port}"));
    }
    say("\njobs");
    say(&cluster.root("squeue -o '  %8i %10P %10u %T %r'; oarstat").stdout);
}
