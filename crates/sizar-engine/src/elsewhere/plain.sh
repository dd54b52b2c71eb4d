# What sizar does beside a job, where sizar itself cannot execute: POSIX sh, and the tools of an old
# cluster. It makes a working copy, runs the program in it, lists what the program made with sizes
# and SHA-256, and leaves a receipt, by renaming. No sandbox, and no use over time.
#
# Above this line the run's own: $tree, $limit, $after, $path, $args, $starts_in, and the functions `furnish`,
# `go_on` and `start`. $2 is the root of sizar's folders here; then come the run, the attempt, and of
# a task of a sweep the file that tells its arguments, as words of the shell.
root=$2 run=$3 attempt=$4 tasks=${5:-}
folder=$root/runs/$run
here=$folder/attempt-$attempt
umask 077
LC_ALL=C; export LC_ALL
say() { echo "sizar: $*" >&2; }
fail() { say "$*"; exit 125; }

# what this run comes after has completed; what has no folder here did so elsewhere
for before in $after; do
    newest=$(ls -d "$root/runs/$before"/claim-* 2>/dev/null | sed 's/.*-//' | sort -n | tail -n 1)
    [ -n "$newest" ] || continue
    receipt=$root/runs/$before/attempt-$newest/receipt.json
    tr -d ' \n' 2>/dev/null <"$receipt" | grep -q '"ending":{"how":"exited","code":0}' && continue
    say "not run: $before, which it comes after, did not complete"
    exit 78
done

command -v sha256sum >/dev/null 2>&1 || fail "there is no \`sha256sum\` on $(uname -n)"
mkdir -p "$folder" && mkdir "$here" || fail "the attempt's folder cannot be made"
cd "$here" && mkdir work home tmp notes || fail "the attempt's folder cannot be made"
# room for the receipt, whatever the program does to the quota
dd if=/dev/zero bs=1024 count=16 2>/dev/null | tr '\0' ' ' >receipt.json.part

cp -R -P -p "$tree/." work && chmod -R u+rwX work || fail "the working copy cannot be made"
note=
# takes the place of whatever the source has there
put() {
    mkdir -p "$(dirname "$2")" && rm -rf "$2" || return 1
    if [ "$3" = copy ]; then cp -R -P "$1" "$2"; else ln -s "$1" "$2"; fi
}
furnish || fail "the data cannot be put in place"
if [ -n "$tasks" ]; then
    grep -q "^$run $attempt " "$tasks" || fail "\`$tasks\` does not tell of run $run"
    args=$(sed -n "s/^$run $attempt //p" "$tasks")
fi

# files with their digests; a name that sha256sum has to escape is left out
list() {
    find work home \( -name __pycache__ -o -name .ipynb_checkpoints -o -name .pytest_cache \
        -o -path home/.cache -o -path home/.nv -o -path home/.config/matplotlib \
        -o -path home/.config/pip -o -path home/.local/share/jupyter/runtime \) -prune \
        -o -type f -exec sha256sum {} + | grep -v '^\\' | sort
}
list >before 2>/dev/null || fail "the working copy cannot be read"

# what an earlier attempt made, as far as it is whole, is part of what this one makes
again() {
    # nothing is written through a link: it may lead to the user's own data
    above=$(dirname "$3")
    while [ "$above" != . ]; do
        [ ! -L "$above" ] || return 0
        above=$(dirname "$above")
    done
    mkdir -p "$(dirname "$3")" && rm -rf "$3" && cp -p "$folder/attempt-$1/$2" "$3"
}
# tasks of a later array have a list of their own
if [ -n "$tasks" ] && [ -f "$tasks.again" ]; then
    . "$tasks.again" || fail "what an earlier attempt made cannot be told"
fi
go_on || fail "what an earlier attempt made cannot be copied"

now() { read -r up rest </proc/uptime && echo "${up%.*}"; }
stamp() { date -u +%Y-%m-%dT%H:%M:%SZ; }
# what the scheduler tells its jobs, and no secret of its
given() {
    env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' |
        grep -E '^(SLURM_|SLURMD_NODENAME$|OAR_|PMI_|PMIX_|(CUDA|HIP|ROCR)_VISIBLE_DEVICES$|GPU_DEVICE_ORDINAL$|LD_LIBRARY_PATH$|LIBRARY_PATH$|CPATH$|LOADEDMODULES$|[A-Z0-9]*_(HOME|ROOT)$)' |
        grep -Ev 'JWT|TOKEN|PASSWORD|^(MODULES|LMOD|XDG|SSH)'
}
[ -n "${SLURM_JOB_END_TIME:-}" ] && [ -n "${SLURM_JOB_START_TIME:-}" ] &&
    limit=$((SLURM_JOB_END_TIME - SLURM_JOB_START_TIME))
limit=${OAR_JOB_WALLTIME_SECONDS:-$limit}
# ahead of the scheduler, so that what was made is sealed
kept=$((${limit:-0} / 20))
[ "$kept" -ge 5 ] || kept=5
[ "$kept" -le 60 ] || kept=60

began=$(now) started=$(stamp)
set --
for name in $(given); do
    eval "set -- \"\$@\" \"$name=\${$name}\""
done
[ -n "${LOADEDMODULES:-}" ] && set -- "$@" "PATH=$path:$PATH"
asked= over= timer= child=
stop() {
    [ -n "$child" ] || return 0
    kill -TERM "$child" 2>/dev/null
    (sleep 10; kill -KILL "$child") >/dev/null 2>&1 &
}
trap 'asked=1; stop' TERM INT USR1 USR2
(cd "$starts_in" && start "$@") &
child=$!
[ -z "$asked" ] || stop
if [ -n "$limit" ]; then
    left=$((limit - kept))
    [ "$left" -ge 1 ] || left=1
    (
        trap 'kill "$nap" 2>/dev/null; exit 0' TERM
        sleep "$left" & nap=$!
        wait "$nap" && : >over
        kill -TERM "$child" 2>/dev/null
        sleep 10 & nap=$!
        wait "$nap"
        kill -KILL "$child" 2>/dev/null
    ) &
    timer=$!
fi
while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done
[ -z "$timer" ] || kill "$timer" 2>/dev/null
trap '' TERM INT USR1 USR2
ended=$(stamp) wall=$(($(now) - began))
times >times 2>/dev/null
cpu=$(awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); s += t[1] * 60 + t[2] } print s }' times 2>/dev/null)
[ -f over ] && over=1
[ -n "$asked" ] && [ -n "$limit" ] && [ "$((wall + kept))" -ge "$limit" ] && over=1
if [ -n "$over" ]; then ending='{"how":"timed_out"}'
elif [ -n "$asked" ]; then ending='{"how":"cancelled"}'
elif [ "$code" -gt 128 ]; then ending="{\"how\":\"signalled\",\"signal\":$((code - 128))}"
else ending="{\"how\":\"exited\",\"code\":$code}"
fi

# what is there now and was not so before: SIZE SHA-256 PATH
seal() {
    list >after && comm -13 before after >changed &&
        find work home -type f -exec wc -c {} + >sizes &&
        awk 'NR == FNR { n = $1; sub(/^ *[0-9]+ /, ""); size[$0] = n; next }
            { print size[substr($0, 67)], $0 }' sizes changed >sealed.part &&
        mv sealed.part sealed
}
if seal 2>seal.said; then
    sealed=$(sha256sum <sealed)
    sealed="{\"sha256\":\"${sealed%% *}\",\"bytes\":$(($(wc -c <sealed)))}"
else
    note="what it made could not be listed: $(tail -n 1 seal.said | tr -cd 'A-Za-z0-9 .,:/_-')"
    sealed=null
fi
rm -f before after changed sizes times sealed.part
printf '{"version":1,"attempt":%s,"ending":%s,"started":"%s","ended":"%s","node":"%s","usage":{"wall_seconds":%s,"cpu_seconds":%s},"sandbox":"none","notes":[%s],"results":[],"sealed":%s}\n' \
    "$attempt" "$ending" "$started" "$ended" "$(uname -n | tr -cd 'A-Za-z0-9._-')" "$wall" "${cpu:-0}" \
    "${note:+\"$note\"}" "$sealed" | dd of=receipt.json.part conv=notrunc 2>/dev/null &&
    sync receipt.json.part 2>/dev/null
mv receipt.json.part receipt.json || fail "the receipt cannot be written"
# where many look for it
for mark in ${tasks:+"$(dirname "$tasks")/marks/$run-$attempt-began-"*}; do
    mv "$mark" "$(printf '%s' "$mark" | sed 's/-began-/-ended-/')" 2>/dev/null
done
case $ending in
*exited*) exit "$code" ;;
*timed*) exit 124 ;;
*cancelled*) exit 130 ;;
*) exit "$code" ;;
esac
