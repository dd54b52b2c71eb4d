//! The readers of annotation formats, fed by libFuzzer with what reaches new code.
//!
//! The compiler counts which code is reached by flags that stable Rust has; the sanitizers of
//! nightly compilers look for what safe Rust does not do. A panic, more than two gigabytes of memory,
//! or twenty seconds for one small file are findings.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use camino::Utf8Path;

use crate::shell::{command, output, root, run, say};

#[derive(clap::Args)]
pub struct FuzzArgs {
    /// Targets, as in `fuzz/targets`; without any, all
    targets: Vec<String>,
    /// How long each of them runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// What a compiler puts in to tell a fuzzer where it is.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
];

/// Builds the targets and runs them one after the other; what they find is kept.
pub fn fuzz(args: &FuzzArgs) -> anyhow::Result<()> {
    let known = targets()?;
    for name in &args.targets {
        ensure!(known.contains(name), "no target `{name}`; known are {}", known.join(", "));
    }
    let built = build()?;
    let chosen = if args.targets.is_empty() { &known } else { &args.targets };
    let mut found = Vec::new();
    for name in chosen {
        if !one(name, &built, args.seconds)? {
            found.push(name.as_str());
        }
    }
    if !found.is_empty() {
        bail!("found something: {}; the input lies in target/fuzz/found", found.join(", "));
    }
    Ok(())
}

/// The names of the targets, sorted.
fn targets() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs_err::read_dir(root().join("fuzz/targets"))? {
        let name = file?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".rs")).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Builds all targets and returns their folder.
fn build() -> anyhow::Result<camino::Utf8PathBuf> {
    let compiler = output(command("rustc", &["-vV"]))?;
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("`rustc -vV` names no host")?;
    let folder = root().join("target/fuzz");
    // with a target named, build scripts and macros are built without the flags
    let mut build = command("cargo", &["build", "--release", "--bins", "--target", host]);
    build.args(["--manifest-path", "fuzz/Cargo.toml", "--target-dir", folder.as_str()]);
    build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    run(build)?;
    Ok(folder.join(host).join("release"))
}

/// Runs a target, from its seeds and what it came upon before; tells whether it found nothing.
fn one(name: &str, built: &Utf8Path, seconds: u64) -> anyhow::Result<bool> {
    let folder = root().join("target/fuzz");
    let (corpus, found) = (folder.join("corpus").join(name), folder.join("found").join(name));
    for folder in [&corpus, &found] {
        fs_err::create_dir_all(folder)?;
    }
    let mut program = Command::new(built.join(name));
    program.current_dir(root()).env("RAYON_NUM_THREADS", "1");
    program.arg(&corpus).arg(root().join("fuzz/seeds").join(name));
    program.arg(format!("-dict={}", root().join("fuzz/words.dict")));
    program.arg(format!("-artifact_prefix={found}/"));
    program.arg(format!("-max_total_time={seconds}"));
    program.args(["-timeout=20", "-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1"]);
    let began = Instant::now();
    let log = folder.join(format!("{name}.log"));
    program.stderr(fs_err::File::create(&log)?.into_parts().0);
    program.stdout(std::process::Stdio::null());
    let status = program.status().with_context(|| format!("`{name}` could not be started"))?;
    let log = fs_err::read_to_string(&log)?;
    let stat = |key: &str| {
        let lines = log.lines().rev();
        lines.filter_map(|line| line.strip_prefix(key)).map(str::trim).next().unwrap_or("?")
    };
    say(&format!(
        "{name:<12} {} inputs in {} s, {} of them new, {} MB: {}",
        stat("stat::number_of_executed_units:"),
        began.elapsed().as_secs(),
        stat("stat::new_units_added:"),
        stat("stat::peak_rss_mb:"),
        if status.success() { "nothing found" } else { "found something" },
    ));
    if !status.success() {
        // the panic, and what libFuzzer says of it
        let is_told = |line: &&str| !line.starts_with('#') && !line.starts_with('\t');
        let told: Vec<&str> = log.lines().filter(is_told).collect();
        say(&told[told.len().saturating_sub(20)..].join("\n"));
    }
    Ok(status.success())
}
