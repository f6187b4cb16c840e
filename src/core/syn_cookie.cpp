// SPDX-License-Identifier: BSD-2-Clause
// syn_cookie.cpp: two hashes: one of the connection and its SYN, one of that with segment size and time.
#include "core/syn_cookie.h"

#include <algorithm>
#include <array>

namespace rawvs {

namespace {

// Linux's segment sizes of both families, and those of PPPoE and common tunnels. A client without the option means 536
// bytes, or 1220 with IPv6.
constexpr std::array<uint16_t, 8> kSizes = {536, 1220, 1300, 1360, 1400, 1440, 1460, 8940};
constexpr uint32_t kSizeBits = 3;
static_assert(kSizes.size() == 1u << kSizeBits);

uint32_t size_index(uint16_t mss) {
  uint32_t i = kSizes.size() - 1;
  while (i != 0 && kSizes[i] > mss) --i;
  return i;
}

// The lowest bits of a timestamp.
constexpr uint32_t kNoScale = 15, kScaleBits = 15, kSackBit = 16, kPromisedShift = 5, kOfferBits = 0x1ff;

uint32_t stamp_bits(const SynOffer& o) {
  return o.scale.value_or(kNoScale) | (o.sack ? kSackBit : 0) | uint32_t{o.promised} << kPromisedShift;
}

uint64_t unit_of(Instant now) { return static_cast<uint64_t>(now.time_since_epoch() / SynCookies::kUnit); }

}  // namespace

uint64_t SynCookies::digest(const FlowKey& flow, uint32_t client) const {
  const uint64_t ports = uint64_t{flow.cport.value} << 16 | flow.vport.value;
  return siphash13(secret_, flow.client, flow.vip, ports << 32 | client);
}

uint32_t SynCookies::number(uint64_t digest, uint32_t size_index, uint64_t unit) const {
  const uint64_t hash = siphash13(secret_, digest, unit << kSizeBits | size_index);
  return static_cast<uint32_t>(hash) << kSizeBits | size_index;
}

SynCookies::Cookie SynCookies::make(const FlowKey& flow, uint32_t client, const SynOffer& offer, Instant now) const {
  const uint64_t hash = digest(flow, client);
  const auto clock = static_cast<uint32_t>(now.time_since_epoch().count()) + static_cast<uint32_t>(hash >> 32);
  return {number(hash, size_index(offer.mss), unit_of(now)), (clock & ~kOfferBits) | stamp_bits(offer)};
}

std::optional<SynOffer> SynCookies::check(const FlowKey& flow, uint32_t client, uint32_t acked,
                                          std::optional<uint32_t> echo, Instant now) const {
  const uint32_t index = acked & (kSizes.size() - 1);
  const uint64_t hash = digest(flow, client), unit = unit_of(now);
  if (acked != number(hash, index, unit) && acked != number(hash, index, unit - 1)) return std::nullopt;
  SynOffer offer{.mss = kSizes[index]};
  if (!echo) return offer;
  offer.stamps = true;
  offer.sack = (*echo & kSackBit) != 0;
  const auto scale = static_cast<uint8_t>(*echo & kScaleBits);
  if (scale == kNoScale) return offer;
  offer.scale = scale;
  offer.promised = static_cast<uint8_t>(std::min<uint32_t>(*echo >> kPromisedShift & kScaleBits, kMostScale));
  return offer;
}

}  // namespace rawvs
