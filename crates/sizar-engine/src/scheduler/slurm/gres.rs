//! Generic resources: how Slurm writes GPUs.

use sizar_model::site::GpuGroup;

/// Reads the GPUs of a list such as `gpu:a100:2(S:0-1),shard:8`, `gres:gpu:1`, `gres/gpu:a100=4`,
/// `gpu:a100:1(IDX:0)`; those of one kind together.
pub(super) fn gpus(text: &str) -> Vec<GpuGroup> {
    let mut found: Vec<GpuGroup> = Vec::new();
    for entry in outside_brackets(text) {
        let Some(group) = gpu(entry) else { continue };
        match found.iter_mut().find(|known| known.kind == group.kind) {
            Some(known) => known.count += group.count,
            None => found.push(group),
        }
    }
    found
}

fn gpu(entry: &str) -> Option<GpuGroup> {
    let entry = entry.split('(').next().unwrap_or("").trim();
    let entry =
        entry.strip_prefix("gres").map_or(entry, |rest| rest.trim_start_matches([':', '/']));
    let rest = entry.strip_prefix("gpu")?;
    let words: Vec<&str> = rest.split([':', '=']).skip(1).collect();
    let starts_well = rest.is_empty() || rest.starts_with([':', '=']);
    let group = match words[..] {
        [] => GpuGroup { kind: None, count: 1 },
        [word] => match count(word) {
            Some(count) => GpuGroup { kind: None, count },
            None => GpuGroup { kind: Some(word.to_owned()), count: 1 },
        },
        [kind, word, ..] => GpuGroup { kind: Some(kind.to_owned()), count: count(word)? },
    };
    starts_well.then_some(group)
}

/// Reads a number; Slurm writes thousands as `1K`.
fn count(word: &str) -> Option<u32> {
    match word.strip_suffix(['K', 'k']) {
        Some(thousands) => thousands.parse::<u32>().ok()?.checked_mul(1024),
        None => word.parse().ok(),
    }
}

fn outside_brackets(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    text.split(move |c: char| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_read_in_every_spelling() {
        let group = |kind: Option<&str>, count| GpuGroup { kind: kind.map(str::to_owned), count };
        for (text, groups) in [
            ("gpu:a100:2", vec![group(Some("a100"), 2)]),
            ("gpu:4", vec![group(None, 4)]),
            ("gpu", vec![group(None, 1)]),
            ("gpu:a100:2(S:0-1),shard:8", vec![group(Some("a100"), 2)]),
            (
                "gpu:a100:1(IDX:0,2),gpu:v100:1(IDX:1)",
                vec![group(Some("a100"), 1), group(Some("v100"), 1)],
            ),
            ("gres:gpu:a100:1", vec![group(Some("a100"), 1)]),
            ("gres/gpu:1", vec![group(None, 1)]),
            ("gres/gpu=4", vec![group(None, 4)]),
            ("gpu:a100", vec![group(Some("a100"), 1)]),
            ("(null)", vec![]),
            ("N/A", vec![]),
            ("gpumem:4", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(gpus(text), groups, "{text}");
        }
    }
}
