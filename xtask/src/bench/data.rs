//! Annotations: a COCO file of half a gigabyte, made by a script with the distribution of
//! `instances_train2017`, is read by `sizar-formats` and pycocotools; a twentieth of it becomes YOLO and
//! Pascal VOC by sizar, globox and datumaro. Both of these write boxes only.

use std::cell::Cell;
use std::process::Command;

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
    for form in ["yolo", "voc"] {
        convert(bench, &examples, &python, form)?;
    }
    Ok(())
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
    let sizar = |to: &Utf8Path| {
        let mut command = Command::new(&bench.sizar);
        command.args(["data", "convert", annotations.as_str(), to.as_str(), "--to", form]);
        command.args(["--images", "leave"]).env("SIZAR_HOME", bench.folder.join("home"));
        command
    };
    let first = new("first");
    output(sizar(&first))?;
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
            Contender { name: "sizar data convert", command: Box::new(|| sizar(&new("sizar"))) },
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
