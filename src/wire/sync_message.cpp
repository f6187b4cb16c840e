// SPDX-License-Identifier: BSD-2-Clause
// sync_message.cpp: reads and writes messages of IPVS's sync protocol.
#include "wire/sync_message.h"

#include <algorithm>

#include "wire/ip_bytes.h"

namespace rawvs {

namespace {

constexpr size_t kHeader0 = 4, kHeader1 = 8;
constexpr size_t kEntry0 = 24, kEntry4 = 36, kEntry6 = 72, kShifts = 24, kExtra = 12, kParameterHead = 2;
constexpr size_t kAddressesAt = 24;  // in an entry of version 1
constexpr size_t kEngineNameMost = 16;
constexpr uint16_t kSizeMask = 0x0fff;
constexpr uint8_t kIpv6 = 1;          // in an entry's type
constexpr uint8_t kSkippable = 0x40;  // in a parameter's type: a receiver that does not know it may skip it
constexpr uint8_t kShiftsParameter = 1, kEngineData = 2, kEngineName = 3, kExtraParameter = 0x10;
constexpr uint32_t kMagic = 0x72767331;  // "rvs1"
constexpr uint8_t kRequest = 1, kComplete = 2, kSealed = 4;

constexpr size_t aligned(size_t at) { return (at + 3) & ~size_t{3}; }

SyncShift load_shift(Bytes b, size_t at) { return {load_be32(b, at), load_be32(b, at + 4), load_be32(b, at + 8)}; }
void store_shift(MutableBytes b, size_t at, const SyncShift& s) {
  store_be32(b, at, s.from);
  store_be32(b, at + 4, s.shift);
  store_be32(b, at + 8, s.shift_before);
}

SyncExtra load_extra(Bytes b) {
  SyncExtra e{.left = Duration(load_be32(b, 0)),
              .client_mac = {},
              .link = Link{b[11] != 0 ? b[11] : static_cast<uint8_t>(b[10] & 1)}};
  if (index(e.link) >= kMostLinks) e.link = Link{};
  std::copy_n(b.begin() + 4, e.client_mac.bytes.size(), e.client_mac.bytes.begin());
  return e;
}
void store_extra(MutableBytes b, const SyncExtra& e) {
  store_be32(b, 0, static_cast<uint32_t>(std::clamp<Duration::rep>(e.left.count(), 0, 0xffffffff)));
  std::copy(e.client_mac.bytes.begin(), e.client_mac.bytes.end(), b.begin() + 4);
  b[10] = index(e.link) != 0 ? 1 : 0;
  b[11] = static_cast<uint8_t>(e.link);
}

// Keeps a parameter's data; refuses a second one of a kind.
bool keep_once(Bytes& place, Bytes data, size_t most) {
  if (!place.empty() || data.size() > most) return false;
  place = data;
  return true;
}

// Reads the parameters of one entry. True: they are sound. unknown: one of them is unknown and may not be skipped.
bool read_parameters(Bytes rest, SyncEntry& out, bool& unknown) {
  while (!rest.empty()) {
    if (rest.size() < kParameterHead) return false;
    const uint8_t type = rest[0];
    const size_t size = rest[1];
    if (size == 0 || kParameterHead + size > rest.size()) return false;
    const Bytes data = rest.subspan(kParameterHead, size);
    rest = rest.subspan(kParameterHead + size);
    switch (type & ~kSkippable) {
      case kShiftsParameter:
        if (size != kShifts || out.shifts) return false;
        out.shifts = SyncShifts{load_shift(data, 0), load_shift(data, kShifts / 2)};
        break;
      case kEngineData:
        if (!keep_once(out.engine_data, data, 255)) return false;
        break;
      case kEngineName:
        if (!keep_once(out.engine_name, data, kEngineNameMost)) return false;
        break;
      default:
        if ((type & kSkippable) == 0) unknown = true;
        if (type == (kSkippable | kExtraParameter) && size == kExtra && !out.extra) out.extra = load_extra(data);
        break;
    }
  }
  return true;
}

// Reads one entry of version 1 and its size. A kernel's entry ends with its parameters; the padding counts for the
// next.
std::optional<SyncRefusal> read_entry(Bytes rest, SyncEntry& out, size_t& size, std::optional<SyncRefusal>& skip) {
  if (rest.size() < kEntry4) return SyncRefusal::truncated;
  const uint8_t type = rest[0];
  const uint16_t version_and_size = load_be16(rest, 2);
  size = version_and_size & kSizeMask;
  if (version_and_size >> 12 != 0) return SyncRefusal::entry_version;
  if (type > kIpv6) return SyncRefusal::entry_type;
  const size_t fixed = type == kIpv6 ? kEntry6 : kEntry4;
  if (size < fixed || size > rest.size()) return SyncRefusal::entry_size;
  out = {};
  out.protocol = static_cast<Protocol>(rest[1]);
  out.flags = load_be32(rest, 4);
  out.state = load_be16(rest, 8);
  out.client.port = Port(load_be16(rest, 10));
  out.vip.port = Port(load_be16(rest, 12));
  out.server.port = Port(load_be16(rest, 14));
  out.mark = Mark(load_be32(rest, 16));
  out.timeout = load_be32(rest, 20);
  const Family family = type == kIpv6 ? Family::ipv6 : Family::ipv4;
  const auto address = [&](size_t place) { return load_ip(rest, kAddressesAt + ip_bytes(family) * place, family); };
  out.client.addr = address(0);
  out.vip.addr = address(1);
  out.server.addr = address(2);
  bool unknown = false;
  if (!read_parameters(rest.subspan(fixed, size - fixed), out, unknown)) return SyncRefusal::parameter;
  const auto mapped = [](Ip a) { return a.is_v4(); };
  if (type == kIpv6 && (mapped(out.client.addr) || mapped(out.vip.addr) || mapped(out.server.addr))) {
    skip = SyncRefusal::mapped;
  }
  if (unknown) skip = SyncRefusal::unknown_parameter;
  return std::nullopt;
}

// Reads one entry of version 0. Its shifts are in the sender's byte order, which is unknown: they are left out.
std::optional<SyncRefusal> read_entry0(Bytes rest, SyncEntry& out, size_t& size) {
  if (rest.size() < kEntry0) return SyncRefusal::truncated;
  out = {};
  out.protocol = static_cast<Protocol>(rest[1]);
  out.client = {Ip(load_be32(rest, 8)), Port(load_be16(rest, 2))};
  out.vip = {Ip(load_be32(rest, 12)), Port(load_be16(rest, 4))};
  out.server = {Ip(load_be32(rest, 16)), Port(load_be16(rest, 6))};
  out.flags = load_be16(rest, 20);
  out.state = load_be16(rest, 22);
  const bool shifted = (out.flags & (SyncFlags::server_shift | SyncFlags::client_shift)) != 0;
  size = kEntry0 + (shifted ? kShifts : 0);
  if (size > rest.size()) return SyncRefusal::entry_size;
  return std::nullopt;
}

std::optional<SyncRefusal> read_any(uint8_t version, Bytes rest, SyncEntry& out, size_t& size,
                                    std::optional<SyncRefusal>& skip) {
  return version == 0 ? read_entry0(rest, out, size) : read_entry(rest, out, size, skip);
}

// Reads a trailer after the last entry. Other bytes there are ignored, as by a kernel.
void read_trailer(Bytes datagram, size_t at, SyncMessage& out) {
  const size_t size = datagram.size() - std::min(at, datagram.size());
  if ((size != kSyncTrailer && size != kSyncSealedTrailer) || load_be32(datagram, at) != kMagic) return;
  const Bytes t = datagram.subspan(at);
  const bool sealed = (t[4] & kSealed) != 0;
  if (sealed != (size == kSyncSealedTrailer)) return;
  out.trailer = SyncTrailer{(t[4] & kRequest) != 0, (t[4] & kComplete) != 0, load_be32(t, 8), load_be32(t, 12)};
  if (!sealed) return;
  out.time = UnixTime(load_be64(t, 16));
  out.sealed = datagram.first(datagram.size() - SyncDigest{}.size());
  out.seal = datagram.last(SyncDigest{}.size());
}

}  // namespace

bool same(const SyncDigest& a, Bytes b) {
  if (b.size() != a.size()) return false;
  uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

std::optional<SyncRefusal> parse_sync(Bytes datagram, SyncMessage& out) {
  out = {};
  if (datagram.size() < kHeader0) return SyncRefusal::truncated;
  if (load_be16(datagram, 2) != datagram.size()) return SyncRefusal::length;
  out.id = datagram[1];
  // Version 0 begins with its count, which is not 0. Version 1 begins with a 0, which stops older receivers.
  const bool first = datagram.size() >= kHeader1 && datagram[0] == 0 && datagram[5] == 1 && load_be16(datagram, 6) == 0;
  if (!first && datagram[0] == 0) return SyncRefusal::version;
  out.version = first ? 1 : 0;
  out.count = first ? datagram[4] : datagram[0];
  size_t at = first ? kHeader1 : kHeader0, end = at;
  out.entries = datagram.subspan(at);
  for (unsigned i = 0; i < out.count; ++i) {
    SyncEntry entry;
    std::optional<SyncRefusal> skip;
    size_t size = 0;
    if (at > datagram.size()) return SyncRefusal::truncated;
    if (const auto why = read_any(out.version, datagram.subspan(at), entry, size, skip)) return why;
    end = at + size;
    at = aligned(end);
  }
  if (first) read_trailer(datagram, at, out);
  out.entries = out.entries.first(end - (first ? kHeader1 : kHeader0));
  return std::nullopt;
}

bool SyncEntries::next(SyncEntry& out, std::optional<SyncRefusal>& refusal) {
  if (left_ == 0) return false;
  --left_;
  size_t size = 0;
  refusal.reset();
  if (read_any(version_, rest_, out, size, refusal))
    return left_ = 0, false;  // cannot happen: parse_sync() has read all entries
  rest_ = rest_.subspan(std::min(aligned(size), rest_.size()));
  return true;
}

SyncComposer::SyncComposer(uint8_t id, size_t max_length, size_t trailer)
    : most_(std::clamp(max_length, kSyncLeast, kSyncMost)), trailer_(trailer), id_(id) {
  bytes_.reserve(most_);
  begin();
}

void SyncComposer::begin() {
  bytes_.assign(kHeader1, 0);
  count_ = 0;
  finished_ = false;
}

size_t SyncComposer::room() const {
  constexpr size_t kWithExtra = kEntry4 + kParameterHead + kExtra;
  return std::min<size_t>((most_ - kHeader1 - trailer_) / aligned(kWithExtra), 255);
}

MutableBytes SyncComposer::grow(size_t size) {
  const size_t at = bytes_.size();
  bytes_.resize(at + size);
  return MutableBytes(bytes_).subspan(at);
}

bool SyncComposer::add(const SyncEntry& e) {
  if (finished_) begin();
  const Family family = e.client.addr.family();
  const size_t fixed = family == Family::ipv6 ? kEntry6 : kEntry4;
  if (e.vip.addr.family() != family || e.server.addr.family() != family) return false;
  if (e.engine_data.size() > 255 || e.engine_name.size() > kEngineNameMost) return false;
  const auto with_head = [](size_t size) { return size == 0 ? 0 : kParameterHead + size; };
  const size_t size = fixed + with_head(e.shifts ? kShifts : 0) + with_head(e.engine_data.size()) +
                      with_head(e.engine_name.size()) + with_head(e.extra ? kExtra : 0);
  const size_t at = aligned(bytes_.size());
  if (count_ == 255 || aligned(at + size) + trailer_ > most_) return false;
  bytes_.resize(at, 0);
  const MutableBytes b = grow(size);
  ++count_;
  b[0] = family == Family::ipv6 ? kIpv6 : 0;
  b[1] = static_cast<uint8_t>(e.protocol);
  store_be16(b, 2, static_cast<uint16_t>(size));
  store_be32(b, 4, e.flags);
  store_be16(b, 8, e.state);
  store_be16(b, 10, e.client.port.value);
  store_be16(b, 12, e.vip.port.value);
  store_be16(b, 14, e.server.port.value);
  store_be32(b, 16, e.mark.value);
  store_be32(b, 20, e.timeout);
  size_t at_address = kAddressesAt;
  for (const Ip a : {e.client.addr, e.vip.addr, e.server.addr}) {
    family == Family::ipv6 ? store_ipv6(b, at_address, a) : store_be32(b, at_address, a.v4());
    at_address += ip_bytes(family);
  }
  MutableBytes rest = b.subspan(fixed);
  const auto parameter = [&rest](uint8_t type, size_t length) {
    const MutableBytes data = rest.subspan(kParameterHead, length);
    rest[0] = type;
    rest[1] = static_cast<uint8_t>(length);
    rest = rest.subspan(kParameterHead + length);
    return data;
  };
  if (e.shifts) {
    const MutableBytes data = parameter(kShiftsParameter, kShifts);
    store_shift(data, 0, e.shifts->client);
    store_shift(data, kShifts / 2, e.shifts->server);
  }
  if (!e.engine_data.empty()) std::ranges::copy(e.engine_data, parameter(kEngineData, e.engine_data.size()).begin());
  if (!e.engine_name.empty()) std::ranges::copy(e.engine_name, parameter(kEngineName, e.engine_name.size()).begin());
  if (e.extra) store_extra(parameter(kSkippable | kExtraParameter, kExtra), *e.extra);
  return true;
}

Bytes SyncComposer::finish() {
  finished_ = true;
  bytes_[1] = id_;
  store_be16(bytes_, 2, static_cast<uint16_t>(bytes_.size()));
  bytes_[4] = count_;
  bytes_[5] = 1;
  return bytes_;
}

Bytes SyncComposer::finish(const SyncTrailer& trailer, const SyncSeal& seal, UnixTime now) {
  if (finished_) begin();
  bytes_.resize(aligned(bytes_.size()), 0);
  const size_t at = bytes_.size();
  const MutableBytes t = grow(seal ? kSyncSealedTrailer : kSyncTrailer);
  store_be32(t, 0, kMagic);
  t[4] = static_cast<uint8_t>((trailer.request ? kRequest : 0) | (trailer.complete ? kComplete : 0) |
                              (seal ? kSealed : 0));
  store_be32(t, 8, trailer.sender);
  store_be32(t, 12, trailer.number);
  if (seal) store_be64(t, 16, now.value);
  finish();
  if (seal) {
    const SyncDigest digest = seal(Bytes(bytes_).first(at + kSyncSealedTrailer - SyncDigest{}.size()));
    std::ranges::copy(digest, bytes_.end() - static_cast<std::ptrdiff_t>(digest.size()));
  }
  return bytes_;
}

}  // namespace rawvs
