//! Calls that ask for a GPU, and whether the code asks first if there is one.

use ruff_python_ast::{Expr, StmtAssign};

use super::facts::sighting;
use super::reading::{Call, Reading, literal};

/// Modules that work with a GPU alone.
const GPU_MODULES: &[&str] = &["cupy", "pycuda", "cudf", "cuml", "tensorrt", "pynvml", "apex"];

/// Calls that build C, C++ or CUDA while the program runs.
const COMPILERS: &[&str] = &[
    "torch.utils.cpp_extension.load",
    "torch.utils.cpp_extension.load_inline",
    "torch.utils.ffi.create_extension",
    "pyximport.install",
    "tensorflow.load_op_library",
    "tf.load_op_library",
];

/// Looks at a call.
pub(super) fn call(reading: &mut Reading<'_>, call: &Call<'_, '_>) {
    let Some(kind) = kind_of(call) else { return };
    let text = reading.snippet(call.node);
    see(reading, kind, &text, call.line());
}

fn kind_of(call: &Call<'_, '_>) -> Option<&'static str> {
    let first = call.positional(0);
    let gpu = |expr: Option<&Expr>| expr.is_some_and(names_a_gpu);
    match call.name {
        "torch.load" => {
            let mapped = call.keyword("map_location").is_some()
                || call.positional(1).is_some()
                || call.arguments().keywords.iter().any(|keyword| keyword.arg.is_none());
            return (!mapped)
                .then_some("map_location_missing")
                .or_else(|| gpu(call.keyword("map_location")).then_some("cuda_device"));
        }
        "torch.device" if gpu(first) => return Some("cuda_device"),
        "torch.cuda.set_device" | "caffe.set_mode_gpu" | "caffe.set_device" => {
            return Some("set_device");
        }
        "mxnet.gpu" | "mx.gpu" | "chainer.cuda.get_device" | "chainer.cuda.get_device_from_id" => {
            return Some("set_device");
        }
        "torch.nn.DataParallel" | "nn.DataParallel" => return Some("data_parallel"),
        "torch.distributed.init_process_group" | "torch.nn.parallel.DistributedDataParallel" => {
            return Some("distributed");
        }
        "tensorflow.device" | "tf.device" | "theano.sandbox.cuda.use" if gpu(first) => {
            return Some("tf_device_gpu");
        }
        "os.environ.setdefault" if first.and_then(literal) == Some("CUDA_VISIBLE_DEVICES") => {
            return Some("cuda_visible_devices");
        }
        _ => {}
    }
    if COMPILERS.contains(&call.name) {
        return Some("compiles");
    }
    if call.name.starts_with("torch.cuda.") && call.name.ends_with("Tensor") {
        return Some("cuda_tensor");
    }
    let attribute = matches!(&*call.node.func, Expr::Attribute(_));
    match call.method() {
        "cuda" if attribute && !call.name.starts_with("torch.cuda") => Some("cuda_call"),
        "to_gpu" if attribute => Some("cuda_call"),
        "to" if attribute && gpu(first.or_else(|| call.keyword("device"))) => Some("cuda_device"),
        "half" if attribute && call.arguments().is_empty() => Some("half"),
        "add_argument" | "add_option" | "option" => {
            let default = call.keyword("default");
            let names = call.arguments().args.iter().filter_map(literal);
            let device =
                names.into_iter().any(|name| name.contains("device") || name.contains("gpu"));
            (device && gpu(default)).then_some("cuda_default")
        }
        _ if gpu(call.keyword("device")) => Some("cuda_device"),
        _ => None,
    }
}

/// Looks at an assignment: `os.environ['CUDA_VISIBLE_DEVICES'] = '0'`, `device = 'cuda'`.
pub(super) fn assignment(reading: &mut Reading<'_>, assign: &StmtAssign) {
    for target in &assign.targets {
        let kind = match target {
            Expr::Subscript(subscript)
                if literal(&subscript.slice) == Some("CUDA_VISIBLE_DEVICES") =>
            {
                // an empty list of devices hides them, which hinders nobody
                let hides = literal(&assign.value).is_some_and(|value| matches!(value, "" | "-1"));
                (!hides).then_some("cuda_visible_devices")
            }
            Expr::Name(name) if says_device(name.id.as_str()) => {
                names_a_gpu(&assign.value).then_some("cuda_device")
            }
            Expr::Attribute(attribute) if attribute.attr.contains("device") => {
                names_a_gpu(&assign.value).then_some("cuda_device")
            }
            _ => None,
        };
        if let Some(kind) = kind {
            let (text, line) = (reading.snippet(assign), reading.line(assign));
            see(reading, kind, &text, line);
        }
    }
}

/// Returns whether `device` is in a name, in letters of any size.
fn says_device(name: &str) -> bool {
    const WORD: &[u8] = b"device";
    name.as_bytes().windows(WORD.len()).any(|part| part.eq_ignore_ascii_case(WORD))
}

/// Looks at the default of a parameter.
pub(super) fn default(reading: &mut Reading<'_>, name: &str, value: &Expr) {
    if name.contains("device") && names_a_gpu(value) {
        let line = reading.line(value);
        let text = format!("{name}={}", reading.snippet(value));
        see(reading, "cuda_default", &text, line);
    }
}

/// Looks at an attribute that is not called: `torch.cuda.FloatTensor if … else …`.
pub(super) fn attribute(reading: &mut Reading<'_>, expr: &Expr) {
    let Expr::Attribute(attribute) = expr else { return };
    if !attribute.attr.ends_with("Tensor") {
        return;
    }
    let Some(name) = reading.names.dotted(expr) else { return };
    if name.starts_with("torch.cuda.") {
        let line = reading.line(expr);
        see(reading, "cuda_tensor", &name, line);
    }
}

/// Looks at an imported module.
pub(super) fn import(reading: &mut Reading<'_>, module: &str, line: u32) {
    let top = module.split('.').next().unwrap_or(module);
    if GPU_MODULES.contains(&top) || module.starts_with("numba.cuda") {
        see(reading, "gpu_library", &format!("import {module}"), line);
    }
}

fn see(reading: &mut Reading<'_>, kind: &str, text: &str, line: u32) {
    let always = matches!(kind, "map_location_missing" | "compiles");
    let kind =
        if reading.is_guarded() && !always { format!("{kind}_guarded") } else { kind.to_owned() };
    let seen = sighting(&kind, text, reading.path, line);
    reading.facts.devices.push(seen);
}

/// Returns whether an expression names a GPU: `'cuda:0'`, `'/gpu:0'`, `torch.device('cuda')`.
fn names_a_gpu(expr: &Expr) -> bool {
    match expr {
        Expr::StringLiteral(literal) => {
            let text = literal.value.to_str();
            text == "cuda"
                || text.starts_with("cuda:")
                || text.eq_ignore_ascii_case("gpu")
                || text.to_ascii_lowercase().contains("gpu:")
        }
        Expr::FString(fstring) => {
            let first = fstring.value.elements().next();
            first.and_then(|element| element.as_literal()).is_some_and(|literal| {
                literal.value.starts_with("cuda:") || literal.value.contains("gpu:")
            })
        }
        Expr::BinOp(operation) => names_a_gpu(&operation.left),
        Expr::Call(call) => {
            let device = matches!(&*call.func, Expr::Attribute(attribute) if attribute.attr.as_str() == "device");
            let format = matches!(&*call.func, Expr::Attribute(attribute)
                if attribute.attr.as_str() == "format" && names_a_gpu(&attribute.value));
            format || (device && call.arguments.args.first().is_some_and(names_a_gpu))
        }
        _ => false,
    }
}

/// Returns whether a kind of sighting means that the code stops where there is no GPU.
pub fn needs_a_gpu(kind: &str) -> bool {
    matches!(kind, "cuda_call" | "cuda_device" | "cuda_tensor" | "set_device" | "gpu_library")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::parse::Module;

    fn kinds(source: &str) -> Vec<(String, u32)> {
        let module = Module::parse(source.to_owned());
        let facts = Reading::of(&module, "a.py");
        facts.devices.into_iter().map(|seen| (seen.kind, seen.line)).collect()
    }

    fn kind(source: &str) -> Option<String> {
        kinds(source).into_iter().next().map(|(kind, _)| kind)
    }

    #[test]
    fn device_calls_are_seen() {
        for (source, expected) in [
            ("model.cuda()", "cuda_call"),
            ("net(x).cuda()", "cuda_call"),
            ("model.to('cuda:0')", "cuda_device"),
            ("model.to(device='cuda')", "cuda_device"),
            ("device = torch.device('cuda')", "cuda_device"),
            ("x = torch.zeros(3, device='cuda')", "cuda_device"),
            ("device = 'cuda'", "cuda_device"),
            ("def f(device='cuda'): pass", "cuda_default"),
            ("p.add_argument('--device', default='cuda:0')", "cuda_default"),
            ("torch.cuda.set_device(0)", "set_device"),
            ("import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '3'", "cuda_visible_devices"),
            ("import torch as t\nt.load(p)", "map_location_missing"),
            ("with tf.device('/gpu:0'):\n    pass", "tf_device_gpu"),
            ("nn.DataParallel(net)", "data_parallel"),
            ("from torch.nn import DataParallel\nDataParallel(net)", "data_parallel"),
            ("x = torch.cuda.FloatTensor(3)", "cuda_tensor"),
            ("model.half()", "half"),
            ("import cupy as cp", "gpu_library"),
            ("x.to(f'cuda:{i}')", "cuda_device"),
        ] {
            assert_eq!(kind(source).as_deref(), Some(expected), "{source}");
        }
    }

    #[test]
    fn a_question_before_makes_it_guarded() {
        for source in [
            "if torch.cuda.is_available():\n    model.cuda()",
            "if args.cuda:\n    model.cuda()",
            "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nx.to(device)",
            "x = y.cuda() if use_gpu else y",
            "torch.cuda.is_available() and model.cuda()",
            "if not torch.cuda.is_available():\n    pass\nelse:\n    model.cuda()",
        ] {
            let seen = kinds(source);
            assert!(seen.iter().all(|(kind, _)| kind.ends_with("_guarded")), "{source}: {seen:?}");
        }
    }

    #[test]
    fn what_needs_no_gpu_is_left_alone() {
        for source in [
            "torch.load(p, map_location='cpu')",
            "torch.load(p, device)",
            "torch.load(p, **options)",
            "torch.cuda.is_available()",
            "torch.cuda.empty_cache()",
            "x.to(device)",
            "x.to('cpu')",
            "os.environ['CUDA_VISIBLE_DEVICES'] = '-1'",
            "'''model.cuda()'''",
            "json.load(f)",
        ] {
            assert_eq!(kinds(source), [], "{source}");
        }
    }
}
