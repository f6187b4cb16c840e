// SPDX-License-Identifier: BSD-2-Clause
// pcapng.cpp: writes blocks of a pcapng file: frames with comments, which libpcap cannot write.
// Block: type, length, body, length again. Option: code, length, value, zeros up to a multiple of four bytes.
#include "pcapng.h"

#include <algorithm>
#include <cstring>

#include "rawvs/addr.h"

namespace rawvs::adm {

namespace {

enum Block : uint32_t { kSectionHeader = 0x0a0d0d0a, kInterface = 1, kEnhancedPacket = 6 };
enum Code : uint16_t { kEnd = 0, kComment = 1, kIfName = 2, kPacketFlags = 2, kTimeResolution = 9 };
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint16_t kEthernet = 1;  // LINKTYPE_ETHERNET
constexpr uint32_t kInbound = 1, kOutbound = 2;

template <class Number>
void put(std::string& out, Number number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  out.append(bytes, sizeof bytes);
}

void put_padded(std::string& out, std::string_view bytes) {
  out.append(bytes);
  out.append((4 - bytes.size() % 4) % 4, '\0');
}

void put_option(std::string& out, Code code, std::string_view value) {
  constexpr size_t kMost = 0xffff;
  value = value.substr(0, kMost);
  put<uint16_t>(out, code);
  put(out, static_cast<uint16_t>(value.size()));
  put_padded(out, value);
}

void put_end(std::string& options) { put<uint32_t>(options, kEnd); }

std::string block(Block type, const std::string& body) {
  const auto length = static_cast<uint32_t>(body.size() + 3 * sizeof(uint32_t));
  std::string out;
  put<uint32_t>(out, type);
  put(out, length);
  out += body;
  put(out, length);
  return out;
}

}  // namespace

uint64_t milliseconds(std::string_view time) {
  constexpr size_t kDigits = 3;
  const size_t point = std::min(time.find('.'), time.size());
  std::string digits(time.substr(0, point));
  std::string fraction(time.substr(std::min(point + 1, time.size()), kDigits));
  fraction.resize(kDigits, '0');
  return parse_number(digits + fraction, UINT64_MAX).value_or(0);
}

std::string Pcapng::head() const {
  std::string body;
  put<uint32_t>(body, kByteOrderMagic);
  put<uint16_t>(body, 1);  // version 1.0
  put<uint16_t>(body, 0);
  put<uint64_t>(body, UINT64_MAX);  // the section's length is unknown
  return block(kSectionHeader, body);
}

std::string Pcapng::frame(const Frame& f) {
  std::string out;
  const auto known = std::ranges::find(links_, f.link);
  const auto number = static_cast<uint32_t>(known - links_.begin());
  if (known == links_.end()) {
    links_.push_back(f.link);
    std::string body;
    put<uint16_t>(body, kEthernet);
    put<uint16_t>(body, 0);
    put(body, snap_);
    put_option(body, kIfName, f.link);
    put_option(body, kTimeResolution, std::string_view("\3", 1));  // 10^-3 s, as rawvsd's clock
    put_end(body);
    out += block(kInterface, body);
  }
  const auto taken = static_cast<uint32_t>(std::min<size_t>(f.bytes.size(), snap_));
  std::string body;
  put(body, number);
  put(body, static_cast<uint32_t>(f.time_ms >> 32));
  put(body, static_cast<uint32_t>(f.time_ms));
  put(body, taken);
  put(body, std::max(f.size, taken));
  put_padded(body, {reinterpret_cast<const char*>(f.bytes.data()), taken});
  put_option(body, kComment, f.comment);
  std::string flags;
  put(flags, f.incoming ? kInbound : kOutbound);
  put_option(body, kPacketFlags, flags);
  put_end(body);
  return out + block(kEnhancedPacket, body);
}

}  // namespace rawvs::adm
