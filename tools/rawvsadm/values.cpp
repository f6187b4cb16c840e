// SPDX-License-Identifier: BSD-2-Clause
// values.cpp: reads numbers, hosts and ports, as tolerantly as ipvsadm.
#include <arpa/inet.h>

#include <cerrno>
#include <cstdlib>

#include "command.h"

namespace rawvs::adm {

// As in ipvsadm, leading blanks, a sign and leading zeros are allowed; other bases and trailing text are not.
std::optional<uint32_t> read_number(const std::string& text, int64_t least, int64_t most) {
  char* end = nullptr;
  errno = 0;
  const long long number = std::strtoll(text.c_str(), &end, 10);
  if (errno == ERANGE || end == text.c_str() || *end != '\0' || number < least || number > most) return std::nullopt;
  return static_cast<uint32_t>(number);
}

std::optional<Ip> read_host(const std::string& text, const Names& names) {
  in_addr number{};
  if (inet_aton(text.c_str(), &number) != 0) return Ip(ntohl(number.s_addr));
  if (text.empty()) return std::nullopt;
  const auto found = names.host(text, Family::ipv4);
  return found ? found : names.host(text, Family::ipv6);
}

std::optional<Ip> read_ipv6(const std::string& text) {
  return text.find(':') != std::string::npos ? parse_ip(text) : std::nullopt;
}

std::optional<Place> read_place(const std::string& text, Protocol protocol, const Names& names) {
  Place place;
  if (const auto whole = read_ipv6(text)) return place.addr = *whole, place;  // without brackets there is no port

  size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string::npos) return std::nullopt;
    const std::string host = text.substr(1, end - 1);
    auto addr = read_ipv6(host);
    if (!addr && !host.empty() && host.find(':') == std::string::npos) addr = names.host(host, Family::ipv6);
    if (!addr || colon != end + 1) return std::nullopt;  // as ipvsadm: brackets are for an address with a port
    place.addr = *addr;
  } else {
    const auto addr = read_host(text.substr(0, colon), names);
    if (!addr) return std::nullopt;
    place.addr = *addr;
  }
  if (colon == std::string::npos) return place;

  const std::string port = text.substr(colon + 1);
  if (const auto number = read_number(port, 0, 65535)) {
    place.port = static_cast<uint16_t>(*number);
    return place;
  }
  if (protocol == Protocol::any) return std::nullopt;  // port names depend on the protocol
  const auto named = names.port(port, protocol);
  if (!named) return std::nullopt;
  place.port = named->value;
  return place;
}

}  // namespace rawvs::adm
