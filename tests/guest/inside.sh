# Runs inside the guest: does what the host writes into the shared directory, one file after the
# other, in this one shell, so that a program which one of them started is a child of the next.
#
#   N.sh   from the host: what to do           N.out, N.rc   to the host: what it said, its status
#
# The functions are the guest's half of guest.sh. $root and $salut come with environment.sh.
# shellcheck shell=bash disable=SC2154
cd /run/guest || exit
# shellcheck source=/dev/null
. ./environment.sh

# Gives cards to the driver $1; says what each is, and which driver it has then.
bind_cards() {
  local driver=$1 card device
  shift
  for card; do
    device=/sys/bus/pci/devices/$card
    [[ ! -e $device/driver ]] || echo "$card" >"$device/driver/unbind"
    echo "$driver" >"$device/driver_override"
    echo "$card" >/sys/bus/pci/drivers_probe
    echo "$card $(<"$device/vendor"):$(<"$device/device")" \
      "$(basename "$(readlink "$device/driver")")"
  done
}

# To its end, which is soon where something is wrong.
run_salut() { timeout 30 "$salut" "$@"; }

# salut in the background, its words in NAME.log; $started is its id.
start_salut() {
  local name=$1
  shift
  "$salut" "$@" >"$name.log" 2>&1 </dev/null &
  started=$!
}

# SIGTERM, and its exit status within ten seconds.
stop_salut() {
  local left
  kill -TERM "$started"
  for left in {100..0}; do
    kill -0 "$started" 2>/dev/null || break
    sleep 0.1
  done
  [[ $left -gt 0 ]] || { echo 'still running 10 s after SIGTERM' && kill -KILL "$started"; }
  wait "$started"
}

cp /proc/uptime booted.new && mv booted.new booted
for ((n = 1; ; ++n)); do
  until [[ -e $n.sh ]]; do sleep 0.1; done
  # shellcheck source=/dev/null
  . "./$n.sh" >"$n.out" 2>&1
  echo $? >"$n.rc.new" && mv "$n.rc.new" "$n.rc"
done
