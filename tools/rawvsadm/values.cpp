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
  return text.empty() ? std::nullopt : names.host(text);
}

bool is_ipv6(const std::string& text) {
  in6_addr number{};
  return inet_pton(AF_INET6, text.c_str(), &number) == 1;
}

std::optional<Place> read_place(const std::string& text, Protocol protocol, const Names& names) {
  Place place;
  if (is_ipv6(text)) return place.ipv6 = true, place;  // without brackets there is no port

  size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    if (colon == std::string::npos || colon < 2 || text[colon - 1] != ']') return std::nullopt;
    if (!is_ipv6(text.substr(1, colon - 2))) return std::nullopt;
    place.ipv6 = true;
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
