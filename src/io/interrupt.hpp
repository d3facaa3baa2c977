// How a sleeping worker learns that a queue has received something.
//
// Threads: the queue's lcore.
#pragma once

namespace salut::io {

class Interrupt {
 public:
  virtual ~Interrupt() = default;
  // Readable from when a frame comes on an armed queue; below 0: this queue has none.
  virtual int fd() const = 0;
  // True if the next frame will make fd() readable; false if one waits already.
  virtual bool arm() = 0;
  virtual void disarm() = 0;
  // The device answers arm() no more, and no frame will make fd() readable: it must be asked.
  virtual bool broken() const { return false; }
};

}  // namespace salut::io
