//! What a file's calls tell about what it is for.

use ruff_python_ast::Expr;

use super::expression::last_name;

/// Calls that tell what a file is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints(u16);

/// One such call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Hint {
    OptimizerStep = 1,
    Backward = 2,
    Fit = 4,
    Minimize = 8,
    NoGrad = 16,
    Loads = 32,
    Predict = 64,
    Evaluate = 128,
    Metric = 256,
    TrainCall = 512,
}

impl Hint {
    /// The call as a reason spells it.
    pub(super) fn call(self) -> &'static str {
        match self {
            Self::OptimizerStep => "optimizer.step",
            Self::Backward => "loss.backward",
            Self::Fit => "fit",
            Self::Minimize => "minimize",
            Self::NoGrad => "torch.no_grad",
            Self::Loads => "load",
            Self::Predict => "predict",
            Self::Evaluate => "evaluate",
            Self::Metric => "score",
            Self::TrainCall => "train",
        }
    }
}

impl Hints {
    pub(super) fn has(self, hint: Hint) -> bool {
        self.0 & hint as u16 != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Notes the call `receiver.method(…)`.
    pub(super) fn see_call(&mut self, receiver: &Expr, method: &str) {
        let hint = match method {
            "step" | "zero_grad" => {
                let Some(name) = last_name(receiver) else { return };
                let name = name.to_ascii_lowercase();
                if !(name.contains("opt") || name.contains("solver") || name.contains("scaler")) {
                    return;
                }
                Hint::OptimizerStep
            }
            "backward" => Hint::Backward,
            "fit" | "fit_generator" | "train_on_batch" | "partial_fit" | "fit_transform" => {
                Hint::Fit
            }
            "train_and_evaluate" | "train_step" | "train_epoch" | "train_one_epoch" => {
                Hint::TrainCall
            }
            "train" => {
                // `model.train()` sets a mode; `trainer.train()` trains.
                let Some(name) = last_name(receiver) else { return };
                let name = name.to_ascii_lowercase();
                if !(name.contains("trainer")
                    || name.contains("estimator")
                    || name.contains("agent"))
                {
                    return;
                }
                Hint::TrainCall
            }
            "minimize" | "apply_gradients" | "compute_gradients" => Hint::Minimize,
            "no_grad" | "inference_mode" => Hint::NoGrad,
            "load_state_dict"
            | "load_weights"
            | "load_model"
            | "from_pretrained"
            | "restore"
            | "load_from_checkpoint" => Hint::Loads,
            "predict" | "predict_generator" | "predict_proba" | "generate" => Hint::Predict,
            "evaluate" | "evaluate_generator" => Hint::Evaluate,
            "confusion_matrix"
            | "accuracy_score"
            | "f1_score"
            | "classification_report"
            | "mean_squared_error"
            | "roc_auc_score" => Hint::Metric,
            _ => return,
        };
        self.0 |= hint as u16;
    }
}
