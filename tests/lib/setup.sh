# What bench/run and tests/run do before their own work: packages, build, hugepages. Sourced.
#
# Every need has a probe (a command, a header, a pkg-config module, a file), so the question is
# always "is it there?", and the package manager is asked only for what is not. Without apt the
# same probes say what to install by hand; with everything there, nothing here needs root.
#
# Everything is said on standard error: standard output belongs to the caller (bench --json -).
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf 'salut: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 2
}

# One need a line: Debian's package, the kind of probe, and what it looks for.
build_needs='
g++                    command  g++
meson                  command  meson
ninja-build            command  ninja
pkg-config             command  pkg-config
libdpdk-dev            module   libdpdk
libfmt-dev             module   fmt
libboost-dev           header   boost/lockfree/queue.hpp
libcli11-dev           header   CLI/CLI.hpp
libtomlplusplus-dev    header   toml++/toml.h
nlohmann-json3-dev     header   nlohmann/json.hpp
libexpected-dev        header   tl/expected.hpp
libgtest-dev           header   gtest/gtest.h
'

# What the micro-benchmarks compare with and are counted by; the build leaves out, or the tests
# skip, what needs one that is missing.
compare_needs='
libbenchmark-dev       header   benchmark/benchmark.h
libabsl-dev            header   absl/container/flat_hash_map.h
valgrind               command  valgrind
strace                 command  strace
'

# What bench/suite uses; a row whose tool is missing says so.
suite_needs='
python3-minimal        command  python3
iproute2               command  ip
procps                 command  sysctl
dpdk-dev               command  dpdk-testpmd
valgrind               command  valgrind
libjs-chart.js         file     /usr/share/javascript/chart.js/chart.min.js
'

# What tests/tidy checks with.
tidy_needs='
python3-minimal        command  python3
git                    command  git
clang-format-19        command  clang-format-19
binutils               command  nm
'

# What single tests use; a test whose tool is missing is skipped and says so.
fuzz_needs='
clang-19               command  clang++-19
libclang-rt-19-dev     file     /usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.fuzzer-x86_64.a
'
# Without qemu-aarch64 what was built for aarch64 is not run.
cross_needs='
g++-aarch64-linux-gnu  command  aarch64-linux-gnu-g++
qemu-user              command  qemu-aarch64
'
wire_needs='
python3-minimal        command  python3
iproute2               command  ip
iputils-ping           command  ping
ethtool                command  ethtool
curl                   command  curl
netcat-openbsd         command  nc.openbsd
nginx-light            command  nginx
wrk                    command  wrk
frr                    file     /usr/lib/frr/bgpd
tshark                 command  tshark
dpdk-dev               command  dpdk-testpmd
'
guest_needs='
qemu-system-x86        command  qemu-system-x86_64
kmod                   command  depmod
cpio                   command  cpio
xz-utils               command  xz
python3-minimal        command  python3
iproute2               command  ip
ethtool                command  ethtool
procps                 command  sysctl
'

# Names the packages of the list $1 that are missing by their probe.
missing_packages() {
  local package kind what headers='' missing=()
  while read -r package kind what; do
    case $kind in
      command) have_command "$what" || missing+=("$package") ;;
      module) pkg-config --exists "$what" 2>/dev/null || missing+=("$package") ;;
      file) [[ -e $what ]] || missing+=("$package") ;;
      header) headers+="#if !__has_include(<$what>)"$'\n'"missing $package"$'\n''#endif'$'\n' ;;
    esac
  done <<<"$1"
  if [[ -n $headers ]]; then
    mapfile -t -O ${#missing[@]} missing < <(missing_headers "$headers")
  fi
  printf '%s\n' "${missing[@]}"
}

# Daemons and root's tools are often not on a user's PATH.
have_command() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 || -x /sbin/$1 ]]; }

# One run of the preprocessor answers for all headers. Without a compiler all are missing.
missing_headers() {
  if have_command g++; then
    g++ -std=c++20 -E -P -x c++ - <<<"$1" | sed -n 's/^missing //p'
  else
    sed -n 's/^missing //p' <<<"$1"
  fi
}

# Makes sure of the packages of the lists $1 (the build cannot go without) and $2 (single tests
# can). Sets installed=1 if it installed any: meson then has to look again.
installed=0
ensure_packages() {
  local must may
  mapfile -t must < <(missing_packages "$1")
  mapfile -t may < <(missing_packages "$2")
  drop_empty must
  drop_empty may
  if [[ ${#must[@]} -gt 0 || ${#may[@]} -gt 0 ]]; then
    if have_command apt-get && have_command dpkg-query; then
      install_with_apt "$1" "$2"
    else
      say "no apt-get here; not found (Debian's package, and what it gives):"
      say "  $(describe_needs "$1$2" "${must[@]}" "${may[@]}")"
    fi
  fi
  mapfile -t must < <(missing_packages "$1")
  drop_empty must
  [[ ${#must[@]} -eq 0 ]] || die "cannot build without: $(describe_needs "$1" "${must[@]}")"
  require_compiler
}

# mapfile reads an empty answer as one empty line.
drop_empty() {
  local -n list=$1
  [[ ${#list[@]} -eq 1 && -z ${list[0]} ]] && list=()
  return 0
}

# "libfmt-dev (module fmt), …" for the packages $2… of the list $1.
describe_needs() {
  local needs=$1 package kind what text=''
  shift
  while read -r package kind what; do
    [[ " $* " == *" $package "* ]] && text+="${text:+, }$package ($kind $what)"
  done <<<"$needs"
  printf '%s' "$text"
}

require_compiler() {
  local major
  major=$(g++ -dumpversion)
  [[ ${major%%.*} -ge 12 ]] || die "g++ $major is too old: C++20 as used here needs g++ 12 or newer"
}

# Runs a command as root: as it is, or through sudo.
as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

can_be_root() {
  [[ $(id -u) -eq 0 ]] || { have_command sudo && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; }
}

# Two first runs at a time: the second waits here and then finds everything installed.
install_with_apt() {
  local must may missing
  if ! can_be_root; then
    mapfile -t missing < <(missing_packages "$1$2")
    say "missing packages; run once as root, or install: ${missing[*]}"
    return 0
  fi
  (
    flock 8
    mapfile -t must < <(missing_packages "$1")
    mapfile -t may < <(missing_packages "$2")
    drop_empty must
    drop_empty may
    [[ ${#must[@]} -gt 0 || ${#may[@]} -gt 0 ]] || exit 0
    missing=("${must[@]}" "${may[@]}")
    say "installing ${missing[*]}"
    apt_install must may 8<&-
  ) 8</var/lib/dpkg || say "the installation failed"
  installed=1
}

apt_install() {
  local -n apt_must=$1 apt_may=$2
  local package available=()
  trap 'forbid_services off' EXIT
  trap 'exit 130' INT TERM
  apt_quiet update || say "apt-get update failed; trying with the lists that are there"
  forbid_services on
  # A tool that this release of the distribution does not have costs one test, not the run.
  for package in "${apt_may[@]}"; do
    if apt-cache show "$package" >/dev/null 2>&1; then
      available+=("$package")
    else
      say "no package $package in this distribution"
    fi
  done
  if ! apt_quiet install "${apt_must[@]}" "${available[@]}"; then
    [[ ${#apt_must[@]} -eq 0 ]] || apt_quiet install "${apt_must[@]}" || return 1
    for package in "${available[@]}"; do
      apt_quiet install "$package" || say "could not install $package; its tests are skipped"
    done
  fi
}

# What apt prints is of interest only if it fails.
apt_quiet() {
  local action=$1 log='' status=0 try
  shift
  [[ $action == install && $# -eq 0 ]] && return 0
  # The timeout covers dpkg's lock; that of the package lists has none, hence the loop.
  for try in 1 2 3 4 5 6; do
    status=0
    log=$(as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y "$action" \
      --no-install-recommends -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@" \
      2>&1 </dev/null) || status=$?
    [[ $log == *'Could not get lock'* ]] || break
    [[ $try -eq 1 ]] && say "waiting for another apt-get"
    sleep 10
  done
  [[ $status -eq 0 ]] || tail -n 20 <<<"$log" >&2
  return "$status"
}

# Debian starts a daemon (nginx) when it installs it, unless policy-rc.d says no.
policy=/usr/sbin/policy-rc.d
policy_mark='# by salut, during an installation'
forbid_services() {
  if [[ $1 == on && ! -e $policy ]]; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  elif [[ $1 == off && -e $policy ]] && grep -qxF "$policy_mark" "$policy"; then
    as_root rm -f "$policy"
  fi
}

# Configures build directory $1 with meson's options $2… and builds all of it, or only the targets
# in build_targets; build_options adds to meson's. One build at a time in a tree: a second run
# waits.
build_targets=()
build_options=()
build() {
  local dir=$1
  shift
  (
    flock 9
    build_locked "$dir" "$@" 9<&-
  ) 9<"$root/meson.build" || return 1
  hand_over "$dir"
}

build_locked() {
  local dir=$1 log
  shift
  if [[ -e $dir && ! -w $dir ]]; then
    [[ -x $dir/salut ]] || die "$dir is not writable by $(id -un)"
    say "$dir is not writable by $(id -un): running what is built there"
    return 0
  fi
  mkdir -p "$dir"
  log=$dir/setup.log
  [[ -f $dir/build.ninja ]] || say "building in $dir; the first time takes some minutes"
  configure "$dir" "$@" >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    say "meson could not configure $dir"
    return 1
  }
  ninja -C "$dir" "${build_targets[@]}" >"$log" 2>&1 || {
    # The compiler's words, without the lines of what went well.
    sed -n '/^FAILED:/,$p' "$log" | grep -v '^\[[0-9]*/[0-9]*\] ' | tail -n 80 >&2
    say "the build in $dir failed"
    return 1
  }
}

# Without dpkg-dev meson takes Debian for a system with lib64, where neither pkg-config nor the
# loader would look for what `meson install` puts there.
debian_libdir() {
  [[ ! -f /etc/debian_version ]] || printf -- '--libdir=lib/%s' "$(g++ -print-multiarch)"
}

# Meson is asked only if the options changed, or packages did; else ninja knows what to do.
configure() {
  local dir=$1 stamp=$1/.salut-options
  shift
  if [[ ! -f $dir/build.ninja ]]; then
    rm -f "$stamp"
    # shellcheck disable=SC2046  # one word or none
    meson setup "$dir" "$root" $(debian_libdir) "$@" || return 1
  elif [[ $installed -eq 1 ]] || ! has_options "$stamp" "$@"; then
    { meson configure "$dir" "$@" && meson setup --reconfigure "$dir" "$root"; } ||
      meson setup --wipe "$dir" "$root" "$@" || return 1
  else
    return 0
  fi
  printf '%s\n' "$*" >"$stamp"
}

# An option more, from an earlier run, is left on: turning it off would build everything anew.
has_options() {
  local stamp=$1 option
  shift
  [[ -f $stamp ]] || return 1
  for option in "$@"; do
    grep -qwF -e "$option" "$stamp" || return 1
  done
}

# After `sudo tests/run` the tree's owner must still be able to build.
hand_over() {
  local owner
  owner=$(stat -c %u:%g "$root")
  if [[ $(id -u) -eq 0 && $owner != 0:* ]]; then
    chown -R "$owner" "$1"
  fi
}

build_release() { build "$root/build" -Dbuildtype=release "${build_options[@]}"; }
build_fuzzers() { build "$root/build-fuzz" -Dbuildtype=debugoptimized -Db_lundef=false; }
build_sanitized() {
  build "$root/build-sanitize" -Doptimization=1 -Ddebug=true -Db_sanitize=address,undefined \
    -Db_lundef=false "${build_options[@]}"
}

# DPDK runs on ordinary pages, and somewhat faster on huge ones. 2 MiB each; $1 of them, if the
# machine has eight times that to spare.
reserve_hugepages() {
  local want=$1 knob=/proc/sys/vm/nr_hugepages total free available_kb
  if [[ ! -r $knob ]]; then
    say "no hugepages in this kernel; going on without"
    return 0
  fi
  total=$(<"$knob")
  free=$(awk '/^HugePages_Free/ {print $2}' /proc/meminfo)
  available_kb=$(awk '/^MemAvailable/ {print $2}' /proc/meminfo)
  if [[ $free -lt $want ]]; then
    if [[ ! -w $knob || $(id -u) -ne 0 ]]; then
      say "no hugepages reserved, and only root may; going on without"
      return 0
    elif [[ $available_kb -lt $((want * 2048 * 8)) ]]; then
      say "too little memory to set hugepages aside; going on without"
      return 0
    fi
    if ! echo $((total + want - free)) 2>/dev/null >"$knob"; then
      say "hugepages cannot be reserved here; going on without"
      return 0
    fi
    free=$(awk '/^HugePages_Free/ {print $2}' /proc/meminfo)
    say "hugepages of 2 MiB: $free free now (undo: echo $total > $knob)"
  fi
  mount_hugepages
}

mount_hugepages() {
  grep -q ' hugetlbfs ' /proc/mounts && return 0
  [[ $(id -u) -eq 0 ]] || return 0
  { mkdir -p /dev/hugepages && mount -t hugetlbfs hugetlbfs /dev/hugepages; } 2>/dev/null ||
    say "cannot mount hugetlbfs at /dev/hugepages; going on without hugepages"
}
