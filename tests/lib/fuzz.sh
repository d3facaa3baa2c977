#!/usr/bin/env bash
# Builds a libFuzzer target of tests/fuzz with clang (its flags turn the sanitizers on) and runs it.
#
#   tests/lib/fuzz.sh TARGET [SECONDS]      25 by default; parse, engine
set -euo pipefail
# shellcheck source=tests/lib/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

name=$1 seconds=${2:-25} scratch='' fuzzer=''
clean_up() {
  trap '' INT TERM
  if [[ -n $fuzzer ]]; then
    kill -TERM "$fuzzer" 2>/dev/null || true
    wait "$fuzzer" || true
  fi
  [[ -z $scratch ]] || rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
scratch=$(mktemp -d "${TMPDIR:-/tmp}/salut-fuzz.XXXXXX")

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
# shellcheck disable=SC2034
build_targets=("tests/fuzz/fuzz_$name")
build_fuzzers

mkdir -p "$scratch/found"
# The first directory takes what is found, the others are read. Waited for, so that a signal to this
# script is acted on at once.
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$root/build-fuzz/tests/fuzz/fuzz_$name" \
  "-max_total_time=$seconds" -timeout=10 -print_final_stats=1 -max_len=1024 \
  "-artifact_prefix=$scratch/" "$scratch/found" "$root/tests/fuzz/corpus/$name" \
  >"$scratch/log" 2>&1 &
fuzzer=$!
wait "$fuzzer" || {
  fuzzer=''
  tail -n 60 "$scratch/log"
  for input in "$scratch"/{crash,leak,timeout,oom}-*; do
    [[ ! -f $input ]] || {
      cp "$input" "$root/build-fuzz/"
      echo "replay: build-fuzz/tests/fuzz/fuzz_$name build-fuzz/$(basename "$input")"
    }
  done
  exit 1
}
fuzzer=''
grep -E 'number_of_executed_units|DONE' "$scratch/log"
