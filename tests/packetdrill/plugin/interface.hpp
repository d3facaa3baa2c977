// What packetdrill and a plug-in of it agree on: one struct of function pointers, filled by the
// exported packetdrill_interface_init(flags, interface).
//
// Every function takes `userdata` first, then the arguments of its namesake, and reports an error
// as -1 with errno set. The order of the members is the binary interface.
//
// netdev_send takes a raw IP packet for the stack; netdev_receive waits for the next one that the
// stack sends and stamps it with the clock that gettimeofday reads. Descriptors must be real ones,
// because packetdrill gives those that are left at the end to libc's close().
//
// A blocking call runs on a second thread, and packetdrill's first thread watches in /proc that it
// sleeps. Right after the call that thread reads gettimeofday: the clock must stand still until
// then (see machine.hpp).
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>

extern "C" {

struct packetdrill_interface {
  void* userdata;
  void (*free)(void*);
  int (*socket)(void*, int domain, int type, int protocol);
  int (*bind)(void*, int fd, const sockaddr* address, socklen_t length);
  int (*listen)(void*, int fd, int backlog);
  int (*accept)(void*, int fd, sockaddr* address, socklen_t* length);
  int (*connect)(void*, int fd, const sockaddr* address, socklen_t length);
  ssize_t (*read)(void*, int fd, void* to, size_t count);
  ssize_t (*readv)(void*, int fd, const iovec* to, int count);
  ssize_t (*recv)(void*, int fd, void* to, size_t count, int flags);
  ssize_t (*recvfrom)(void*, int fd, void* to, size_t count, int flags, sockaddr* address,
                      socklen_t* length);
  ssize_t (*recvmsg)(void*, int fd, msghdr* message, int flags);
  ssize_t (*write)(void*, int fd, const void* from, size_t count);
  ssize_t (*writev)(void*, int fd, const iovec* from, int count);
  ssize_t (*send)(void*, int fd, const void* from, size_t count, int flags);
  ssize_t (*sendto)(void*, int fd, const void* from, size_t count, int flags,
                    const sockaddr* address, socklen_t length);
  ssize_t (*sendmsg)(void*, int fd, const msghdr* message, int flags);
  int (*fcntl)(void*, int fd, int command, ...);
  int (*ioctl)(void*, int fd, unsigned long request, ...);
  int (*close)(void*, int fd);
  int (*shutdown)(void*, int fd, int how);
  int (*getsockopt)(void*, int fd, int level, int name, void* value, socklen_t* length);
  int (*setsockopt)(void*, int fd, int level, int name, const void* value, socklen_t length);
  int (*poll)(void*, pollfd* fds, nfds_t count, int timeout_ms);
  int (*netdev_send)(void*, const void* packet, size_t length);
  int (*netdev_receive)(void*, void* packet, size_t* length, long long* time_us);
  int (*usleep)(void*, useconds_t us);
  int (*gettimeofday)(void*, timeval* now, struct timezone* zone);
  int (*epoll_create)(void*, int size);
  int (*epoll_ctl)(void*, int epoll, int operation, int fd, epoll_event* event);
  int (*epoll_wait)(void*, int epoll, epoll_event* events, int count, int timeout_ms);
  int (*pipe)(void*, int fds[2]);
  int (*splice)(void*, int in, loff_t* in_offset, int out, loff_t* out_offset, size_t count,
                unsigned flags);
};

void packetdrill_interface_init(const char* flags, packetdrill_interface* interface);
}
