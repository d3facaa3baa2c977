#include "tcp/stream_setup.hpp"

#include "tcp/congestion/congestion.hpp"
#include "tcp/rtt.hpp"
#include "tcp/timers.hpp"

namespace salut::tcp {

void take_stream(Context& c, Tcb& tcb) {
  const unsigned backoff = backoff_of(c, tcb);
  tcb.set(Flag::data_ready);
  tcb.send = Chain{};
  tcb.recv = Chain{};
  if (!tcb.has(Flag::timestamps)) tcb.last_ack_sent = tcb.rcv_nxt;  // those know it already
  tcb.snd_wl1 = moved_to(tcb).received;  // a FIN stands behind its SEG.SEQ
  tcb.snd_wl2 = tcb.snd_una;
  c.origins[c.tcbs.index_of(tcb)] = moved_to(tcb);
  tcb.stream = c.streams.acquire();  // as many as TCBs: there is one
  Stream& stream = c.stream(tcb);
  stream.cwnd = initial_cwnd(c.config.initial_window, tcb.mss);
  stream.ssthresh = 0xffffffff;
  stream.small_end = tcb.snd_una;
  stream.max_snd_wnd = tcb.snd_wnd;
  stream.backoff = static_cast<std::uint8_t>(backoff);
  set_controller(stream, c.config.congestion);
  if (c.config.no_delay) stream.set(no_delay);
  if (!tcb.has(Flag::syn_unacked) && tcb.handshake_rtt != 0) {
    rtt_sample(stream, tcb.handshake_rtt);
  }
}

}  // namespace salut::tcp
