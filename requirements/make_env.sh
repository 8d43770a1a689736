#!/usr/bin/env bash
# make_env.sh LINK [STACK]
#
# Makes the Python environment that the tests and the demo run in, from the pins of
# a stack (default: "default"), and points the symbolic link LINK at it. The
# environment lies in a cache folder named after the pins, so that all checkouts
# with the same pins share one; it is made once (10 to 15 minutes on two cores, most
# of it compiling mmcv's operators and downloading torch) and then found again.
#
# Environment variables, all optional:
#   PYTHON          a CPython of the stack's version
#   MMLITEHRNET_ENV folder for the environments (default: ~/.cache/mmlitehrnet)
#   MAX_JOBS        compiler processes at once (default: one per core)
# and those of pip, such as PIP_FIND_LINKS for a folder of wheels made before.
set -euo pipefail

# stack  CPython  pins
stacks='
default  3.11     constraints.txt
modern   3.12     modern/constraints.txt
'
# To be raised when a change below must make environments anew.
recipe=2

link=${1:?usage: make_env.sh LINK [STACK]}
stack=${2:-default}
here=$(cd "$(dirname "$0")" && pwd)
root=${MMLITEHRNET_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/mmlitehrnet}

read -r version pins < <(awk -v s="$stack" '$1 == s { print $2, $3 }' <<<"$stacks") || {
    echo "make_env.sh: STACK must be one of:" $(awk '{ print $1 }' <<<"$stacks")"," \
        "got $stack" >&2
    exit 2
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" "python$version" python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" \
            2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "make_env.sh: no CPython $version found; name one in PYTHON" >&2
    return 1
}

python=$(find_python)
lists=("$here/$pins" "$here/stack.txt" "$here/tests.txt")
key=$( (echo "recipe $recipe" && cat "${lists[@]}") | sha256sum | cut -c1-12)
env=$root/py${version/./}-$key
mkdir -p "$root"

# One maker at a time; a second one waits and finds the result.
exec 9>"$root/lock"
flock 9

if [ ! -e "$env/complete" ]; then
    echo "Making the environment $env (once for these pins)"
    rm -rf "$env"
    "$python" -m venv "$env"
    install() { "$env/bin/python" -m pip install -q "$@"; }
    export PIP_CONSTRAINT=$here/$pins
    echo '[1/4] build tools and torch'
    install pip wheel setuptools cython ninja psutil numpy
    install torch torchvision
    # The builds below must see this torch, this numpy, this setuptools.
    echo '[2/4] mmcv, its operators compiled where there is no wheel'
    MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(nproc)} install --no-build-isolation mmcv
    echo '[3/4] the OpenMMLab packages'
    install --no-build-isolation -r "$here/stack.txt"
    # It declares chumpy, which it never imports and Python 3.11 and later cannot.
    install --no-build-isolation --no-deps mmpose
    echo '[4/4] what the tests need'
    install -r "$here/tests.txt"
    touch "$env/complete"
fi
ln -sfn "$env" "$link"
