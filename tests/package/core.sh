#!/usr/bin/env bash
# The protocol alone as a package: configured where no DPDK is found, tested, installed into a clean
# prefix, found by pkg-config, and docs/examples/two_engines.cpp built against it from outside the
# tree and run: it prints what docs/examples/two_engines.txt says.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/salut core.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "FAILED: $*"
  exit 1
}
# The command $2… with its output in $1.log, which is shown if it fails.
step() {
  local name=$1
  shift
  "$@" >"$dir/$name.log" 2>&1 || {
    tail -n 40 "$dir/$name.log"
    fail "$name: $*"
  }
}

# pkg-config finds nothing: neither DPDK nor fmt.
mkdir "$dir/nothing"
PKG_CONFIG_LIBDIR=$dir/nothing step configure meson setup "$dir/build" "$root" -Ddpdk=disabled \
  -Dpacketdrill=false -Doptimization=0 -Ddebug=false --prefix="$dir/prefix" --libdir=lib
step build ninja -C "$dir/build" src/libsalut_core.a src/libsalut_sim.a
if [[ -e /usr/include/gtest/gtest.h ]]; then
  step build-test ninja -C "$dir/build" tests/unit/timer/unit_timer
  step test "$dir/build/tests/unit/timer/unit_timer"
fi
step foreign-symbols "$root/tests/tidy/foreign_symbols" "$dir/build/src/libsalut_core.a"
step install meson install -C "$dir/build" --no-rebuild

# Only what belongs to the protocol.
for header in config runtime salut stack; do
  [[ ! -e $dir/prefix/include/salut/$header.hpp ]] || fail "$header.hpp came along"
done
[[ ! -e $dir/prefix/lib/pkgconfig/salut.pc ]] || fail "salut.pc came along"

# A prefix with a space: pkg-config answers in words that are quoted for a shell.
declare -a flags=()
eval "flags=($(PKG_CONFIG_LIBDIR=$dir/prefix/lib/pkgconfig pkg-config \
  "--define-variable=prefix=${dir// /\\ }/prefix" --cflags --libs salut-core))"
[[ " ${flags[*]} " != *"$root"* ]] || fail "salut-core.pc names the source tree: ${flags[*]}"
mkdir "$dir/outside"
cp "$root/docs/examples/two_engines.cpp" "$dir/outside"
cd "$dir/outside"
step example g++ -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror two_engines.cpp \
  -o two_engines "${flags[@]}"
timeout 20 ./two_engines >printed || fail "two_engines: status $?"
diff "$root/docs/examples/two_engines.txt" printed || fail "two_engines prints something else"

# Every header by itself.
for header in "$dir"/prefix/include/salut/*.hpp; do
  echo "#include <salut/${header##*/}>" >alone.cpp
  step header g++ -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only alone.cpp "${flags[@]}"
done
echo "salut-core: ${#flags[@]} flags: ${flags[*]}"
