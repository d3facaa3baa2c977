# What the scripts of tests/guest share, over tests/wire/lib.sh. Sourced; each script runs alone:
#
#   tests/guest/virtio          status 0 passed, 77 skipped (the last line says why), else failed
#
# QEMU without KVM, since a kernel of Debian does not come up under every KVM; it boots in five
# seconds. The guest has Debian's kernel and the host's files, read-only over 9p: the salut in it is
# the one just built. A directory that both sides write to carries commands in and reports out.
#
# Times in there say nothing: a case asks that packets flow and that nothing is lost, never how
# fast.
# shellcheck shell=bash disable=SC2034

# shellcheck source=tests/wire/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../wire/lib.sh"

# Cards sit on the first bus, from 0000:00:05.0 on.
machine=(-machine q35 -accel "tcg,thread=multi" -cpu max -smp 2 -m 1024)
kernel_words="console=ttyS0 panic=-1 quiet nokaslr mitigations=off no_timer_check"
kernel_words+=" intel_iommu=on tsc=reliable hugepages=160"

begin_guest() {
  local why
  begin qemu-system-x86_64 "$@"
  why=$("$root/tests/guest/kernel.sh") || skip "${why##*$'\n'}"
  new_space
  mkdir "$dir/guest"
}

# A card at 0000:00:0$2.0, on the netdev $3; QEMU's words for it in $1.
card() {
  cards+=(-device "$1,netdev=$3,addr=$2,romfile=")
}

# Boots with all $cards and QEMU's words $@.
boot() {
  cp "$root/tests/guest/inside.sh" "$dir/guest"
  printf 'root=%q\nsalut=%q\n' "$root" "$salut" >"$dir/guest/environment.sh"
  spawn qemu boot_qemu "${cards[@]}" "$@"
  qemu=$spawned
  wait_for 60 booted_or_gone || fail "no boot in 60 s"
  [[ -e $dir/guest/booted ]] || fail "the guest did not boot"
  echo "booted: $(<"$dir/guest/booted")"
}

boot_qemu() {
  # The path of the directory has a space, QEMU's options know commas.
  cd "$dir" && in_space_exec qemu-system-x86_64 "${machine[@]}" \
    -object memory-backend-memfd,id=mem,size=1024M,share=on -machine memory-backend=mem \
    -nodefaults -nographic -no-reboot \
    -kernel "$root/build/guest/kernel" -initrd "$root/build/guest/initrd" \
    -append "$kernel_words" -serial file:console.log \
    -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
    -device virtio-9p-pci,fsdev=root,mount_tag=host,addr=2 \
    -fsdev local,id=dir,path=guest,security_model=none \
    -device virtio-9p-pci,fsdev=dir,mount_tag=shared,addr=3 "$@"
}

booted_or_gone() { [[ -e $dir/guest/booted ]] || gone "$qemu"; }

# Runs a command in the guest (a function of inside.sh, or a program) and says what it said.
inside() {
  local answer
  answer=$(tell "$(printf '%q ' "$@")")
  wait_for 60 answered "$answer.rc" || fail "no answer from the guest in 60 s: $*"
  [[ -e $answer.rc ]] || fail "the guest ended in: $*"
  cat "$answer.out"
  return "$(<"$answer.rc")"
}
# The next command: what is there is counted, since `inside` may stand in a pipe.
tell() {
  local number=1
  while [[ -e $dir/guest/$number.sh ]]; do ((++number)); done
  printf '%s\n' "$1" >"$dir/guest/$number.new"
  mv "$dir/guest/$number.new" "$dir/guest/$number.sh"
  echo "$dir/guest/$number"
}
answered() { [[ -e $1 ]] || gone "$qemu"; }

# `salut serve` in the guest, on a file of config/ or one of $dir/guest, with further flags. What it
# says is in $dir/$1.log; end_serve brings its report, $report.
serve_inside() {
  local name=$1 file=$2
  shift 2
  [[ $file == /* ]] || file=$root/config/$file
  report=$dir/guest/$name.json served_name=$name
  : >"$dir/guest/$name.log"
  ln -s "guest/$name.log" "$dir/$name.log"
  inside start_salut "$name" serve --config "$file" --json "$name.json" "$@"
  wait_for 60 speaks_or_gone "$name" || fail "serve says nothing for 60 s"
  grep -q '^listening on' "$dir/$name.log" || fail "serve does not start in the guest"
}
# That it listens, or why not; how a link is, is neither.
speaks_or_gone() {
  grep -vs ': link ' "$dir/$1.log" | grep -q '^listening on\|^salut: ' || gone "$qemu"
}

# An orderly end of serve: exit status 0 after SIGTERM, every packet buffer back, and the report,
# checked: no socket is left that is not in TIME_WAIT. Arguments are further expressions over it.
end_serve() {
  inside stop_salut || fail "exit status $? of serve in the guest"
  ! grep 'did not come back' "$dir/$served_name.log" || fail "packet buffers are missing"
  check_report "$report" \
    'sum(v for k, v in r["server"]["states"].items() if k != "TIME_WAIT") == 0' "$@"
}

# Shows what is on standard input; one line of it must match.
expect() {
  local text
  text=$(cat)
  printf '%s\n' "$text"
  grep -q -- "$1" <<<"$text" || fail "no line '$1'"
}

# Power off; QEMU must end by itself and well.
shut_down() {
  local status=0
  tell exit >/dev/null
  wait_for 20 gone "$qemu" || fail "the guest does not power off"
  wait "$qemu" || status=$?
  [[ $status -eq 0 ]] || fail "exit status $status of QEMU"
}

# A TAP in $space for a card: its name, how many queues, and the number of its network; the kernel
# is 10.0.NUMBER.1 and fd00:NUMBER::1 on it. Adds QEMU's words to $cards; the card says netdev=NAME.
cards=()
new_tap() {
  local name=$1 queues=${2:-1} net=${3:-0} flags=(vnet_hdr) netdev
  netdev=tap,id=$name,ifname=$name,script=no,downscript=no
  [[ $queues -eq 1 ]] || { flags+=(multi_queue) && netdev+=,queues=$queues; }
  in_space ip tuntap add "$name" mode tap "${flags[@]}"
  in_space ip addr add "10.0.$net.1/24" dev "$name"
  kernel_side_6 "$name" "fd00:$net::1/64"
  in_space ip link set "$name" up
  cards+=(-netdev "$netdev")
}

# The host's kernel opens and closes $2 connections to each of the addresses $3…, with a page of $1
# bytes. None may fail, each answer is compared. $client_flags go to client.py.
kernel_talks() {
  local body=$1 connections=$2 host
  shift 2
  for host; do
    in_space timeout 100 python3 "$root/tests/guest/client.py" "$host" 80 \
      --connections "$connections" --body "$body" "${client_flags[@]}" ||
      fail "connections to $host"
  done
}
client_flags=()

# Packets that the kernel got from the card on a TAP: one for as many segments as came as one.
packets_of_tap() { in_space awk -v "tap=$1:" '$1 == tap {print $3}' /proc/net/dev; }
