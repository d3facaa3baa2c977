#!/usr/bin/env bash
# The library as a package: installed, found by pkg-config alone, built against from outside the
# tree, and run: over a TAP as root, else on a loop port, where it only listens and stops.
# shellcheck source=tests/wire/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../wire/lib.sh"

begin_anywhere
meson install -C "$root/build" --no-rebuild --destdir "$dir/stage" >"$dir/install.log"
pc=$(find "$dir/stage" -name salut.pc)
[[ -n $pc ]] || fail "no salut.pc"
prefix=$(sed -n 's/^prefix=//p' "$pc")
libs=$(dirname "$(find "$dir/stage" -name libsalut.so)")

# As if installed to a prefix in our directory, whose name has a space: pkg-config wants that
# quoted, and answers in words that are quoted for a shell.
package() {
  PKG_CONFIG_PATH=$(dirname "$pc") \
    pkg-config "--define-variable=prefix=${dir// /\\ }/stage$prefix" "$@" salut
}
declare -a flags=()
eval "flags=($(package --cflags --libs))"
[[ " ${flags[*]} " != *"$root"* ]] || fail "salut.pc names the source tree: ${flags[*]}"
mkdir "$dir/outside"
cp "$root/tests/package/echo.cpp" "$dir/outside"
(cd "$dir/outside" && g++ -std=c++20 -Wall -Wextra -Werror echo.cpp -o echo "${flags[@]}") ||
  fail "the example does not build with: ${flags[*]}"
export LD_LIBRARY_PATH=$libs
echo_server=$dir/outside/echo

if [[ $(id -u) -eq 0 && -c /dev/net/tun ]]; then
  new_space
  configuration echo 'type = "tap"' 'interface = "techo"' 'addresses = ["10.0.0.2/24"]' \
    >"$dir/echo.toml"
  spawn echo in_space_exec "$echo_server" "$dir/echo.toml"
  served=$spawned
  wait_for_line echo "$served" ready
  kernel_side techo 10.0.0.1/24
  answer=$(in_space bash -c 'exec 3<>/dev/tcp/10.0.0.2/7; echo hello >&3; head -n 1 <&3')
  [[ $answer == hello ]] || fail "the echo is '$answer'"
else
  configuration echo 'type = "loop"' 'peer = "wire"' 'addresses = ["10.0.0.2/24"]' \
    >"$dir/echo.toml"
  spawn echo "$echo_server" "$dir/echo.toml"
  served=$spawned
  wait_for_line echo "$served" ready
fi
stop "$served"
