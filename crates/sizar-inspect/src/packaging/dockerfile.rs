//! Dockerfiles: the base image and what is installed into it.

use super::command_line;
use super::kind::Kind;
use super::read::Read;
use super::requirements_txt::logical_lines;
use super::text::{group, pattern};

/// Reads a Dockerfile.
pub(super) fn read(path: &str, text: &str) -> Read {
    pattern!(FROM, r"(?i)^FROM\s+(?:--platform=\S+\s+)?(\S+)", needs["from"]);
    let mut read = Read::new(path, Kind::Dockerfile);
    for (line, written) in logical_lines(text) {
        if let Some(from) = FROM.captures(&written) {
            base_image(&mut read, group(&from, 1), line);
        } else if written.len() > 3
            && written.is_char_boundary(3)
            && written[..3].eq_ignore_ascii_case("run")
        {
            command_line::read(&mut read, &written, line, "mentioned");
        }
    }
    read
}

/// `python:3.7`, `pytorch/pytorch:1.4-cuda10.1-cudnn7-devel`, `tensorflow/tensorflow:1.15.0-gpu-py3`
fn base_image(read: &mut Read, image: &str, line: u32) {
    pattern!(VERSION, r"^v?(\d+(?:\.\d+)*)");
    pattern!(CUDA, r"(?:cuda:?-?)(\d+(?:\.\d+)*)", needs["cuda"]);
    read.on_platform("base_image", image, line);
    if let Some(cuda) = CUDA.captures(image) {
        read.on_platform("cuda", group(&cuda, 1), line);
    }
    let (name, tag) = image.split_once(':').unwrap_or((image, ""));
    let Some(version) = VERSION.captures(tag) else { return };
    let version = group(&version, 1);
    match name.rsplit('/').next().unwrap_or(name) {
        "python" => read.python_named(version, line),
        "pytorch" if name == "pytorch/pytorch" => mention(read, "torch", version, image, line),
        "tensorflow" => mention(read, "tensorflow", version, image, line),
        _ => {}
    }
}

fn mention(read: &mut Read, name: &str, version: &str, image: &str, line: u32) {
    let requirement = super::readme::pinned(name, version);
    let raw = format!("FROM {image}");
    read.require_with(&requirement, &raw, line, "mentioned", Some("read from the base image"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_names_versions_and_packages() {
        let text = "FROM pytorch/pytorch:1.4-cuda10.1-cudnn7-devel\n# comment\nRUN apt-get update && \\\n    apt-get install -y \\\n    # needed by cv2\n    libgl1-mesa-glx libglib2.0-0 \\\n && rm -rf /var/lib/apt/lists/*\nRUN pip install --no-cache-dir -r docker/requirements.txt && \\\n    pip install scipy==1.2.1\nfrom python:3.7-slim AS x\n";
        let read = read("Dockerfile", text);
        let declared: Vec<_> =
            read.declared.iter().map(|d| (d.requirement.as_deref().unwrap(), d.line)).collect();
        assert_eq!(declared, [("torch==1.4.*", 1), ("scipy==1.2.1", 8)]);
        let system: Vec<_> = read.system_packages.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(system, ["libgl1-mesa-glx", "libglib2.0-0"]);
        assert_eq!(read.python.named[0].text, "3.7");
        assert_eq!(read.platform[1].text, "10.1");
        assert_eq!(read.references[0].path, "docker/requirements.txt");
    }
}
