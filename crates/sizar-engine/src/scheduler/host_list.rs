//! Slurm's way of writing many hosts: `cpu[01-03,7],gpu1`.

/// More than any cluster has.
const MOST: usize = 200_000;

/// Returns the hosts that a list stands for, in its order.
///
/// What cannot be read stays as it is: a name is better than none.
pub fn expand_host_list(text: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    for part in parts(text) {
        expand(part, &mut hosts);
        if hosts.len() > MOST {
            break;
        }
    }
    hosts
}

/// Splits at the commas outside of brackets.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    text.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn expand(part: &str, hosts: &mut Vec<String>) {
    let bracketed = part.split_once('[').and_then(|(before, rest)| {
        rest.split_once(']').map(|(inside, after)| (before, inside, after))
    });
    let Some((before, inside, after)) = bracketed else {
        hosts.push(part.to_owned());
        return;
    };
    for range in inside.split(',') {
        for number in numbers(range) {
            if hosts.len() > MOST {
                return;
            }
            expand(&format!("{before}{number}{after}"), hosts);
        }
    }
}

/// Reads `01-03` with its leading zeros.
fn numbers(range: &str) -> Vec<String> {
    let Some((first, last)) = range.split_once('-') else { return vec![range.to_owned()] };
    let width = first.len();
    match (first.parse::<u32>(), last.parse::<u32>()) {
        (Ok(first), Ok(last)) => {
            (first..=last).take(MOST).map(|number| format!("{number:0width$}")).collect()
        }
        _ => vec![range.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::expand_host_list as hosts;

    #[test]
    fn lists_are_expanded() {
        assert_eq!(hosts("cpu01"), ["cpu01"]);
        assert_eq!(hosts("cpu[01-03,7],gpu1"), ["cpu01", "cpu02", "cpu03", "cpu7", "gpu1"]);
        assert_eq!(hosts("r[1-2]n[08-09]"), ["r1n08", "r1n09", "r2n08", "r2n09"]);
        assert_eq!(hosts("a[9-11]"), ["a9", "a10", "a11"]);
        assert!(hosts("").is_empty());
        assert_eq!(hosts("a[1-x]"), ["a1-x"]);
        assert_eq!(hosts("a[1"), ["a[1"]);
    }
}
