# What this machine is and has, one `key=value` for each answer. Changes nothing.
# POSIX sh and the tools of an old cluster (CentOS 7) are enough.
LC_ALL=C
export LC_ALL
say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
# a program that hangs must not keep the rest from being told
brief() { if has timeout; then timeout 10 "$@"; else "$@"; fi; }

me=$(id -un 2>/dev/null)
say user "$me"
say home "$HOME"
say node "$(uname -n)"
say architecture "$(uname -m)"
say system "$(uname -sr)"
say glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //')"
if has getent; then shell=$(getent passwd "$me" 2>/dev/null | cut -d: -f7); fi
say login_shell "${shell:-${SHELL:-}}"

has sbatch && say batch slurm
has oarsub && say batch oar

# module systems: what a batch script has to read first
for init in "${LMOD_PKG:-}/init/sh" "${MODULESHOME:-}/init/sh" /etc/profile.d/lmod.sh \
    /etc/profile.d/z00_lmod.sh /etc/profile.d/modules.sh /etc/profile.d/00-modulepath.sh \
    /usr/share/lmod/lmod/init/sh /usr/share/modules/init/sh /usr/share/Modules/init/sh \
    /etc/environment-modules/init/sh /opt/cray/pe/lmod/lmod/init/sh; do
    if [ -f "$init" ] && [ -r "$init" ]; then
        say modules_init "$init"
        if [ -n "${LMOD_CMD:-}${LMOD_PKG:-}" ] || grep -qi lmod "$init" 2>/dev/null; then
            say modules lmod
        else
            say modules environment-modules
        fi
        break
    fi
done

for program in git tar gzip zstd rsync uv bwrap apptainer singularity; do
    has "$program" && say program "$program|$(brief "$program" --version 2>/dev/null </dev/null | head -n 1)"
done

seen=" "
for python in python3 python python3.6 python3.7 python3.8 python3.9 python3.10 python3.11 \
    python3.12 python3.13 python3.14 python2.7; do
    path=$(command -v "$python" 2>/dev/null) || continue
    case $seen in *" $path "*) continue ;; esac
    seen="$seen$path "
    version=$(brief "$path" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null </dev/null)
    [ -n "$version" ] && say python "$path|$version"
done

# the index that the account is configured for, else the public one
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-https://pypi.org/simple}}}
if has curl; then
    if brief curl -sSfL -m 8 -o /dev/null "${index%/}/pip/" 2>/dev/null </dev/null; then say internet yes; else say internet no; fi
elif has wget; then
    if brief wget -q -T 8 -t 1 -O /dev/null "${index%/}/pip/" 2>/dev/null </dev/null; then say internet yes; else say internet no; fi
fi

store() {
    [ -n "$2" ] && [ -d "$2" ] && [ -w "$2" ] || return 0
    kind=$(stat -f -c %T "$2" 2>/dev/null)
    free=$(brief df -Pk "$2" 2>/dev/null | awk 'NR == 2 { print $4 }')
    inodes=$(brief df -Pi "$2" 2>/dev/null | awk 'NR == 2 { print $4 }')
    say storage "$1|$kind|$free|$inodes|$2"
    limit=
    case $kind in
    lustre) has lfs && limit=$(brief lfs quota -q -u "$me" "$2" 2>/dev/null </dev/null |
        awk 'NF >= 8 { print $2 "|" $4 "|" $6 "|" $8; exit }') ;;
    *) has quota && limit=$(brief quota -w -p -f "$2" 2>/dev/null </dev/null |
        awk '$1 ~ "/" || $1 ~ ":" { print $2 "|" $4 "|" $6 "|" $8; exit }') ;;
    esac
    [ -n "$limit" ] && say quota "$1|$limit"
    return 0
}
store home "$HOME"
for name in SCRATCH WORK STORE PROJECT WORKDIR SCRATCHDIR GLOBALSCRATCH CCFRSCRATCH CCFRWORK; do
    eval "folder=\${$name:-}"
    store "$name" "$folder"
done
for folder in "/scratch/$me" "/work/$me" "/bettik/$me" "/data/$me"; do
    store "${folder%/*}" "$folder"
done
exit 0
