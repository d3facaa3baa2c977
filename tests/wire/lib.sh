# What the scripts of tests/wire share. Sourced; each script runs alone:
#
#   tests/wire/ping            status 0 passed, 77 skipped (the last line says why), else failed
#
# Every script works in network namespaces and a directory of its own and takes away both, and
# every process that it started, however it ends. The directory's name has a space on purpose.
# shellcheck shell=bash

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
salut=${SALUT:-$root/build/salut}
PATH=$PATH:/usr/sbin:/sbin  # ip, ethtool and nginx, when root came by su
export LC_ALL=C

skip() {
  echo "$*"
  exit 77
}

fail() {
  echo "FAILED: $*"
  exit 1
}

# Root, /dev/net/tun, and what begin_anywhere does.
begin() {
  [[ $(id -u) -eq 0 ]] || skip "needs root"
  [[ -c /dev/net/tun ]] || skip "needs /dev/net/tun"
  begin_anywhere ip "$@"
}

# The tools named, the program, a directory, and the trap that cleans up.
dir='' tag='' spaces=() processes=()
begin_anywhere() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || skip "needs $tool"
  done
  [[ -x $salut ]] || fail "no program $salut: build it first"
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  dir=$(mktemp -d "${TMPDIR:-/tmp}/salut wire.XXXXXX")
  # Unique among all runs of this moment: in names of instances, namespaces and file prefixes.
  tag=${dir##*.}
  tag=${tag,,}$$
}

clean_up() {
  local status=$? pid log
  trap '' INT TERM
  set +e
  [[ -n $dir ]] || exit "$status"
  for pid in "${processes[@]}"; do kill -TERM "$pid" 2>/dev/null; done
  for pid in "${processes[@]}"; do wait_for 5 gone "$pid" || kill -KILL "$pid" 2>/dev/null; done
  [[ ${#spaces[@]} -eq 0 ]] || kill_stragglers
  if [[ $status -ne 0 && $status -ne 77 ]]; then
    for log in "$dir"/*.log; do
      [[ ! -s $log ]] || { echo "-- ${log##*/}:" && tail -n 40 "$log"; }
    done
  fi
  rm -rf "$dir" ${short:+"$short"}
  [[ -z $tag ]] || rm -rf {/var/run,/tmp,"${XDG_RUNTIME_DIR:-/tmp}"}/dpdk/"$tag-"*
  [[ -z $tag ]] || rm -f /run/salut/"$tag-"*.key "${XDG_RUNTIME_DIR:-/tmp}/salut-$tag-"*.key
  exit "$status"
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# Polls until the command succeeds; fails after $1 seconds.
wait_for() {
  local deadline=$((SECONDS + $1 + 1))
  shift
  until "$@"; do
    [[ $SECONDS -lt $deadline ]] || return 1
    sleep 0.05
  done
}

# A network namespace of our own, which $space names by the process that holds it open: it is gone
# when the last process in it is. (`ip netns` would want to mount things, and a chroot may not.)
new_space() {
  spawn "space-${#spaces[@]}" unshare --net sleep infinity
  space=$spawned
  wait_for 5 in_own_space "$space" ||
    skip "needs network namespaces: $(<"$dir/space-${#spaces[@]}.log")"
  spaces+=("$(readlink "/proc/$space/ns/net")")
  in_space ip link set lo up
  # Router solicitations are of no interest here.
  in_space sysctl -qw net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true
}

in_own_space() {
  local its
  its=$(readlink "/proc/$1/ns/net") && [[ $its != "$(readlink /proc/self/ns/net)" ]]
}

in_space() { nsenter "--net=/proc/$space/ns/net" "$@"; }

# Whoever is left in one of our namespaces, a worker of nginx perhaps.
kill_stragglers() {
  local process
  for process in /proc/[0-9]*; do
    [[ " ${spaces[*]} " != *" $(readlink "$process/ns/net" 2>/dev/null) "* ]] ||
      kill -KILL "${process#/proc/}" 2>/dev/null
  done
}

# Starts a program with its output in $dir/NAME.log; its id comes back in $spawned.
spawn() {
  local name=$1
  shift
  : >"$dir/$name.log"
  "$@" >"$dir/$name.log" 2>&1 </dev/null &
  spawned=$!
  processes+=("$spawned")
}

# Waits until the log of process $2 has a line that matches $3.
wait_for_line() {
  local name=$1 pid=$2 pattern=$3
  wait_for 20 line_or_gone "$name" "$pid" "$pattern" || fail "$name: no '$pattern' in 20 s"
  grep -q -- "$pattern" "$dir/$name.log" || fail "$name ended before it was ready"
}

line_or_gone() { grep -q -- "$3" "$dir/$1.log" || gone "$2"; }

# The configuration of an instance, on standard output, with one port. The port's lines are $2….
configuration() {
  printf 'name = "%s-%s"\n' "$tag" "$1"
  shift
  # Small, so that several instances fit a small machine.
  printf '[memory]\nmbufs = 8192\n[stack]\nconnections = 16384\n'
  printf '%s\n' "${stack_lines[@]}" '[[port]]' 'name = "wire"' "$@"
}
stack_lines=()

# `salut serve` with a TAP in $space: the stack is 10.0.0.2, the kernel 10.0.0.1, and with
# both_families=1 also fd00::2 and fd00::1. $1 names the instance, the rest goes to serve. Its id
# comes back in $served.
serve_on_tap() {
  local name=$1 addresses='"10.0.0.2/24"'
  shift
  [[ $both_families -eq 0 ]] || addresses+=', "fd00::2/64"'
  configuration "$name" 'type = "tap"' "interface = \"t$name\"" "addresses = [$addresses]" \
    >"$dir/$name.toml"
  spawn "$name" in_space_exec "$salut" serve --config "$dir/$name.toml" "$@"
  served=$spawned
  wait_for_line "$name" "$served" '^listening on'
  kernel_side "t$name" 10.0.0.1/24
  [[ $both_families -eq 0 ]] || kernel_side_6 "t$name" fd00::1/64
}
both_families=0

# Runs the Python on standard input in $space: a story of a puppet (tests/puppet) at the stack's end
# of the TAP t$1, whose port has the lines $2… too. At hand: all of driver.py; start() makes the
# Puppet once it is called, with the kernel's end of the TAP up; here, the directory; tap, the name.
puppet=$root/build/tests/puppet/puppet
puppet_story() {
  local name=$1
  shift
  [[ -x $puppet ]] || fail "no program $puppet: build it first"
  configuration "$name" 'type = "tap"' "interface = \"t$name\"" \
    'addresses = ["10.0.0.2/24", "fd00::2/64"]' "$@" >"$dir/$name.toml"
  {
    printf 'from driver import *\n'
    printf 'here, tap = "%s", "%s"\n' "$dir" "t$name"
    printf 'def start():\n    puppet = Puppet("%s", "%s")\n' "$puppet" "$dir/$name.toml"
    printf '    run("bash", "-c", os.environ["KERNEL_SIDE"])\n    return puppet\n'
    cat
  } >"$dir/$name.py"
  # What kernel_side does, from inside the namespace.
  KERNEL_SIDE="set -e
    ip addr add 10.0.0.1/24 dev t$name && ip link set t$name up
    ethtool -K t$name tx off rx off gro off gso off tso off >/dev/null 2>&1 || true
    sysctl -qw net.ipv6.conf.t$name.router_solicitations=0 net.ipv6.conf.t$name.disable_ipv6=0
    ip -6 addr add fd00::1/64 dev t$name nodad" \
    PYTHONPATH="$root/tests/puppet:${PYTHONPATH-}" PYTHONDONTWRITEBYTECODE=1 \
    in_space timeout "${patience:-120}" python3 "$dir/$name.py" >"$dir/$name.log" 2>&1 ||
    fail "$name: see its log"
}

# exec, so that the id is that of the program itself and a signal reaches it.
in_space_exec() { exec nsenter "--net=/proc/$space/ns/net" "$@"; }

# The kernel's end of a TAP. Offload off: the kernel then writes whole checksums, and what a
# capture shows is what was on the wire.
kernel_side() {
  in_space ip addr add "$2" dev "$1"
  in_space ip link set "$1" up
  in_space ethtool -K "$1" tx off rx off gro off gso off tso off >/dev/null 2>&1 || true
}

# The kernel's IPv6 address, there at once. Skips the test where the kernel has no IPv6.
kernel_side_6() {
  in_space sysctl -qw "net.ipv6.conf.$1.router_solicitations=0" \
    "net.ipv6.conf.$1.disable_ipv6=0" 2>/dev/null || skip "needs IPv6 in the kernel"
  in_space ip -6 addr add "$2" dev "$1" nodad || skip "needs IPv6 in the kernel"
}

# SIGTERM, and then: exit 0, soon.
stop() {
  local pid=$1 status=0
  kill -TERM "$pid"
  wait_for "${2:-10}" gone "$pid" || fail "still running ${2:-10} s after SIGTERM"
  wait "$pid" || status=$?
  [[ $status -eq 0 ]] || fail "exit status $status after SIGTERM"
}

# Checks a report of `salut bench`: each argument is an expression over the JSON, as r.
check_report() {
  local file=$1
  shift
  python3 - "$file" "$@" <<'PYTHON' || fail "the report is not as it must be"
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    r = json.load(file)
names = {"r": r, "sum": sum, "all": all, "set": set, "min": min}
wrong = [text for text in sys.argv[2:] if not eval(text, names)]
for text in wrong:
    print("not so:", text)
if wrong:
    print(json.dumps(r, indent=1))
sys.exit(1 if wrong else 0)
PYTHON
}

# A report of `salut bench --reflect` whose $2 connections all took the simultaneous way.
check_reflected() {
  local entered='r["client"]["states_entered"]'
  check_report "$1" "r['connections']['closed'] == $2" \
    'sum(r["connections"]["failed"].values()) == 0' \
    "all(${entered}[s] == $2 for s in ('SYN_SENT', 'SYN_RECEIVED', 'ESTABLISHED'))" \
    "all(${entered}[s] == $2 for s in ('CLOSING', 'TIME_WAIT'))" \
    "all(${entered}[s] == 0 for s in ('LISTEN', 'FIN_WAIT_2', 'CLOSE_WAIT', 'LAST_ACK'))"
}

# The configuration config/$1.toml as it is, but for its name and its paths and interfaces: each
# socket /tmp/salut-… is $2 in the working directory, and then $3….
shipped() {
  local file=$root/config/$1.toml socket text
  text=$(sed "s/^name = \"$1\"/name = \"$tag-$1\"/" "$file")
  shift
  # shellcheck disable=SC2013  # words
  for socket in $(grep -o '/tmp/salut-[a-z0-9.-]*' <<<"$(grep -v '^#' <<<"$text")" | sort -u); do
    text=${text//"$socket"/${1:-${socket##*/}}}
    shift || true
  done
  # Small, so that several instances fit a small machine.
  # shellcheck disable=SC2001  # of each line
  sed 's/^time_wait = .*/time_wait = 262144/' <<<"$text"
  grep -q '^\[memory\]' <<<"$text" || printf '[memory]\nmbufs = 8192\n'
}

# A directory in $short whose name has no space: memif wants whole paths, and a socket's may not be
# long.
short=''
short_directory() { short=$(mktemp -d "${TMPDIR:-/tmp}/salut-wire.XXXXXX"); }

# The configurations $1 and $2 on one socket. The server is killed under load and comes back, then
# the client: who is left lives on, says that the link went and came, and opens new connections; no
# more than those that were open fail, and no driver loses packet buffers.
peers_of() {
  short_directory
  shipped "$1" "$short/socket" >"$dir/server.toml"
  shipped "$2" "$short/socket" >"$dir/client.toml"
  serve_peer
  load_peer 8 one.json
  wait_for 20 under_load || fail "no load"
  kill -KILL "$served"
  wait_for 5 gone "$served" || fail "the server does not die"
  wait_for_line client "$bench" 'port wire: link down'
  serve_peer
  wait_for 10 back_at_work || fail "the client opens nothing after its server came back"
  end_of_load
  check_report "$dir/one.json" 'r["connections"]["closed"] > 1000' \
    'sum(r["connections"]["failed"].values()) <= 64' 'r["links"]["wire"]["downs"] == 1'

  load_peer 10 two.json
  wait_for 20 under_load || fail "no load"
  kill -KILL "$bench"
  wait_for 5 gone "$bench" || fail "the client does not die"
  load_peer 2 three.json
  end_of_load
  check_report "$dir/three.json" 'r["connections"]["closed"] > 1000' \
    'sum(r["connections"]["failed"].values()) <= 64'
  grep -q 'port wire: link down' "$dir/server.log" || fail "the server did not say so"
  stop "$served"
  ! grep -q 'did not come back' "$dir"/{client,server}.log || fail "packet buffers were lost"
}
serve_peer() {
  spawn server here_exec "$salut" serve --config server.toml --app load
  served=$spawned
  wait_for 20 test -S "$short/socket" || fail "no socket"
}
load_peer() {
  spawn client here_exec "$salut" bench --config client.toml --connect 10.0.0.1:80 \
    --concurrency 64 --msl 0.5 --duration "$1" --json "$2"
  bench=$spawned
}
end_of_load() {
  wait_for 40 gone "$bench" || fail "bench does not end"
  wait "$bench" || fail "bench: exit status $?"
}
under_load() { grep -q ' [1-9][0-9,]* CPS' "$dir/client.log"; }
# A line with connections after the link came up.
back_at_work() {
  sed -n '/link down/,$p' "$dir/client.log" | sed -n '/link up/,$p' | grep -q ' [1-9][0-9,]* CPS'
}

# Runs a program in $dir: the paths of sockets are short there, and need no quoting for DPDK.
# The second is for spawn: exec, in the process that spawn made.
here() { (cd "$dir" && exec "$@"); }
here_exec() { cd "$dir" && exec "$@"; }

# The last core that we may use: not the one that a worker chooses, if there are two.
last_core() { sed -n 's/^Cpus_allowed_list:.*[^0-9]\([0-9]*\)$/\1/p' /proc/self/status; }

# testpmd in $testpmd_mode with a vhost port on each of the sockets $2… in $dir. $1: paired or loop.
# With vhost_role=,client=1 it looks for the sockets, which others make.
# Interactive or not it reads standard input and ends at its end: it gets a pipe that stays open.
testpmd_mode=io vhost_role=''
testpmds=0
start_testpmd() {
  local topology=$1 vdevs=() socket core held
  shift
  for socket in "$@"; do
    vdevs+=(--vdev "net_vhost$((${#vdevs[@]} / 2)),iface=$socket$vhost_role,queues=1")
  done
  core=$(last_core)
  testpmds=$((testpmds + 1))
  mkfifo "$dir/held-$testpmds"
  exec {held}<>"$dir/held-$testpmds"
  spawn "testpmd-$testpmds" testpmd_held "$held" --lcores "0@$core,1@$core" --no-pci \
    "--file-prefix=$tag-testpmd-$testpmds" --no-huge -m 192 "${vdevs[@]}" -- \
    "--forward-mode=$testpmd_mode" --auto-start "--port-topology=$topology" --total-num-mbufs=8192
  [[ -z $vhost_role ]] || return 0
  for socket in "$@"; do
    wait_for 20 test -S "$dir/$socket" || fail "testpmd made no socket $socket"
  done
}
testpmd_held() {
  local held=$1
  shift
  here_exec dpdk-testpmd "$@" <&"$held"
}

no_interface() { ! in_space ip link show dev "$1" >/dev/null 2>&1; }

# What an instance could leave behind on the machine: files of its run, hugepage files, sockets in
# our directory, interfaces in our namespace. Others run here too: only what bears our tag counts.
# The key of its ISNs is for its next start, and stays.
leftovers() {
  { find /dev/hugepages /var/run/dpdk /run /tmp -maxdepth 3 -xdev -name "*$tag*" \
    ! -name "*.key" ! -path "$dir" ! -path "$dir/*" 2>/dev/null || true; } | sort
  find "$dir" -type s
  [[ ${#spaces[@]} -eq 0 ]] || in_space ip -o link show | sed -n 's/^[0-9]*: \([^:@]*\).*/\1/p' |
    grep -vx lo || true
}
leftovers_before() { leftovers >"$dir/before"; }
no_leftovers() { diff "$dir/before" <(leftovers) || fail "something was left behind"; }
