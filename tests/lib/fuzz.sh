#!/usr/bin/env bash
# Builds the libFuzzer targets of tests/fuzz with clang (their flags turn the sanitizers on) and
# runs each briefly.
#
#   tests/lib/fuzz.sh [SECONDS]      25 by default, for each target
set -euo pipefail
# shellcheck source=tests/lib/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

seconds=${1:-25}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/salut-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

has_libfuzzer() {
  "$1" -fsanitize=fuzzer,address -x c++ - -o "$scratch/probe" 2>/dev/null <<'PROBE'
#include <cstddef>
extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, std::size_t) { return 0; }
PROBE
}

for clang in clang++-19 clang++-18 clang++-17 clang++-16 clang++ none; do
  ! { have_command "$clang" && has_libfuzzer "$clang"; } || break
done
if [[ $clang == none ]]; then
  echo "needs clang with libFuzzer"
  exit 77
fi

export CXX=$clang
# shellcheck disable=SC2034  # read by build()
build_targets=(build.ninja)
build_fuzzers
mapfile -t targets < <(ninja -C "$root/build-fuzz" -t targets all |
  sed -n 's|^\(tests/fuzz/fuzz_[a-z_]*\): cpp_LINKER.*|\1|p' | grep -v replay)
[[ ${#targets[@]} -gt 0 ]] || { echo "no target in tests/fuzz" && exit 1; }
# shellcheck disable=SC2034
build_targets=("${targets[@]}")
build_fuzzers

for target in "${targets[@]}"; do
  name=${target##*/fuzz_}
  seeds=()
  [[ ! -d $root/tests/fuzz/corpus/$name ]] || seeds=("$root/tests/fuzz/corpus/$name")
  mkdir -p "$scratch/$name"
  # The first directory takes what is found, the others are read.
  UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$root/build-fuzz/$target" \
    "-max_total_time=$seconds" -timeout=10 -print_final_stats=1 \
    "-artifact_prefix=$scratch/" "$scratch/$name" "${seeds[@]}" >"$scratch/log" 2>&1 || {
    tail -n 60 "$scratch/log"
    exit 1
  }
  grep -E 'number_of_executed_units|DONE' "$scratch/log"
done
