//! `sizar inspect` on small sources of ours.

use crate::world::{script, world};

const TRAIN: &str = r#"
import argparse
import os
import numpy as np
import torch
import wandb

def get_args():
    parser = argparse.ArgumentParser(description="Train a network")
    parser.add_argument("--epochs", "-e", type=int, default=5, help="Number of epochs")
    parser.add_argument("--data", default=os.path.expanduser("~/data/datasets"))
    parser.add_argument("mode", choices=["fast", "slow"])
    return parser.parse_args()

if __name__ == "__main__":
    args = get_args()
    wandb.init(project="x")
    model = torch.nn.Linear(2, 2).cuda()
    model.load_state_dict(torch.load("model.pth"))
"#;

#[test]
fn json_keeps_its_contract() {
    let world = world();
    let source = script(&world, "train.py", TRAIN);
    world.write("code/requirements.txt", "numpy>=1.11.*\n");
    let inspection = world.sizar(&["inspect", &source, "--json"]).exits(0).json();
    for key in [
        "source",
        "commit_date",
        "drivers",
        "imports",
        "declared",
        "devices",
        "hard_coded_paths",
        "findings",
    ] {
        assert!(inspection.get(key).is_some(), "{key} is missing");
    }
    let driver = &inspection["drivers"][0];
    assert_eq!(driver["path"], "train.py");
    assert_eq!(driver["framework"], "argparse");
    assert_eq!(driver["role"], "train");
    let epochs = &driver["options"][0];
    assert_eq!(epochs["flags"], serde_json::json!(["--epochs", "-e"]));
    assert_eq!(epochs["default"], "5");
    assert_eq!(epochs["type"], "int");
    assert_eq!(epochs["help"], "Number of epochs");
    let mode = &driver["options"][2];
    assert_eq!(mode["required"], true);
    assert_eq!(mode["choices"], serde_json::json!(["fast", "slow"]));

    let import = |module: &str| {
        inspection["imports"]
            .as_array()
            .unwrap()
            .iter()
            .find(|import| import["module"] == module)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(import("numpy")["declared"], true);
    assert_eq!(import("torch")["declared"], false);
    assert_eq!(import("torch")["distribution"], "torch");
    assert!(inspection["devices"].to_string().contains("cuda"));
    assert!(inspection["hard_coded_paths"].to_string().contains("~/data/datasets"));
    assert!(inspection["services"].to_string().contains("wandb"));
}

#[test]
fn the_page_fits_one_screen() {
    let world = world();
    let source = script(&world, "train.py", TRAIN);
    let said = world.sizar(&["inspect", &source]).exits(0);
    assert!(said.stdout.lines().count() <= 45, "{said}");
    for word in ["train.py", "torch", "~/data/datasets", "sizar "] {
        assert!(said.stdout.contains(word), "{word}: {said}");
    }
    assert!(!said.stdout.contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn nothing_is_executed() {
    let world = world();
    let trap = format!("open({:?}, 'w').write('executed')\n", world.path("trap").as_str());
    let source = script(&world, "setup.py", &trap);
    world.write("code/__init__.py", &trap);
    world.write("code/conftest.py", &trap);
    world.sizar(&["inspect", &source, "--json"]).exits(0);
    assert!(!world.path("trap").exists());
}

#[test]
fn python_2_and_broken_files_are_named() {
    let world = world();
    let source = script(&world, "old.py", "import numpy\nprint 'hello'\n");
    world.write("code/broken.py", "<<<<<<< HEAD\nimport scipy\ndef f(:\n");
    let inspection = world.sizar(&["inspect", &source, "--json"]).exits(0).json();
    let findings = inspection["findings"].to_string();
    assert!(findings.contains("old.py") && findings.contains("broken.py"), "{findings}");
    let imports = inspection["imports"].to_string();
    assert!(imports.contains("numpy") && imports.contains("scipy"), "{imports}");
}
