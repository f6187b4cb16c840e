// SPDX-License-Identifier: BSD-2-Clause
// probe_icmp.cpp: checks that a host answers an echo request (RFC 792, RFC 4443 section 4). Uses a ping socket, which
// the kernel allows for the groups in net.ipv4.ping_group_range (by default none), else a raw socket with a filter for
// the reply. ICMPv6's checksum is the kernel's work.
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>

#include "sys/probe/probe.h"
#include "wire/icmp_header.h"
#include "wire/ipv4_header.h"

namespace rawvs {
namespace {

constexpr size_t kMessage = kIcmpSize + 8;

// Lets in replies only. The filter sees the IPv4 header, too, but no IPv6 header.
bool let_in_replies_only(int fd, Family family, uint16_t id) {
  const bool v4 = family == Family::ipv4;
  const uint32_t reply = v4 ? icmpv4::kEchoReply : icmpv6::kEchoReply;
  sock_filter program[] = {
      v4 ? sock_filter BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0) : sock_filter BPF_STMT(BPF_LDX | BPF_IMM, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),  // x = size of the header; type
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, reply, 0, 3),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, kIcmpIdAt),  // id
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog filter{std::size(program), program};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

class IcmpProbe final : public DatagramProbe {
 public:
  using DatagramProbe::DatagramProbe;
  std::optional<ProbeOutcome> begin() override;

 private:
  std::optional<ProbeOutcome> hear(Bytes message) override;
  bool v4() const { return job_->target.to.addr.is_v4(); }

  bool raw_ = false;
  std::array<uint8_t, kMessage> request_{};
};

std::optional<ProbeOutcome> IcmpProbe::begin() {
  // A ping socket inserts its own id, so the reply is recognised by sequence number and data.
  const uint16_t id = random_number();
  request_[kIcmpTypeAt] = v4() ? icmpv4::kEcho : icmpv6::kEcho;
  store_be16(request_, kIcmpIdAt, id);
  for (size_t at = kIcmpSequenceAt; at < kMessage; at += 2) store_be16(request_, at, random_number());
  if (v4()) store_be16(request_, kIcmpChecksumAt, checksum(request_));
  const int protocol = v4() ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  if (open(SOCK_DGRAM, protocol)) {
    raw_ = true;
    if (auto outcome = open(SOCK_RAW, protocol)) return outcome;
    if (!let_in_replies_only(socket_.get(), job_->target.to.addr.family(), id)) return failed(errno);
  }
  return ask(request_);
}

std::optional<ProbeOutcome> IcmpProbe::hear(Bytes message) {
  if (raw_ && v4()) {  // with the IP header, which the kernel has checked
    const size_t header = message.size() < kIpv4Size ? 0 : Ipv4Header(message).header_size();
    if (message.size() < header) return std::nullopt;
    message = message.subspan(header);
  }
  const uint8_t reply = v4() ? icmpv4::kEchoReply : icmpv6::kEchoReply;
  if (message.size() != kMessage || message[kIcmpTypeAt] != reply || message[kIcmpCodeAt] != 0) return std::nullopt;
  if (raw_ && load_be16(message, kIcmpIdAt) != load_be16(request_, kIcmpIdAt)) return std::nullopt;
  // Compares sequence number and data.
  if (!std::equal(message.begin() + kIcmpSequenceAt, message.end(), request_.begin() + kIcmpSequenceAt))
    return std::nullopt;
  return well("echo reply");
}

}  // namespace

std::unique_ptr<Probe> make_icmp_probe(ProbeJobPtr job) { return std::make_unique<IcmpProbe>(std::move(job)); }

}  // namespace rawvs
