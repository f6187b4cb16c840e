// SPDX-License-Identifier: BSD-2-Clause
// syn_cookie.h: SYN cookies: sequence numbers that prove that a client has seen the reply to its SYN.
// In:  a connection's key, the client's sequence number, what its SYN offers, the time.
// Out: the number and the timestamp of the SYN-ACK; from the ACK that echoes them: what the SYN offered.
// Not: composing segments (wire/tcp_segment.h), when cookies are used (syn_alarm.h).
// RFC: 4987 section 3.6, 7323 section 5.
//
// The number: 29 bits of a keyed hash of all that identifies the SYN, and 3 bits for its segment size, from a table. A
// cookie is valid for at least kUnit and less than twice as long: the hash covers the number of the present unit, and
// the one before is tried, too. Whoever does not see SYN-ACKs hits a valid number with one ACK in 2^28.
//
// Window scale and SACK travel in the timestamp, as with Linux: its lowest bits hold them, the others a clock of
// milliseconds with an offset of its own for each connection. A client without timestamps gets neither.
#pragma once

#include <optional>

#include "core/flow.h"
#include "core/siphash.h"
#include "rawvs/time.h"
#include "wire/tcp_options.h"

namespace rawvs {

struct SynOffer {                  // of a client's SYN, as a cookie carries it
  uint16_t mss = 0;                // of the table, not more than the client's
  std::optional<uint8_t> scale{};  // of the client's windows
  uint8_t promised = 0;            // with `scale`: that of the windows which the client was promised
  bool sack = false;
  bool stamps = false;  // else neither of the two above
  friend bool operator==(const SynOffer&, const SynOffer&) = default;
};

class SynCookies {
 public:
  static constexpr Duration kUnit = 64s;

  explicit SynCookies(HashKey secret) : secret_(secret) {}

  struct Cookie {
    uint32_t number = 0;  // the SYN-ACK's
    uint32_t stamp = 0;   // its timestamp, if the offer has timestamps
  };
  // client: the SYN's sequence number.
  Cookie make(const FlowKey& flow, uint32_t client, const SynOffer& offer, Instant now) const;
  // number: acknowledged, less one. echo: of the segment's timestamps; none: it has none. None: no such cookie was
  // made.
  std::optional<SynOffer> check(const FlowKey& flow, uint32_t client, uint32_t number, std::optional<uint32_t> echo,
                                Instant now) const;

 private:
  uint64_t digest(const FlowKey& flow, uint32_t client) const;
  uint32_t number(uint64_t digest, uint32_t size_index, uint64_t unit) const;

  HashKey secret_;
};

}  // namespace rawvs
