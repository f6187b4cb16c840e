// SPDX-License-Identifier: BSD-2-Clause
// guard_bpf.h: the guard's eBPF program, its map of addresses, the keys of the map of flows.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "core/outbox.h"
#include "sys/guard/bpf.h"

namespace rawvs {

// What the program does for an address.
enum class Guarded : uint32_t {
  vip = 1,         // packets to it, ARP requests and solicitations for it are dropped
  nat_server = 2,  // fragments from it are dropped,
  host = 3         // unless they are sent to this address of the host
};
// Packets to this port of the address are dropped: a service's, at an address of the host.
constexpr Guarded guarded_port(Protocol protocol, uint16_t port) {
  return static_cast<Guarded>(static_cast<uint32_t>(protocol) << 16 | port);
}

// A key of the map of flows: addresses and ports as on the wire, in the order of a reply.
struct ReplyKey {
  std::array<uint8_t, 4> server{}, client{};
  std::array<uint8_t, 2> server_port{}, client_port{};
  uint32_t protocol = 0;
};
static_assert(sizeof(ReplyKey) == 16);
ReplyKey key_of(const ReplyFlow& flow);
struct ReplyKey6 {  // of IPv6
  std::array<uint8_t, 16> server{}, client{};
  std::array<uint8_t, 2> server_port{}, client_port{};
  uint32_t protocol = 0;
};
static_assert(sizeof(ReplyKey6) == 40);
ReplyKey6 key6_of(const ReplyFlow& flow);

class GuardProgram {
 public:
  static constexpr uint32_t kMostAddresses = 131072;  // the map allocates as it fills

  struct Knowledge {  // constants in the program's code
    std::optional<int> flow_map{};
    std::vector<Mac> macs{};          // frames to these count as sent to the host
    std::optional<int> addresses6{};  // the map of IPv6 addresses
    std::optional<int> flow_map6{};   // of IPv6 flows; REQUIRES: addresses6
    std::array<bool, 2> ports{};      // by family: there may be a guarded_port(); REQUIRES: addresses6 for IPv6
    bool ethernet = true;             // else frames are bare IP packets
    friend bool operator==(const Knowledge&, const Knowledge&) = default;
  };

  static Result<GuardProgram> load(bool ethernet);  // without other Knowledge
  int fd() const { return program_.get(); }

  // Returns another program with the same map of addresses. The caller replaces this one with it and calls take().
  Result<Fd> with(const Knowledge& more) const;
  void take(Fd program, Knowledge knows) { program_ = std::move(program), knows_ = std::move(knows); }
  const Knowledge& knows() const { return knows_; }

  // In effect from the next frame on; the first IPv6 address makes a map, which a program has to know (addresses6()).
  // Both return 0 or an errno.
  int protect(Guarded what, Ip address);
  int unprotect(Guarded what, Ip address);
  std::optional<int> addresses6() const { return addresses6_ ? std::optional(addresses6_->fd()) : std::nullopt; }

 private:
  GuardProgram(BpfMap addresses, Fd program, Knowledge knows)
      : addresses_(std::move(addresses)), program_(std::move(program)), knows_(std::move(knows)) {}
  BpfMap addresses_;
  std::optional<BpfMap> addresses6_{};
  Fd program_;
  Knowledge knows_{};
};

}  // namespace rawvs
