#!/usr/bin/env bash
# make_env.sh LINK
#
# Makes the Python environment that the tests and the demo run in, from the pins of
# constraints.txt, and points the symbolic link LINK at it. The environment lies in
# a cache folder named after the pins, so that all checkouts with the same pins
# share one; it is made once (10 to 15 minutes on two cores, most of it compiling
# mmcv's operators and downloading torch) and then found again.
#
# Environment variables, all optional:
#   PYTHON          a CPython 3.11
#   MMLITEHRNET_ENV folder for the environments (default: ~/.cache/mmlitehrnet)
#   MAX_JOBS        compiler processes at once (default: one per core)
set -euo pipefail

link=${1:?usage: make_env.sh LINK}
here=$(cd "$(dirname "$0")" && pwd)
root=${MMLITEHRNET_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/mmlitehrnet}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11.*/bin/python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
            2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo 'make_env.sh: no CPython 3.11 found; name one in PYTHON' >&2
    return 1
}

python=$(find_python)
key=$(cat "$here"/*.txt "$here/make_env.sh" | sha256sum | cut -c1-12)
env=$root/py311-$key
mkdir -p "$root"

# One maker at a time; a second one waits and finds the result.
exec 9>"$root/lock"
flock 9

if [ ! -e "$env/complete" ]; then
    echo "Making the environment $env (once for these pins)"
    rm -rf "$env"
    "$python" -m venv "$env"
    install() { "$env/bin/python" -m pip install -q "$@"; }
    export PIP_CONSTRAINT=$here/constraints.txt
    echo '[1/4] build tools and torch'
    install pip wheel setuptools cython ninja psutil numpy
    install torch torchvision
    # The builds below must see this torch, this numpy, this setuptools.
    echo '[2/4] mmcv, its operators compiled where there is no wheel'
    MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(nproc)} install --no-build-isolation mmcv
    echo '[3/4] the OpenMMLab packages'
    install --no-build-isolation -r "$here/stack.txt" ftfy regex
    echo '[4/4] what the tests need'
    install -r "$here/tests.txt"
    touch "$env/complete"
fi
ln -sfn "$env" "$link"
