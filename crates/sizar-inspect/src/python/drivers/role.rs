//! What a driver is for, and why we think so.

use sizar_model::inspection::DriverOption;

use crate::python::hints::{Hint, Hints};

/// A role and the sentence that justifies it.
pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) reason: String,
}

/// What is known of a driver when its role is decided.
pub(super) struct Evidence<'a> {
    /// The name it is started under: the file's stem, or the console script's.
    pub(super) name: &'a str,
    /// What the file itself calls.
    pub(super) own: Hints,
    /// What the files it imports call.
    pub(super) closure: Hints,
    pub(super) options: &'a [DriverOption],
    pub(super) docstring: Option<&'a str>,
}

const ROLES: [&str; 4] = ["train", "predict", "evaluate", "convert"];

/// Decides on a role: by name first, then by what the file does and which options it has.
pub(super) fn decide(evidence: &Evidence<'_>) -> Role {
    let mut scores = [0_i32; 4];
    let mut reasons: [Vec<String>; 4] = Default::default();
    let mut add = |role: usize, score: i32, reason: String| {
        if let (Some(slot), Some(list)) = (scores.get_mut(role), reasons.get_mut(role)) {
            *slot += score;
            if !reason.is_empty() {
                list.push(reason);
            }
        }
    };
    if let Some((role, word)) = by_name(evidence.name) {
        add(role, 6, format!("is named `{word}`"));
    }
    for (hint, role, score) in [
        (Hint::OptimizerStep, 0, 5),
        (Hint::Backward, 0, 4),
        (Hint::TrainCall, 0, 4),
        (Hint::Fit, 0, 3),
        (Hint::Minimize, 0, 3),
        (Hint::Predict, 1, 2),
        (Hint::NoGrad, 1, 1),
        (Hint::Loads, 1, 1),
        (Hint::Evaluate, 2, 2),
        (Hint::Metric, 2, 2),
    ] {
        if evidence.own.has(hint) {
            let telling = score >= 2;
            add(
                role,
                score,
                if telling { format!("calls `{}`", hint.call()) } else { String::new() },
            );
        } else if evidence.closure.has(hint) && score == 5 {
            // Alone it decides nothing: a script may import a trainer for its data sets.
            add(role, 2, String::new());
        }
    }
    for (role, score, flags) in BY_FLAG {
        let found = evidence.options.iter().flat_map(|option| &option.flags).find(|flag| {
            let name = flag.trim_start_matches('-').replace('-', "_").to_ascii_lowercase();
            flags.contains(&name.as_str())
        });
        if let Some(flag) = found {
            add(*role, *score, format!("has `{flag}`"));
        }
    }
    if let Some(text) = evidence.docstring {
        let text = text.to_ascii_lowercase();
        for (role, words) in BY_WORD {
            if let Some(word) = words.iter().find(|word| text.contains(**word)) {
                add(*role, 2, format!("says “{word}”"));
            }
        }
    }
    let best = (0..4).max_by_key(|&role| (scores.get(role).copied(), std::cmp::Reverse(role)));
    match best.and_then(|role| Some((role, *scores.get(role)?))) {
        Some((role, score)) if score >= 3 => {
            let mut reasons = reasons.get_mut(role).map(std::mem::take).unwrap_or_default();
            reasons.truncate(3);
            let reason = match reasons.split_last() {
                None => "imports code that trains".to_owned(),
                Some((last, [])) => last.clone(),
                Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
            };
            Role { name: ROLES.get(role).copied().unwrap_or("other"), reason }
        }
        _ => Role {
            name: "other",
            reason: "shows no sign of training, prediction, evaluation or conversion".to_owned(),
        },
    }
}

/// The role that a word of a name speaks of; words that say less count if no other does.
fn by_name(name: &str) -> Option<(usize, String)> {
    let lower = name.to_ascii_lowercase();
    let words = || lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let strong = |word: &str| match word {
        "fit" | "learn" | "tune" => Some(0),
        "test" | "score" | "metrics" | "metric" => Some(2),
        "preprocess" | "prepare" | "prepro" => Some(3),
        // What was trained before is input here.
        "trained" | "pretrained" | "trainer" => None,
        _ => [
            (0, ["train", "finetun", "pretrain"]),
            (1, ["predict", "infer", "predictor"]),
            (2, ["eval", "valid", "benchmark"]),
            (3, ["convert", "preprocess", "export"]),
        ]
        .iter()
        .find(|(_, starts)| starts.iter().any(|start| word.starts_with(start)))
        .map(|(role, _)| *role),
    };
    let weak = |word: &str| match word {
        "demo" | "generate" | "sample" | "sampling" | "detect" | "recognize" | "transcribe"
        | "translate" | "ocr" | "caption" | "synthesize" | "apply" | "annotate" | "parse"
        | "tag" | "segment" | "segmentation" => Some(1),
        "compare" => Some(2),
        "make" | "create" | "build" | "download" | "to" | "split" | "merge" | "process"
        | "extract" => Some(3),
        // `coco2voc`
        _ if word.len() > 3 && word.trim_matches(char::is_alphabetic) == "2" => Some(3),
        _ => None,
    };
    let first_of = |role_of: &dyn Fn(&str) -> Option<usize>| {
        words().enumerate().find_map(|(at, word)| Some((at, role_of(word)?, word.to_owned())))
    };
    let (strong, weak) = (first_of(&strong), first_of(&weak));
    // `split_train_eval` splits; `run_ocr_eval` evaluates.
    let splits = |weak: &(usize, usize, String)| {
        weak.1 == 3 && strong.as_ref().is_none_or(|strong| weak.0 < strong.0)
    };
    let (_, role, word) = match weak {
        Some(weak) if strong.is_none() || splits(&weak) => weak,
        _ => strong?,
    };
    Some((role, word))
}

const BY_FLAG: &[(usize, i32, &[&str])] = &[
    (
        0,
        4,
        &[
            "epochs",
            "epoch",
            "num_epochs",
            "n_epochs",
            "max_epochs",
            "num_train_epochs",
            "niter",
            "max_iter",
            "num_train_steps",
            "nepoch",
            "train_epochs",
            "iterations",
            "max_steps",
            "num_steps",
        ],
    ),
    (
        0,
        3,
        &[
            "lr",
            "learning_rate",
            "learningrate",
            "base_lr",
            "init_lr",
            "lr0",
            "weight_decay",
            "momentum",
        ],
    ),
    (
        1,
        2,
        &[
            "input",
            "inputs",
            "input_path",
            "input_file",
            "image",
            "images",
            "img",
            "input_dir",
            "source",
            "input_image",
        ],
    ),
    (1, 2, &["output", "outputs", "out", "output_path", "output_file", "save_path", "result"]),
    (
        1,
        2,
        &[
            "checkpoint",
            "weights",
            "ckpt",
            "model",
            "model_path",
            "checkpoint_path",
            "weight",
            "pretrained_model",
            "trained_model",
            "resume_from",
        ],
    ),
    (
        2,
        2,
        &[
            "gt",
            "ground_truth",
            "gt_path",
            "gt_dir",
            "references",
            "ref",
            "pred",
            "predictions",
            "pred_file",
        ],
    ),
    (3, 2, &["input_format", "output_format", "to_format", "export_format"]),
];

const BY_WORD: &[(usize, &[&str])] = &[
    (0, &["train a ", "train the ", "training script", "fine-tun", "finetun", "trains "]),
    (1, &["predict", "inference", "run the model"]),
    (2, &["evaluat", "benchmark", "compute the score"]),
    (3, &["convert", "preprocess", "export "]),
];
