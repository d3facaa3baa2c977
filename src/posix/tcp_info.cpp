#include "posix/tcp_info.hpp"

#include <algorithm>

namespace salut::posix {

namespace {

int linux_state(State state) {
  switch (state) {
    case State::established:
      return 1;
    case State::syn_sent:
      return 2;
    case State::syn_received:
      return 3;
    case State::fin_wait_1:
      return 4;
    case State::fin_wait_2:
      return 5;
    case State::time_wait:  // in Linux another socket, that no program has; this one is closed
    case State::closed:
      return 7;
    case State::close_wait:
      return 8;
    case State::last_ack:
      return 9;
    case State::listen:
      return 10;
    case State::closing:
      return 11;
  }
  return 7;
}

__u8 linux_ca_state(const ConnectionInfo& info) {
  switch (info.phase) {
    case Phase::open:
      return info.sacked > 0 ? TCP_CA_Disorder : TCP_CA_Open;
    case Phase::reduced:
      return TCP_CA_CWR;
    case Phase::recovery:
      return TCP_CA_Recovery;
    case Phase::loss:
      return TCP_CA_Loss;
  }
  return TCP_CA_Open;
}

}  // namespace

tcp_info to_tcp_info(const std::optional<ConnectionInfo>& info) {
  tcp_info to = {};
  to.tcpi_state = 7;
  if (!info) return to;
  const ConnectionInfo& from = *info;
  const std::uint32_t mss = std::max(from.mss, 1u);
  to.tcpi_state = static_cast<__u8>(linux_state(from.state));
  to.tcpi_retransmits = static_cast<__u8>(std::min(from.retransmits, 255u));
  to.tcpi_backoff = static_cast<__u8>(std::min(from.backoff, 255u));
  to.tcpi_ca_state = linux_ca_state(from);
  to.tcpi_total_retrans = from.total_retransmits;
  to.tcpi_rttvar = from.rttvar_us;
  to.tcpi_snd_ssthresh = from.ssthresh == 0 ? 0x7fff'ffff : from.ssthresh / mss;
  to.tcpi_unacked = (from.in_flight + mss - 1) / mss;
  to.tcpi_sacked = from.sacked / mss;
  to.tcpi_lost = (from.lost + mss - 1) / mss;
  to.tcpi_options = static_cast<__u8>(
      (from.timestamps ? TCPI_OPT_TIMESTAMPS : 0) | (from.sack ? TCPI_OPT_SACK : 0) |
      (from.scaling ? TCPI_OPT_WSCALE : 0) | (from.ecn ? TCPI_OPT_ECN : 0));
  to.tcpi_snd_wscale = from.snd_scale & 15u;
  to.tcpi_rcv_wscale = from.rcv_scale & 15u;
  to.tcpi_rto = from.rto_ms * 1000;
  to.tcpi_rtt = from.srtt_us;
  to.tcpi_snd_mss = from.mss;
  to.tcpi_advmss = from.recv_mss;
  to.tcpi_snd_cwnd = from.cwnd / mss;
  to.tcpi_snd_wnd = from.snd_wnd;
  to.tcpi_rcv_space = from.rcv_wnd;
  return to;
}

}  // namespace salut::posix
