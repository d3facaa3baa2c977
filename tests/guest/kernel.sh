#!/usr/bin/env bash
# What the guest boots: Debian's kernel and a small initramfs, made once, in build/guest.
#
#   tests/guest/kernel.sh       status 0: build/guest/kernel and build/guest/initrd are there
#                               status 77: they cannot be had; the last line says why
#
# The packages of kernel and busybox are fetched with apt-get and unpacked, never installed: no boot
# loader of this machine hears of it. The initramfs holds busybox, the modules that the guest needs
# and init.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/tests/guest
target=$root/build/guest
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C

# 9p for the host's files; the drivers that give a card to a program.
modules=(virtio_pci 9pnet_virtio 9p uio_pci_generic vfio_pci vfio_iommu_type1)

skip() {
  echo "$*"
  exit 77
}

main() {
  local tool
  for tool in cpio depmod modprobe xz; do
    command -v "$tool" >/dev/null || skip "needs $tool"
  done
  mkdir -p "$target"
  exec 9>"$target/lock"
  flock 9
  scratch=$(mktemp -d "$target/unpacked.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  if [[ ! -s $target/kernel || ! -s $target/parts.tar ]]; then
    fetch
    take_kernel
    take_parts
  fi
  make_initrd
}

fetch() {
  local package
  command -v apt-get >/dev/null || skip "needs apt-get to fetch a kernel"
  package=$(kernel_package)
  [[ -n $package ]] || { apt-get -qq update >/dev/null 2>&1 && package=$(kernel_package); } || true
  [[ -n $package ]] || skip "needs Debian's package linux-image-amd64"
  for package in "$package" busybox-static; do
    (cd "$scratch" && apt-get -q -o APT::Sandbox::User=root download "$package" >apt.log 2>&1) ||
      skip "cannot fetch $package: $(tail -n 1 "$scratch/apt.log")"
    dpkg-deb -x "$scratch/$package"_*.deb "$scratch/tree"
  done
  version=$(basename "$scratch"/tree/lib/modules/*)
}

# What linux-image-amd64 stands for today.
kernel_package() {
  apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends:/ {print $2; exit}'
}

# The ELF file in the image boots at once. The image itself would unpack it with seven seconds of
# emulated xz; it is what is left if the kernel is packed in another way.
take_kernel() {
  local image at
  image=$(echo "$scratch"/tree/boot/vmlinuz-*)
  at=$(grep -aboP -m 1 '\xfd7zXZ\x00' "$image" | head -n 1 | cut -d: -f1)
  # What follows the compressed part is not xz, which xz says after it has done its work.
  [[ -z $at ]] || tail -c "+$((at + 1))" "$image" | xz -dc >"$scratch/kernel" 2>/dev/null || true
  [[ $(head -c 4 "$scratch/kernel" 2>/dev/null) == $'\x7fELF' ]] || cp "$image" "$scratch/kernel"
}

# Busybox, and the modules, numbered in the order in which they go in.
take_parts() {
  local module file number=100
  depmod -b "$scratch/tree" "$version"
  mkdir -p "$scratch"/parts/{bin,modules}
  cp "$scratch/tree/bin/busybox" "$scratch/parts/bin"
  for module in "${modules[@]}"; do
    modprobe -d "$scratch/tree" -S "$version" --show-depends "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' >"$scratch/order"
  while read -r file; do
    cp "$file" "$scratch/parts/modules/$((number++))-$(basename "$file")"
  done <"$scratch/order"
  tar -C "$scratch/parts" -cf "$scratch/parts.tar" .
  mv "$scratch/kernel" "$scratch/parts.tar" "$target"
}

make_initrd() {
  local tree=$scratch/initrd tool
  [[ ! $target/initrd -nt $here/init.sh || ! $target/initrd -nt $target/parts.tar ]] || return 0
  mkdir -p "$tree"/{proc,sys,dev,host}
  tar -C "$tree" -xf "$target/parts.tar"
  for tool in sh mount mkdir insmod echo chroot reboot; do ln -s busybox "$tree/bin/$tool"; done
  install -m 755 "$here/init.sh" "$tree/init"
  (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$scratch/initrd.gz"
  mv "$scratch/initrd.gz" "$target/initrd"
}

main
