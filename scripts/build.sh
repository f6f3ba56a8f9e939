# Builds mosa and shows that it goes on; sourced by ./mosa.

# Seconds between two lines where cargo itself is not to be seen.
PULSE=20

# What cargo does: the first time on a terminal as cargo shows it, else a line every some seconds. Nothing if there is
# nothing to build.
build() {
    root=$1
    begun=$(date +%s)
    log="$root/target/build.log"
    if [ -x "$root/target/release/mosa" ]; then
        in_silence
    else
        say "building mosa (once, a few minutes): first what it is made of, with 800 kB of C++ between it and libtorch, then mosa itself"
        ! lacks_cuda || say "an NVIDIA GPU is here, but not the libraries libtorch needs for it; to install them (2 GB): $root/scripts/cuda-libraries"
        if [ -t 2 ]; then compile >&2; else in_silence; fi
        say "built in $(($(date +%s) - begun)) seconds"
    fi
}

compile() {
    cargo build --release --locked --manifest-path "$root/Cargo.toml" --bin mosa "$@"
}

# Builds with its output in a log, which is shown if the build fails.
in_silence() {
    compile --color never 2>"$log" &
    compiling=$!
    trap 'kill "$compiling" 2>/dev/null; exit 130' INT TERM
    watch_build &
    watching=$!
    result=0
    wait "$compiling" || result=$?
    trap - INT TERM
    kill "$watching" 2>/dev/null || true
    wait "$watching" 2>/dev/null || true
    [ "$result" -eq 0 ] || { cat "$log" >&2; exit "$result"; }
}

# Says every some seconds how far the build is.
watch_build() {
    waited=0
    while sleep 1 && kill -0 "$compiling" 2>/dev/null; do
        waited=$((waited + 1))
        [ $((waited % PULSE)) -eq 0 ] || continue
        last=$(grep -E 'Compiling|Download|Updating' "$log" | tail -n 1 | sed 's/^ *//; s/ (.*//')
        say "still building after $(($(date +%s) - begun)) seconds: ${last:-starting} ($(grep -c Compiling "$log") crates so far)"
    done
}
