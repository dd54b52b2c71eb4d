//! Annotations: a COCO file of half a gigabyte, made by a script with the distribution of
//! `instances_train2017`, is read and checked by `sizar-formats`, and read by pycocotools; a
//! twentieth of it becomes YOLO and Pascal VOC by sizar, globox and datumaro. Both of these write
//! boxes only, and so does sizar here; how long outlines and masks take it is measured, too. Masks
//! are made of the same polygons by `sizar-formats` and by pycocotools' C, and 10,000 files of PAGE
//! become one of COCO.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::Command;

use anyhow::ensure;
use camino::{Utf8Path, Utf8PathBuf};

use super::Bench;
use super::timing::{Contender, compare, line};
use crate::shell::{command, output, root, run};

/// As many annotations as `instances_train2017` has.
const ANNOTATIONS: &str = "860000";
/// A twentieth of that.
const CONVERTED: &str = "43000";

/// The conversions of the peers, by their own functions.
const PEERS: &str = r"
import sys
peer, source, target, form = sys.argv[1:]
if peer == 'globox':
    from globox import AnnotationSet
    boxes = AnnotationSet.from_coco(source + '/annotations/instances_train.json')
    if form == 'yolo':
        labels = {label: at for at, label in enumerate(sorted(boxes._labels()))}
        boxes.save_yolo_darknet(target, label_to_id=labels)
    else:
        boxes.save_pascal_voc(target)
else:
    import logging
    import datumaro
    logging.disable(logging.WARNING)
    data = datumaro.Dataset.import_from(source, 'coco_instances')
    data.export(target, 'yolo' if form == 'yolo' else 'voc_detection', save_media=False)
";

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let build = ["build", "--release", "--locked", "-p", "sizar-formats", "--examples"];
    run(command("cargo", &build))?;
    let examples = root().join("target/release/examples");
    let file = bench.folder.join("instances.json");
    run(command(examples.join("generate").as_str(), &[file.as_str(), ANNOTATIONS]))?;
    let python = peer(&bench.folder)?;
    line(&format!("{} MB", fs_err::metadata(&file)?.len() / 1_000_000));
    compare(
        bench.rounds.min(3),
        &[
            Contender {
                name: "sizar-formats: read and check",
                command: Box::new(|| {
                    let mut command = Command::new(examples.join("measure"));
                    command.args([file.as_str(), "check"]);
                    command
                }),
            },
            Contender {
                name: "sizar-formats: read",
                command: Box::new(|| {
                    let mut command = Command::new(examples.join("measure"));
                    command.arg(&file);
                    command
                }),
            },
            Contender {
                name: "pycocotools.COCO()",
                command: Box::new(|| {
                    let code = "import sys; from pycocotools.coco import COCO; COCO(sys.argv[1])";
                    let mut command = Command::new(&python);
                    command.args(["-c", code]).arg(&file);
                    command
                }),
            },
        ],
    )?;
    masks(bench, &examples, &python)?;
    pages(bench, &examples)?;
    for form in ["yolo", "voc"] {
        convert(bench, &examples, &python, form)?;
    }
    Ok(())
}

/// Makes masks by each in turns, and compares what a mask takes.
fn masks(bench: &Bench, examples: &Utf8Path, python: &Utf8Path) -> anyhow::Result<()> {
    let file = bench.folder.join("masks.json");
    run(command(examples.join("generate").as_str(), &[file.as_str(), CONVERTED]))?;
    let script = bench.folder.join("masks.py");
    fs_err::write(&script, include_str!("masks.py"))?;
    // each prints lines like `polygon to mask: 6.3`, in microseconds
    let mut times: BTreeMap<String, [Vec<f64>; 2]> = BTreeMap::new();
    for _ in 0..bench.rounds.min(3) {
        let mut sums = Vec::new();
        for (side, program) in [examples.join("masks"), python.to_owned()].iter().enumerate() {
            let mut command = Command::new(program);
            if side == 1 {
                command.arg(&script);
            }
            command.arg(&file);
            for told in output(command)?.lines() {
                if let Some((name, micros)) = told.split_once(": ") {
                    times.entry(name.to_owned()).or_default()[side].push(micros.parse()?);
                } else {
                    sums.push(told.to_owned());
                }
            }
        }
        ensure!(sums[0] == sums[1], "the texts of the masks differ: {} and {}", sums[0], sums[1]);
    }
    line("masks of 640 × 480, the same to the last byte: sizar-formats, and pycocotools' C");
    for (name, sides) in &mut times {
        let [ours, theirs] = sides.each_mut().map(|times| {
            times.sort_by(f64::total_cmp);
            times.get(times.len() / 2).copied().unwrap_or_default()
        });
        line(&format!("{name:<44} {ours:>8.2} µs {theirs:>8.2} µs {:>7.2} ×", theirs / ours));
    }
    Ok(())
}

/// Makes one file of COCO of 10,000 files of PAGE, beside reading them only.
fn pages(bench: &Bench, examples: &Utf8Path) -> anyhow::Result<()> {
    let folder = bench.folder.join("pages");
    run(command(examples.join("pages").as_str(), &["generate", folder.as_str(), "10000"]))?;
    let count = Cell::new(0);
    line("10,000 files of PAGE to COCO");
    compare(
        bench.rounds.min(3),
        &[
            Contender {
                name: "sizar data convert",
                command: Box::new(|| {
                    count.set(count.get() + 1);
                    let to = bench.folder.join(format!("pages-{}.json", count.get()));
                    let mut command = Command::new(&bench.sizar);
                    command.args(["data", "convert", folder.as_str(), to.as_str(), "--to", "coco"]);
                    command.env("SIZAR_HOME", bench.folder.join("home"));
                    command
                }),
            },
            Contender {
                name: "cat of the same files",
                command: Box::new(|| {
                    let mut command = Command::new("sh");
                    command.args(["-c", &format!("find '{folder}' -type f | xargs cat")]);
                    command
                }),
            },
        ],
    )
    .map(drop)
}

/// Converts by each, into a new folder each time: what is removed slows down what is made next.
fn convert(
    bench: &Bench,
    examples: &Utf8Path,
    python: &Utf8Path,
    form: &'static str,
) -> anyhow::Result<()> {
    let source = bench.folder.join("coco");
    let annotations = source.join("annotations/instances_train.json");
    fs_err::create_dir_all(source.join("annotations"))?;
    // datumaro looks for the folder of the images
    fs_err::create_dir_all(source.join("images/train"))?;
    run(command(examples.join("generate").as_str(), &[annotations.as_str(), CONVERTED]))?;
    let script = bench.folder.join("peers.py");
    fs_err::write(&script, PEERS)?;
    let count = Cell::new(0);
    let new = |name: &str| {
        count.set(count.get() + 1);
        bench.folder.join(format!("{form}-{name}-{}", count.get()))
    };
    let boxes = if form == "yolo" { "detect" } else { "boxes" };
    let sizar = |to: &Utf8Path, variant: Option<&str>| {
        let mut command = Command::new(&bench.sizar);
        command.args(["data", "convert", annotations.as_str(), to.as_str(), "--to", form]);
        command.args(variant.iter().flat_map(|variant| ["--variant", variant]));
        command.args(["--images", "leave"]).env("SIZAR_HOME", bench.folder.join("home"));
        command
    };
    let first = new("first");
    output(sizar(&first, Some(boxes)))?;
    let archive = bench.folder.join(format!("{form}.tar"));
    run(command("tar", &["-C", first.as_str(), "-cf", archive.as_str(), "."]))?;
    let peer = |peer: &'static str| Contender {
        name: peer,
        command: Box::new(|| {
            let mut command = Command::new(python);
            command.args([script.as_str(), peer, source.as_str(), new(peer).as_str(), form]);
            command
        }),
    };
    line(&format!("COCO to {form}, {CONVERTED} annotations"));
    compare(
        bench.rounds.min(3),
        &[
            Contender {
                name: "sizar data convert, boxes",
                command: Box::new(|| sizar(&new("sizar"), Some(boxes))),
            },
            Contender {
                name: "tar -x of the same files",
                command: Box::new(|| {
                    let to: Utf8PathBuf = new("tar");
                    let script = format!("mkdir '{to}' && tar -C '{to}' -xf '{archive}'");
                    let mut command = Command::new("sh");
                    command.args(["-c", &script]);
                    command
                }),
            },
            peer("globox"),
            peer("datumaro"),
            Contender {
                name: "sizar data convert, with outlines or masks",
                command: Box::new(|| sizar(&new("whole"), None)),
            },
        ],
    )
    .map(drop)
}

/// Installs the peers into an environment of its own.
fn peer(folder: &Utf8Path) -> anyhow::Result<camino::Utf8PathBuf> {
    let environment = folder.join("peers");
    run(command("python3", &["-m", "venv", environment.as_str()]))?;
    let python = environment.join("bin/python");
    run(command(
        python.as_str(),
        &["-m", "pip", "install", "--quiet", "pycocotools", "globox", "datumaro"],
    ))?;
    Ok(python)
}
