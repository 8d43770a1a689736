#!/usr/bin/env bash
# make_env.sh LINK [STACK]
#
# Makes the Python environment that the tests and the demo run in, from the pins of a
# stack (default: "default"), and points the symbolic link LINK at it. The environment
# lies in a cache folder named after the pins, so that all checkouts with the same pins
# share one; it is made once and then found again.
#
# default    today's versions, all of them wheels, by uv if it is there and else by pip.
# reference  the versions that OpenMMLab tested with. mmcv is a prebuilt one where mim
#            finds one, and is compiled where not (7 minutes on two cores).
# litert     a converter of ONNX files and LiteRT, for `make litert-check`.
#
# Environment variables, all optional:
#   PYTHON          a CPython of the stack's versions
#   MMLITEHRNET_ENV folder for the environments (default: ~/.cache/mmlitehrnet)
#   MAX_JOBS        compiler processes at once (default: one per core)
# and those of uv and pip, such as PIP_FIND_LINKS for a folder of wheels made before.
set -euo pipefail

# stack    CPython         constraints
stacks='
default    3.13,3.12,3.11  constraints.txt
reference  3.11            constraints-reference.txt
litert     3.13,3.12       litert.txt
'
# To be raised when a change below must make environments anew.
recipe=3

link=${1:?usage: make_env.sh LINK [STACK]}
stack=${2:-default}
here=$(cd "$(dirname "$0")" && pwd)
root=${MMLITEHRNET_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/mmlitehrnet}

read -r versions pins < <(awk -v s="$stack" '$1 == s { print $2, $3 }' <<<"$stacks") || {
    echo "make_env.sh: STACK must be one of:" $(awk '{ print $1 }' <<<"$stacks")"," \
        "got $stack" >&2
    exit 2
}

# Prints the version and the path of PYTHON, or of the newest CPython that there is.
find_python() {
    local version candidate
    for version in ${versions//,/ }; do
        for candidate in ${PYTHON:-"python$version" python3 \
            "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python}; do
            if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" \
                2>/dev/null; then
                echo "$version $(command -v "$candidate")"
                return
            fi
        done
    done
    echo "make_env.sh: no CPython ${versions//,/, }${PYTHON:+ in PYTHON=$PYTHON};" \
        "name one in PYTHON" >&2
    return 1
}

found=$(find_python)
read -r version python <<<"$found"
lists=("$here/$pins" "$here/stack.txt" "$here/tests.txt" "$here/lint.txt")
[ "$stack" = litert ] && lists=("$here/$pins")
key=$( (echo "recipe $recipe" && cat "${lists[@]}" "$here"/*.pth) | sha256sum | cut -c1-12)
env=$root/py${version/./}-$key

# On a terminal the installers show their own progress.
[ -t 2 ] && quiet=() || quiet=(-q)
step() { echo "[$1, after $((SECONDS - started)) s] $2"; }
install() {
    "$env/bin/python" -m pip install "${quiet[@]}" -c "$here/$pins" "$@"
}

make_default() {
    local all=(-r "$here/stack.txt" -r "$here/tests.txt" -r "$here/lint.txt")
    all+=(--only-binary :all: -c "$here/$pins" mmcv-lite)
    if command -v uv >/dev/null; then
        step 1/1 "by uv: download and install torch and all others (2.5 GB)"
        uv venv "${quiet[@]}" --python "$python" "$env"
        uv pip install "${quiet[@]}" --python "$env/bin/python" \
            --find-links "$here/empty" "${all[@]}"
    else
        step 1/2 "by pip: an environment"
        "$python" -m venv "$env"
        install pip
        step 2/2 "by pip: download and install torch and all others (2.5 GB)"
        install "${all[@]}"
    fi
    local site
    site=$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cp "$here"/mmlitehrnet_standins.pth "$site"
}

make_reference() {
    step 1/3 "torch 2.1 (2.5 GB) and build tools"
    "$python" -m venv "$env"
    install pip
    install wheel setuptools cython ninja psutil numpy torch torchvision openmim
    # A build must see this torch, this numpy, this setuptools. Where mim's list of wheels
    # cannot be reached, pip would try again for each requirement of mmcv.
    step 2/3 "mmcv: prebuilt, or its operators compiled"
    PIP_RETRIES=0 PIP_CONSTRAINT=$here/$pins MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(nproc)} \
        "$env/bin/mim" install "${quiet[@]}" --no-build-isolation mmcv
    step 3/3 "all others"
    install --no-build-isolation -r "$here/stack.txt" -r "$here/tests.txt"
}

make_litert() {
    "$python" -m venv "$env"
    install pip
    step 1/1 "onnx2tf, LiteRT and its quantizer (0.7 GB)"
    install -r "$here/$pins"
}

# One maker at a time; a second one waits and finds the result.
mkdir -p "$root"
exec 9>"$root/lock"
flock 9

if [ ! -e "$env/complete" ]; then
    started=$SECONDS
    echo "Making the environment $env with CPython $version (once for these pins)"
    rm -rf "$env"
    "make_$stack"
    touch "$env/complete"
    echo "Made in $((SECONDS - started)) s"
fi
ln -sfn "$env" "$link"
