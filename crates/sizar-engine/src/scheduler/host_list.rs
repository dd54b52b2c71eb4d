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

/// Returns the list that stands for `hosts`: the opposite of [`expand_host_list`].
///
/// Names that differ in one number stand together, where the first of them is.
pub fn fold_host_list<'a>(hosts: impl IntoIterator<Item = &'a str>) -> String {
    let mut families: Vec<Family<'_>> = Vec::new();
    for host in hosts {
        let (before, digits, after) = numbered(host);
        let same = |family: &&mut Family<'_>| family.before == before && family.after == after;
        match families.iter_mut().find(same).filter(|_| !digits.is_empty()) {
            Some(family) => family.numbers.push(digits),
            None => families.push(Family { before, after, numbers: vec![digits] }),
        }
    }
    let folded: Vec<String> = families.iter_mut().map(Family::fold).collect();
    folded.join(",")
}

/// Hosts whose names differ in a number.
struct Family<'a> {
    before: &'a str,
    after: &'a str,
    numbers: Vec<&'a str>,
}

impl Family<'_> {
    fn fold(&mut self) -> String {
        let (before, after) = (self.before, self.after);
        if let [only] = self.numbers[..] {
            return format!("{before}{only}{after}");
        }
        self.numbers.sort_by_key(|digits| (digits.parse::<u64>().ok(), digits.len()));
        let mut ranges: Vec<(&str, &str)> = Vec::new();
        for &digits in &self.numbers {
            match ranges.last_mut() {
                Some((first, last)) if follows(first, last, digits) => *last = digits,
                _ => ranges.push((digits, digits)),
            }
        }
        let ranges: Vec<String> = ranges
            .into_iter()
            .map(|(first, last)| match first == last {
                true => first.to_owned(),
                false => format!("{first}-{last}"),
            })
            .collect();
        format!("{before}[{}]{after}", ranges.join(","))
    }
}

/// Returns whether `next` is the number after `last`, written as in a range that begins at `first`.
fn follows(first: &str, last: &str, next: &str) -> bool {
    let width = first.len();
    let after = last.parse::<u64>().ok().and_then(|last| last.checked_add(1));
    after.is_some_and(|after| format!("{after:0width$}") == next)
}

/// Splits a name round the last number of its first label: `cpu`, `01`, `.tours.example`.
fn numbered(host: &str) -> (&str, &str, &str) {
    let label = host.find('.').unwrap_or(host.len());
    let digit = |c: char| c.is_ascii_digit();
    let Some(end) = host[..label].rfind(digit).map(|at| at + 1) else { return (host, "", "") };
    let start = host[..end].trim_end_matches(digit).len();
    (&host[..start], &host[start..end], &host[end..])
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
    use super::fold_host_list;

    #[test]
    fn lists_are_folded() {
        let fold = |names: &[&str]| fold_host_list(names.iter().copied());
        assert_eq!(fold(&["cpu01"]), "cpu01");
        assert_eq!(fold(&["cpu01", "cpu02", "cpu03", "cpu7", "gpu1"]), "cpu[01-03,7],gpu1");
        assert_eq!(fold(&["a9", "a10", "a11", "a13"]), "a[9-11,13]");
        assert_eq!(fold(&["r1n08", "r1n09", "r2n08", "login"]), "r1n[08-09],r2n08,login");
        let sites = ["gros-1.nancy.grid5000.fr", "gros-2.nancy.grid5000.fr"];
        assert_eq!(fold(&sites), "gros-[1-2].nancy.grid5000.fr");
        assert_eq!(fold(&["login", "login"]), "login,login");
        assert_eq!(fold(&[]), "");
        for list in ["cpu[01-03,7],gpu1", "a[8-12]", "a[098-102]", "r[1-2]n[08-11]", "x[1,01]"] {
            let names = hosts(list);
            let folded = fold_host_list(names.iter().map(String::as_str));
            assert_eq!(hosts(&folded), names, "{list} {folded}");
        }
    }

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
