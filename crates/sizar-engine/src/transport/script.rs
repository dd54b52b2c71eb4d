//! Writes what the far `sh` is told.
//!
//! The shell is started by [`boot`], one line that csh, fish and the Bourne family read alike. It
//! reads orders, one a line: `e TEXT` evaluates a line, `b N` evaluates the N bytes that follow,
//! if all of them came: a batch that was cut off on its way does nothing. A batch runs beside
//! the loop, so that the loop can end a step ([`kill`]). Only POSIX `sh`, `head -c` (or `dd`),
//! `wc` and `rm` are needed.
//!
//! Steps never see the channel: they write into files, which are sent together at the end.

use std::ffi::OsStr;

use super::TransportError;
use super::quote::{push_printf, push_quoted};
use super::step::{Step, What, operand};

/// The two halves of what marks our lines.
///
/// Only the joined word counts, and no command line holds it joined: a start-up file that repeats
/// commands cannot imitate it.
#[derive(Clone, Debug)]
pub(super) struct Nonce {
    first: String,
    second: String,
}

impl Nonce {
    /// Makes one from 16 random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        let text = format!("{:032x}", u128::from_be_bytes(random));
        let (first, second) = text.split_at(16);
        Self { first: first.to_owned(), second: second.to_owned() }
    }

    /// Returns the word that begins our lines.
    pub fn word(&self) -> String {
        format!("z{}{}", self.first, self.second)
    }
}

/// Returns the command that a login shell of any kind is given.
///
/// No quote, backslash, exclamation mark or line feed inside the quotes: csh reads those its way.
pub(super) fn boot(nonce: &Nonce) -> String {
    let Nonce { first, second } = nonce;
    format!("exec /bin/sh -c '{}'", loop_text(first, second))
}

fn loop_text(first: &str, second: &str) -> String {
    format!(
        "M={first}; N=z${{M}}{second}; w=; d=; X() {{ :; }}; R() {{ head -c \"$1\"; }}; \
         echo; echo \"$N.h hello\"; \
         while read -r v n; do case $v in \
         e) eval \"$n\" ;; \
         b) s=$(R \"$n\"); case $s in *\"#$N\") eval \"$s\" ;; *) break ;; esac ;; \
         q) break ;; esac; done; X"
    )
}

/// Returns the order that defines what batches use; answered by a line with the tag `0`.
///
/// `d` is a folder for outputs, `L` whether `head` reads no further than it is told.
pub(super) fn preamble() -> Vec<u8> {
    let text = concat!(
        "e exec 8>&1 >/dev/null; ",
        "for t in \"${TMPDIR:-/tmp}\" /tmp /var/tmp /dev/shm \"$HOME\"; do d=$t/.sizar-$M; ",
        "(umask 077; mkdir \"$d\" && : >\"$d/t\") 2>/dev/null && break; d=; done; ",
        "if [ \"$(printf abc 2>/dev/null | head -c 2 2>/dev/null)\" != ab ]; then ",
        "R() { dd bs=1 count=\"$1\" 2>/dev/null; }; fi; ",
        "L=$(printf 'ab\\ncd\\n' | { R 3 >/dev/null; read -r x; echo \"$x\"; }); ",
        "if [ -n \"$d\" ] && head -q -c 1 \"$d/t\" \"$d/t\" >/dev/null 2>&1; ",
        "then H() { l=$1; shift; head -q -c \"$l\" \"$@\"; }; ",
        "else H() { l=$1; shift; for f; do dd if=\"$f\" bs=\"$l\" count=1 2>/dev/null; done; }; fi; ",
        // a step has been started: tell, wait, remember
        "W() { p=$!; echo \"$N.$Q s $1 $p\" >&8 || exit 1; wait \"$p\"; s=$?; ",
        "T=\"$T $1:$s\"; F=\"$F $Q.$1.o $Q.$1.e\"; }; ",
        // a step could not be started
        "U() { s=1; T=\"$T $1:n\"; }; ",
        // sends all outputs, the first $1 bytes of each, with the tag $2
        "E() { cd \"$d\" && { echo \"$N.$2 z$T\"; [ -z \"$F\" ] || wc -c $F /dev/null; ",
        "echo \"$N.$2 d\"; [ -z \"$F\" ] || H \"$1\" $F; echo; echo \"$N.$2 x ${#T}\"; } >&8; }; ",
        // sends them again
        "G() { [ -s \"$d/$3.F\" ] && (T=; F=; read -r T <\"$d/$3.T\"; read -r F <\"$d/$3.F\"; T=\" $T\"; E \"$1\" \"$2\"); }; ",
        // ends a process and all below it
        "K() { k=$(ps -A -o pid= -o ppid= 2>/dev/null | awk -v r=\"$1\" '{p[$1]=$2} ",
        "END{for(i in p){j=i;n=0;while((j in p)&&j!=r&&n++<99)j=p[j];",
        "if(j==r&&i!=r)printf \"%s \",i}}' 2>/dev/null); kill -s \"$2\" \"$1\" $k 2>/dev/null; }; ",
        "V() { echo \"$N.p v $1 $(($(wc -c <\"$d/$1.o\") + $(wc -c <\"$d/$1.e\")))\" >&8; }; ",
        "C() { rm -rf \"$d\"/[0-9]*; }; ",
        // the end: what still runs has a minute
        "X() { if [ -n \"$w\" ] && kill -0 \"$w\" 2>/dev/null; then ",
        "(sleep 60; K \"$w\" TERM) 8>&- & x=$!; wait \"$w\"; K \"$x\" TERM; fi; ",
        "[ -z \"$d\" ] || rm -rf \"$d\"; }; ",
        "echo \"$N.0 ready $L $d\" >&8; [ -n \"$d\" ] || exit 1\n"
    );
    text.as_bytes().to_vec()
}

/// Returns the order that runs `steps`, each output cut to `keep` bytes.
pub(super) fn batch(
    nonce: &Nonce,
    number: u64,
    steps: &[Step],
    keep: u64,
) -> Result<Vec<u8>, TransportError> {
    let mut text = format!("Q={number}; (trap : USR1; F=; T=; echo \"$N.$Q b\" >&8; while :; do\n")
        .into_bytes();
    for (index, step) in steps.iter().enumerate() {
        push_stdin(&mut text, index, step);
        text.extend_from_slice(b"then { ");
        push_command(&mut text, index, step)?;
        let input = if step.stdin.is_empty() { "/dev/null".to_owned() } else { file(index, "i") };
        text.extend_from_slice(
            format!(
                "; }} <{input} >{} 2>{} 8>&- & W {index}; else U {index}; fi\n",
                file(index, "o"),
                file(index, "e")
            )
            .as_bytes(),
        );
        if step.stop_on_failure {
            text.extend_from_slice(b"[ \"$s\" = 0 ] || break\n");
        }
    }
    text.extend_from_slice(
        format!(
            "break; done; echo \"$T\" >\"$d/$Q.T\"; echo \"$F\" >\"$d/$Q.F\"; E {keep} \"$Q\"\n) & w=$!\n"
        )
        .as_bytes(),
    );
    Ok(blob(nonce, &text))
}

/// Returns the order that runs one step with the next `length` bytes of the channel as input.
pub(super) fn feed(
    nonce: &Nonce,
    number: u64,
    step: &Step,
    length: u64,
) -> Result<Vec<u8>, TransportError> {
    let mut text =
        format!("Q={number}; F=; T=; echo \"$N.$Q b\" >&8; R {length} | {{ ( ").into_bytes();
    push_command(&mut text, 0, step)?;
    // what the step leaves unread must not be taken for orders
    text.extend_from_slice(
        format!(
            " ) >{} 2>{} 8>&-; s=$?; cat >/dev/null; exit \"$s\"; }}; s=$?; T=\" 0:$s\"; \
             F=\"$Q.0.o $Q.0.e\"; echo \"$T\" >\"$d/$Q.T\"; echo \"$F\" >\"$d/$Q.F\"; (E {} \"$Q\")\n",
            file(0, "o"),
            file(0, "e"),
            step.keep
        )
        .as_bytes(),
    );
    Ok(blob(nonce, &text))
}

/// Returns the order that runs one step and sends its output as it comes, with its checksum.
pub(super) fn drain(nonce: &Nonce, number: u64, step: &Step) -> Result<Vec<u8>, TransportError> {
    let mut text = format!("Q={number}; (trap : USR1; F=; T=; ").into_bytes();
    push_stdin(&mut text, 0, step);
    let input = if step.stdin.is_empty() { "/dev/null".to_owned() } else { file(0, "i") };
    text.extend_from_slice(
        b"then mkfifo \"$d/$Q.p\"; cksum <\"$d/$Q.p\" >\"$d/$Q.c\" 8>&- & c=$!\necho \"$N.$Q y\" >&8; { ( ",
    );
    push_command(&mut text, 0, step)?;
    text.extend_from_slice(
        format!(
            " ) <{input} 2>{errors} 8>&-; echo \"$?\" >\"$d/$Q.s\"; }} | tee \"$d/$Q.p\" >&8\n\
             wait \"$c\"; read -r s <\"$d/$Q.s\"; read -r a b <\"$d/$Q.c\"\n\
             echo >&8; echo \"$N.$Q k $a $b\" >&8; T=\" 0:$s\"; F=\"$Q.0.e\"\n\
             else T=\" 0:n\"; echo \"$N.$Q y\" >&8; echo >&8; echo \"$N.$Q k 4294967295 0\" >&8; fi\n\
             echo \"$T\" >\"$d/$Q.T\"; echo \"$F\" >\"$d/$Q.F\"; E {} \"$Q\") & w=$!\n",
            step.keep,
            errors = file(0, "e"),
        )
        .as_bytes(),
    );
    Ok(blob(nonce, &text))
}

/// Returns the order that gives the channel to one step.
///
/// What the step leaves unread must not be taken for orders: where it fails, the shell ends.
pub(super) fn talk(nonce: &Nonce, number: u64, step: &Step) -> Result<Vec<u8>, TransportError> {
    let mut text = format!("Q={number}; F=; T=; echo \"$N.$Q b\" >&8; if ( ").into_bytes();
    push_command(&mut text, 0, step)?;
    text.extend_from_slice(
        format!(
            " ) >&8 2>{errors} 8>&-; then : >{outputs}; T=\" 0:0\"; F=\"$Q.0.o $Q.0.e\"; \
             echo \"$T\" >\"$d/$Q.T\"; echo \"$F\" >\"$d/$Q.F\"; echo >&8; (E {keep} \"$Q\")\n\
             else cat {errors} >&2; X; exit 1; fi\n",
            errors = file(0, "e"),
            outputs = file(0, "o"),
            keep = step.keep
        )
        .as_bytes(),
    );
    Ok(blob(nonce, &text))
}

/// Returns the order that sends the outputs of batch `number` again, with another tag.
pub(super) fn again(number: u64, tag: &str, keep: u64) -> Vec<u8> {
    format!("e G {keep} {tag} {number}\n").into_bytes()
}

/// Returns the order that ends a step.
pub(super) fn kill(process: u32, signal: &str) -> Vec<u8> {
    format!("e K {process} {signal}\n").into_bytes()
}

/// Returns the order to wait no longer for a step that cannot be ended.
pub(super) fn abandon() -> Vec<u8> {
    b"e kill -s USR1 \"$w\"\n".to_vec()
}

/// Returns the order to tell how much a step has printed; answered with the tag `p`.
pub(super) fn measure(number: u64, index: usize) -> Vec<u8> {
    format!("e V {number}.{index}\n").into_bytes()
}

/// Returns the order to remove the outputs of earlier batches.
pub(super) fn clean() -> Vec<u8> {
    b"e C\n".to_vec()
}

fn file(index: usize, kind: &str) -> String {
    format!("\"$d/$Q.{index}.{kind}\"")
}

/// Puts the text into an order that is done whole or not at all.
fn blob(nonce: &Nonce, text: &[u8]) -> Vec<u8> {
    let end = format!("#{}", nonce.word());
    let mut order = format!("b {}\n", text.len() + end.len()).into_bytes();
    order.extend_from_slice(text);
    order.extend_from_slice(end.as_bytes());
    order
}

/// Appends `if …` up to what prepares the input.
fn push_stdin(text: &mut Vec<u8>, index: usize, step: &Step) {
    if step.stdin.is_empty() {
        text.extend_from_slice(b"if :; ");
        return;
    }
    text.extend_from_slice(b"if ");
    push_printf(text, &step.stdin);
    text.extend_from_slice(format!(" >{}; ", file(index, "i")).as_bytes());
}

/// Appends the command, which replaces the subshell that it stands in.
fn push_command(text: &mut Vec<u8>, index: usize, step: &Step) -> Result<(), TransportError> {
    let invalid = |what: &'static str| TransportError::InvalidStep { step: index, what };
    let push = |text: &mut Vec<u8>, word: &OsStr| {
        let bytes = word.as_encoded_bytes();
        if bytes.contains(&0) {
            return Err(invalid("a word of it holds a NUL byte"));
        }
        push_quoted(text, bytes);
        text.push(b' ');
        Ok(())
    };
    if let Some(cwd) = &step.cwd {
        text.extend_from_slice(b"CDPATH= cd ");
        // `cd -` is not meant
        push(text, &operand(cwd))?;
        text.extend_from_slice(b">/dev/null && ");
    }
    for (name, value) in &step.env {
        let is_name = |name: &str| {
            let mut bytes = name.bytes();
            bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !is_name(name) {
            return Err(invalid("a variable of it has a name that no shell can set"));
        }
        text.extend_from_slice(format!("export {name}=").as_bytes());
        push(text, value)?;
        text.extend_from_slice(b"&& ");
    }
    text.extend_from_slice(b"exec ");
    let args = match &step.what {
        What::Program { program, args } => {
            if program.is_empty() || program.as_encoded_bytes().starts_with(b"-") {
                return Err(invalid("its program has no name, or one that begins with `-`"));
            }
            push(text, program)?;
            args
        }
        What::Script { text: script, args } => {
            text.extend_from_slice(b"/bin/sh -c ");
            push(text, OsStr::new(script.as_ref()))?;
            text.extend_from_slice(b"sizar ");
            args
        }
    };
    args.iter().try_for_each(|arg| push(text, arg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_read_alike_by_all_shells() {
        let nonce = Nonce::new([7; 16]);
        let boot = boot(&nonce);
        let inner = boot.strip_prefix("exec /bin/sh -c '").unwrap().strip_suffix('\'').unwrap();
        assert!(!inner.contains(['\'', '\\', '!', '\n']), "{inner}");
        assert!(
            !boot.contains(&nonce.word()),
            "what repeats the command does not imitate the answer"
        );
    }

    #[test]
    fn the_preamble_is_one_line() {
        let preamble = preamble();
        assert_eq!(preamble.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(preamble.last(), Some(&b'\n'));
    }

    #[test]
    fn what_no_shell_can_run_is_refused() {
        let refused = |step: Step| batch(&Nonce::new([1; 16]), 1, &[step], 1).is_err();
        assert!(refused(Step::program("-x", [""; 0])));
        assert!(refused(Step::program("", [""; 0])));
        assert!(refused(Step::program("echo", ["a\0b"])));
        assert!(refused(Step::program("echo", ["a"]).env("a b", "c")));
        assert!(!refused(Step::program("echo", ["a\nb"]).env("A", "c")));
    }
}
