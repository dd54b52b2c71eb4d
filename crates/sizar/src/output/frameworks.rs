//! What a field calls the packages by which it knows a piece of code.

use sizar_model::inspection::Import;

/// Modules and the names that people use for them, the most telling first.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("lightning", "Lightning"),
    ("pytorch_lightning", "PyTorch Lightning"),
    ("torch", "PyTorch"),
    ("tensorflow", "TensorFlow"),
    ("keras", "Keras"),
    ("jax", "JAX"),
    ("flax", "Flax"),
    ("theano", "Theano"),
    ("lasagne", "Lasagne"),
    ("caffe", "Caffe"),
    ("mxnet", "MXNet"),
    ("chainer", "Chainer"),
    ("paddle", "PaddlePaddle"),
    ("transformers", "Transformers"),
    ("detectron2", "Detectron2"),
    ("mmcv", "OpenMMLab"),
    ("torch_geometric", "PyTorch Geometric"),
    ("dgl", "DGL"),
    ("gym", "Gym"),
    ("gymnasium", "Gymnasium"),
    ("stable_baselines3", "Stable Baselines"),
    ("sklearn", "scikit-learn"),
    ("xgboost", "XGBoost"),
    ("lightgbm", "LightGBM"),
    ("spacy", "spaCy"),
    ("nltk", "NLTK"),
    ("gensim", "gensim"),
    ("scanpy", "Scanpy"),
    ("anndata", "AnnData"),
    ("Bio", "Biopython"),
    ("rdkit", "RDKit"),
    ("astropy", "Astropy"),
    ("xarray", "xarray"),
    ("geopandas", "GeoPandas"),
    ("mne", "MNE"),
    ("nibabel", "NiBabel"),
    ("librosa", "librosa"),
    ("music21", "music21"),
    ("cv2", "OpenCV"),
    ("pymc3", "PyMC3"),
    ("pymc", "PyMC"),
    ("pyro", "Pyro"),
    ("networkx", "NetworkX"),
    ("hydra", "Hydra"),
    ("pandas", "pandas"),
    ("scipy", "SciPy"),
    ("numpy", "NumPy"),
];

/// Returns the names of the most telling packages, at most `most`.
///
/// What everybody uses (NumPy, pandas, SciPy) is named only where nothing else is.
pub fn of(imports: &[Import], most: usize) -> Vec<&'static str> {
    let imported = |module: &str| {
        let top = |import: &Import| import.module.split('.').next().is_some_and(|it| it == module);
        imports.iter().any(|import| !import.optional && top(import))
    };
    let mut names: Vec<&str> =
        FRAMEWORKS.iter().filter(|(module, _)| imported(module)).map(|(_, name)| *name).collect();
    let telling = names.iter().filter(|name| !is_everybody_s(name)).count();
    if telling > 0 {
        names.retain(|name| !is_everybody_s(name));
    }
    names.truncate(most);
    names
}

fn is_everybody_s(name: &str) -> bool {
    matches!(name, "pandas" | "SciPy" | "NumPy")
}
