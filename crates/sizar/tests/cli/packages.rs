//! Real research packages of ten years, from the package index: each is set up, verified, and does
//! something real with an input of ours.
//!
//! How plain `pip install NAME==VERSION` fares on Python 3.13, tried on 2026-11-23, stands beside
//! each.

use crate::world::{Said, World, world_with_shared_cache};

/// Sets a package up, checks that it is verified, and runs its driver.
#[track_caller]
fn verified_and_run(world: &World, package: &str, command: &[&str]) -> Said {
    let source = format!("pypi:{package}");
    let driver = command[0];
    let setup = world.sizar(&["setup", &source, "--driver", driver, "--json"]).exits(0).json();
    assert_eq!(setup["verified"], true, "{setup}");
    let prefix = setup["path"].as_str().expect("a path");
    assert!(prefix.starts_with("[WORLD]/sizar/envs/"), "{prefix}");
    let mut words = vec!["run", "--quiet", &source, "--"];
    words.extend(command);
    let said = world.sizar(&words).exits(0);
    let again = world.sizar(&["setup", &source, "--driver", driver, "--json"]).exits(0).json();
    assert_eq!(again["cached"], true);
    assert_eq!(again["path"], setup["path"]);
    said
}

/// Reads a result of the newest run.
#[track_caller]
fn result(world: &World, path: &str) -> String {
    let runs = world.sizar(&["runs", "--json"]).exits(0).json();
    let id = runs[0]["id"].as_str().expect("an id");
    world.sizar(&["fetch", id, path, "--output", "fetched"]).exits(0);
    fs_err::read_to_string(world.here().join("fetched").join(path)).expect("the result")
}

/// 2018, music. pip fails: `setup.py` imports Cython and numpy, which it does not declare.
#[test]
fn slow_madmom_finds_the_beats() {
    let world = world_with_shared_cache();
    let clicks = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/clicks.wav");
    fs_err::create_dir_all(world.here().join("examples")).unwrap();
    fs_err::copy(clicks, world.here().join("examples/clicks.wav")).unwrap();
    let said =
        verified_and_run(&world, "madmom", &["DBNBeatTracker", "single", "examples/clicks.wav"]);
    let beats: Vec<f64> = said.stdout.lines().map(|line| line.parse().expect("a time")).collect();
    assert!(beats.len() >= 14, "{said}");
    for pair in beats.windows(2) {
        assert!((pair[1] - pair[0] - 0.5).abs() <= 0.02, "{said}");
    }
}

/// 2016, genomics. pip succeeds.
#[test]
fn slow_pyfaidx_cuts_a_sequence() {
    let world = world_with_shared_cache();
    world.write("tiny.fa", ">chr1\nACGTACGTAC\n>chr2\nGGGG\n");
    // faidx writes its index beside the sequence
    let said = {
        let setup = world.sizar(&["setup", "pypi:pyfaidx==0.4.7.1", "--driver", "faidx", "--json"]);
        assert_eq!(setup.exits(0).json()["verified"], true);
        world.sizar(&[
            "run",
            "-q",
            "pypi:pyfaidx==0.4.7.1",
            "--data",
            "tiny.fa:tiny.fa:copy",
            "--",
            "faidx",
            "tiny.fa",
            "chr1:2-5",
        ])
    };
    assert_eq!(said.exits(0).stdout, ">chr1:2-5\nCGTA\n");
}

/// 2018, solid state physics. pip fails: `setup.py` imports numpy, which it does not declare.
#[test]
fn slow_phonopy_displaces_the_atoms_of_salt() {
    let world = world_with_shared_cache();
    world.write(
        "salt.vasp",
        "NaCl\n1.0\n5.69 0 0\n0 5.69 0\n0 0 5.69\nNa Cl\n4 4\nDirect\n\
         0 0 0\n0 0.5 0.5\n0.5 0 0.5\n0.5 0.5 0\n0.5 0.5 0.5\n0.5 0 0\n0 0.5 0\n0 0 0.5\n",
    );
    let said = verified_and_run(
        &world,
        "phonopy==1.12.6",
        &["phonopy", "-d", "--dim=1 1 2", "-c", "salt.vasp"],
    );
    assert!(said.stdout.contains("Fm-3m (225)"), "{said}");
    let supercell = result(&world, "SPOSCAR");
    assert!(supercell.lines().any(|line| line.split_whitespace().eq(["8", "8"])), "{supercell}");
}

/// 2018, genomics. pip fails: its `setup.py` uses `configparser.SafeConfigParser`, gone since 3.12.
#[test]
fn slow_cutadapt_trims_an_adapter() {
    let world = world_with_shared_cache();
    world.write("reads.fastq", "@r1\nACGTACGTAGATCGGAAG\n+\nIIIIIIIIIIIIIIIIII\n");
    let said = verified_and_run(
        &world,
        "cutadapt==1.18",
        &["cutadapt", "-a", "AGATCGG", "-o", "trimmed.fastq", "reads.fastq"],
    );
    assert!(said.stdout.contains("Reads with adapters"), "{said}");
    assert_eq!(result(&world, "trimmed.fastq"), "@r1\nACGTACGT\n+\nIIIIIIII\n");
}

/// 2019, genomics. pip fails: `setup.py` imports numpy, which it does not declare.
#[test]
fn slow_macs2_piles_up_reads() {
    let world = world_with_shared_cache();
    world.write("reads.bed", "chr1\t10\t20\t.\t1\t+\nchr1\t15\t30\t.\t1\t+\n");
    verified_and_run(
        &world,
        "macs2==2.2.6",
        &["macs2", "pileup", "-i", "reads.bed", "-f", "BED", "--extsize", "10", "-o", "pile.bdg"],
    );
    assert_eq!(
        result(&world, "pile.bdg"),
        "chr1\t0\t10\t0.00000\nchr1\t10\t15\t1.00000\nchr1\t15\t20\t2.00000\nchr1\t20\t25\t1.00000\n"
    );
}

/// 2022, microbial ecology. pip succeeds.
#[test]
fn slow_biom_converts_a_table() {
    let world = world_with_shared_cache();
    world.write("table.tsv", "#OTU ID\tS1\tS2\nO1\t1.0\t2.0\nO2\t0.0\t5.0\n");
    verified_and_run(
        &world,
        "biom-format==2.1.12",
        &[
            "biom",
            "convert",
            "-i",
            "table.tsv",
            "-o",
            "table.json",
            "--to-json",
            "--table-type=OTU table",
        ],
    );
    let table: serde_json::Value = serde_json::from_str(&result(&world, "table.json")).unwrap();
    assert_eq!(table["shape"], serde_json::json!([2, 2]));
}

/// 2025, machine translation. pip succeeds.
#[test]
fn slow_sacrebleu_scores_a_translation() {
    let world = world_with_shared_cache();
    world.write("reference.txt", "The quick brown fox jumps over the lazy dog.\n");
    world.write("translation.txt", "The quick brown fox jumps over the lazy dog.\n");
    let said = verified_and_run(
        &world,
        "sacrebleu==2.5.1",
        &["sacrebleu", "reference.txt", "-i", "translation.txt", "--score-only"],
    );
    assert_eq!(said.stdout.trim(), "100.0");
}
