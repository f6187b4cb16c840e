// SPDX-License-Identifier: BSD-2-Clause
// link_socket.h: common to the back ends ring and socket: an AF_PACKET socket on one interface, its filter, batched
// sending with offload facts (PACKET_VNET_HDR), counters.
// Not: receiving, which differs (packet_socket.h, plain_socket.h).
//
// packet(7).
#pragma once

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <array>

#include "side/capture_filter.h"
#include "sys/io/bare_link.h"
#include "sys/io/frame_io.h"
#include "sys/io/vnet_header.h"
#include "sys/net/solicited_nodes.h"

namespace rawvs {

class LinkSocket : public FrameIo {
 public:
  ~LinkSocket() override;
  int fd() const final { return fd_; }
  std::string remark() const override;
  Result<Done> watch(const Watch& watch, std::span<const Mac> own) final;
  Result<Done> widen(const Watch& watch, std::span<const Mac> own) final;
  bool filter_is_wide() const final { return wide_; }
  bool leaves_out_fast() const final { return leaves_out_fast_; }
  std::string fast_problem() const final { return fast_problem_; }
  Missing missing() const final { return {groups_.missing(), groups_problem_}; }
  void send(std::span<const Frame> frames) final;
  LinkCounters counters() final;
  bool take_error() final;

  // Compiles a pcap expression (Ethernet) and attaches it. Nothing is received before the first call. An expression
  // whose program is too long for the kernel is replaced by "ip or arp".
  Result<Done> set_filter(const std::string& expression);
  Result<Done> set_filter(std::span<const sock_filter> program);  // for filters that pcap cannot express

 protected:
  explicit LinkSocket(const Options& options) : options_(options), header_(options.ethernet ? 0 : kEthernetSize) {}
  Error error(std::string_view what) const;  // with the text of errno
  Result<Done> make();                       // opens the socket; nothing arrives yet
  Result<Done> bind_to_interface();          // frames that pass the filter arrive from now on
  bool carry_offloads(bool on);              // PACKET_VNET_HDR
  template <class T>
  bool set_option(int level, int option, const T& value) {
    return setsockopt(fd_, level, option, &value, sizeof value) == 0;
  }

  const Options options_;
  const uint32_t header_;  // bytes of the Ethernet header that frames get here
  LinkCounters counters_{};
  uint32_t vnet_size_ = 0;   // bytes before each frame; 0: this kernel does not pass offload facts
  bool error_seen_ = false;  // the kernel reports a pending error once, to the first call

 private:
  static constexpr size_t kBatch = 64;  // frames per sendmmsg(); more gains nothing measurable
  size_t gather(std::span<const Frame> frames);
  void flush(size_t count);
  bool listen_to(Mac mac, bool wanted);
  bool attach(std::span<const sock_filter> program);
  Result<Done> listen_to_others(std::span<const Mac> wanted);

  int fd_ = -1;
  bool wide_ = false;
  bool leaves_out_fast_ = false;
  std::string fast_problem_{};
  CaptureSets let_in_{};  // by the attached filter; everything if it is wide
  std::string expression_{};
  void listen_to_groups(const std::vector<Ip>& vips);
  std::unique_ptr<BareSender> bare_{};  // of a link without Ethernet
  SolicitedNodes groups_;
  int groups_problem_ = 0;   // an errno: groups are missing
  bool all_groups_ = false;  // the card passes all multicast frames
  std::vector<Mac> more_{};  // MAC addresses that the interface accepts besides its own
  std::array<VnetHeader, kBatch> headers_{};
  std::array<std::array<iovec, 2>, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
};

}  // namespace rawvs
