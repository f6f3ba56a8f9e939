# Finds libtorch 2.11 or installs it; sourced by ./mosa, ./test, scripts/cuda-libraries and .ci/run. Sets LIBTORCH and LIBTORCH_CXX11_ABI.
#
# Order: LIBTORCH as given; what was found last time; a Python torch of exactly this version; the wheel, installed
# without its Python dependencies into a cache folder that all checkouts share.

TORCH_VERSION=2.11.0
# What the wheel of this version asks for on a machine with a GPU (Requires-Dist of its METADATA, without Python's parts).
CUDA_PACKAGES="cuda-toolkit[cublas,cudart,cufft,cufile,cupti,curand,cusolver,cusparse,nvjitlink,nvrtc,nvtx]==13.0.2
    nvidia-cudnn-cu13==9.19.0.56 nvidia-cusparselt-cu13==0.8.0 nvidia-nccl-cu13==2.28.9 nvidia-nvshmem-cu13==3.4.5"

say() { printf 'mosa: %s\n' "$*" >&2; }

# The version of the libtorch in folder $1, without a build tag like +cpu.
libtorch_version() {
    if [ -f "$1/build-version" ]; then
        sed 's/+.*//' "$1/build-version"
    elif [ -f "$1/version.py" ]; then
        sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$1/version.py"
    fi
}

has_libtorch() {
    { [ -f "$1/lib/libtorch_cpu.so" ] || [ -f "$1/lib/libtorch_cpu.dylib" ]; } && [ "$(libtorch_version "$1")" = "$TORCH_VERSION" ]
}

# The folder of an installed Python torch, without importing it.
python_torch() {
    python3 -c "
import importlib.util as u
spec = u.find_spec('torch')
print(spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else '')" 2>/dev/null
}

install_libtorch() {
    site=$1
    say "installing libtorch $TORCH_VERSION into $site (once)"
    set -- "torch==$TORCH_VERSION"
    # The Linux x86-64 wheel is a CUDA build: libtorch_cpu itself needs these two small libraries.
    case "$(uname -s)-$(uname -m)" in
        Linux-x86_64) set -- "$@" nvidia-cuda-cupti==13.0.85 nvidia-cuda-runtime==13.0.96 ;;
    esac
    partial="$site.partial.$$"
    rm -rf "$partial"
    if ! python3 -m pip install --quiet --no-deps --no-compile --target "$partial" "$@" >&2; then
        rm -rf "$partial"
        say "could not install libtorch; install it by hand and name it: LIBTORCH=/path/to/libtorch $0"
        exit 3
    fi
    rm -rf "$site"
    mv "$partial" "$site"
}

# Where libtorch is installed if there is none.
own_libtorch() {
    printf '%s\n' "${MOSA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mosa}/libtorch-$TORCH_VERSION/torch"
}

# Whether there is an NVIDIA GPU, and a libtorch of ours without the libraries to use it.
lacks_cuda() {
    [ -e /dev/nvidiactl ] && [ "$LIBTORCH" = "$(own_libtorch)" ] || return 1
    for library in "$(dirname -- "$LIBTORCH")"/nvidia/*/lib/libcublas.so*; do
        [ ! -e "$library" ] || return 1
    done
}

find_libtorch() {
    root=$1
    if [ -n "${LIBTORCH:-}" ]; then
        if ! has_libtorch "$LIBTORCH"; then
            say "LIBTORCH=$LIBTORCH is not libtorch $TORCH_VERSION (found: '$(libtorch_version "$LIBTORCH")'); unset it or name the right folder"
            exit 2
        fi
    elif [ -f "$root/target/libtorch" ] && has_libtorch "$(cat "$root/target/libtorch")"; then
        LIBTORCH=$(cat "$root/target/libtorch")
    else
        if ! command -v python3 >/dev/null 2>&1; then
            say "python3 with pip is needed to install libtorch; or set LIBTORCH=/path/to/libtorch"
            exit 2
        fi
        LIBTORCH=$(python_torch)
        if [ -z "$LIBTORCH" ] || ! has_libtorch "$LIBTORCH"; then
            LIBTORCH=$(own_libtorch)
            has_libtorch "$LIBTORCH" || install_libtorch "$(dirname -- "$LIBTORCH")"
        fi
    fi
    mkdir -p "$root/target"
    printf '%s\n' "$LIBTORCH" >"$root/target/libtorch"
    LIBTORCH_CXX11_ABI=1
    export LIBTORCH LIBTORCH_CXX11_ABI
}
