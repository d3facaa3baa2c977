#!/bin/sh
# The first process of the guest, from the initramfs: the host's files as root, read-only, with
# filesystems of the guest's own where something is written; then inside.sh, and power off.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod "$module"; done
words=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "$words",ro,cache=loose host /host || reboot -f
mount -t proc proc /host/proc
mount -t sysfs sys /host/sys
mount --move /dev /host/dev
mount -t tmpfs run /host/run
mkdir -p /host/dev/hugepages /host/run/guest
mount -t hugetlbfs huge /host/dev/hugepages
# The one directory that both sides write to.
mount -t 9p -o "$words",cache=none shared /host/run/guest || reboot -f
HOME=/run PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C chroot /host /bin/bash /run/guest/inside.sh
reboot -f
