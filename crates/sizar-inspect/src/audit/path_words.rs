//! The words by which paths are told from what only looks like one.

/// Folders of the root in which people keep data; every other root folder needs a place where a
/// path is read.
#[rustfmt::skip]
pub(super) const DATA_ROOTS: &[&str] = &[
    "mnt", "media", "scratch", "work", "nas", "share", "shared", "storage", "ssd", "hdd", "raid",
    "disk", "disk1", "disk2", "datasets", "dataset", "workspace", "gpfs", "lustre", "nfs",
    "project", "projects", "export", "data", "data1", "data2", "data3", "local", "net", "home1",
    "home2", "homes", "vol", "volume", "volumes", "Volumes", "srv", "private", "work1", "opt",
    "cluster", "fast", "ceph", "beegfs", "tank", "network", "fsx", "checkpoint", "content",
    "kaggle", "gdrive",
];

/// Folders of the root that every Unix machine has: no hindrance.
#[rustfmt::skip]
pub(super) const SYSTEM_ROOTS: &[&str] = &[
    "dev", "proc", "sys", "etc", "bin", "sbin", "usr", "lib", "lib64", "tmp", "var", "run",
    "boot",
];

/// Calls whose arguments only look like paths.
#[rustfmt::skip]
pub(super) const NO_PATHS: &[&str] = &[
    "startswith", "endswith", "replace", "split", "rsplit", "strip", "lstrip", "rstrip", "sub",
    "match", "search", "compile", "findall", "fullmatch", "route", "add_url_rule", "add_route",
    "get", "post", "put", "delete", "patch", "request", "urljoin", "find", "index", "count",
    "print", "info", "debug", "warning", "warn", "error", "exception", "critical", "log",
    "add_text", "from_pretrained", "load_dataset", "create_group", "create_dataset", "get_node",
    "Extension", "include", "system", "call", "check_call", "check_output", "Popen", "echo",
    "execute", "add_scalar", "write", "getattr", "hasattr", "find_element", "xpath", "findtext",
    "import_module", "encode", "decode", "partition", "rpartition", "removeprefix",
    "removesuffix",
];

/// Calls that read what the path names (by their last part).
#[rustfmt::skip]
pub(super) const READERS: &[&str] = &[
    "open", "listdir", "scandir", "walk", "glob", "iglob", "load", "loadtxt", "genfromtxt",
    "fromfile", "imread", "loadmat", "read_csv", "read_table", "read_json", "read_excel",
    "read_pickle", "read_parquet", "read_hdf", "read_fwf", "ImageFolder", "DatasetFolder", "Path",
    "PurePath", "copyfile", "copy", "copytree", "move", "rglob", "load_model", "TFRecordDataset",
    "read_image", "load_svmlight_file", "loadarff", "read_feather",
];

/// First folders that hold data.
#[rustfmt::skip]
pub(super) const DATA_FOLDERS: &[&str] = &[
    "data", "dataset", "datasets", "images", "image", "imgs", "img", "input", "inputs", "corpus",
    "corpora", "raw", "raw_data", "annotations", "labels", "masks", "train", "training", "val",
    "valid", "validation", "test_data", "testdata", "audio", "video", "videos", "features",
    "embeddings", "glove", "pretrained", "weights", "models_pretrained", "resources", "samples",
];

/// Words of what is written rather than read.
#[rustfmt::skip]
pub(super) const OUTPUT_WORDS: &[&str] = &[
    "out", "output", "outputs", "result", "results", "log", "logs", "logdir", "save", "saved",
    "saves", "checkpoint", "checkpoints", "ckpt", "ckpts", "snapshot", "snapshots", "run", "runs",
    "tensorboard", "summary", "summaries", "dump", "dumps", "tmp", "temp", "cache", "export",
    "exports", "fig", "figs", "figure", "figures", "plot", "plots", "pred", "preds", "prediction",
    "predictions", "exp", "exps", "experiment", "experiments", "vis", "visualization", "report",
    "reports", "trained", "dest", "destination", "target", "mlruns", "wandb", "events", "write",
    "writer", "build", "dist",
];

/// Extensions of files that hold data.
#[rustfmt::skip]
pub(super) const DATA_EXTENSIONS: &[&str] = &[
    "csv", "tsv", "txt", "json", "jsonl", "npy", "npz", "h5", "hdf5", "mat", "pkl", "pickle",
    "png", "jpg", "jpeg", "tif", "tiff", "bmp", "gif", "wav", "mp3", "flac", "mp4", "avi", "xml",
    "lmdb", "tfrecord", "tfrecords", "zip", "gz", "tar", "parquet", "feather", "db", "sqlite",
    "nii", "dcm", "fasta", "fa", "pdb", "bam", "vcf", "xlsx", "xls", "conll", "vocab", "bin",
    "list", "lst", "ply", "obj", "bson", "arff",
];
