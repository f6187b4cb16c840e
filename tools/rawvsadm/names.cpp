// SPDX-License-Identifier: BSD-2-Clause
// names.cpp: names of hosts and ports by the C library.
#include "names.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>

#include "wire/ip_bytes.h"

namespace rawvs::adm {

namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

socklen_t fill(sockaddr_storage& out, Ip addr) {
  if (addr.is_v4()) {
    auto& at = reinterpret_cast<sockaddr_in&>(out);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(addr.v4());
    return sizeof at;
  }
  auto& at = reinterpret_cast<sockaddr_in6&>(out);
  at.sin6_family = AF_INET6;
  store_ipv6(at.sin6_addr.s6_addr, 0, addr);
  return sizeof at;
}

}  // namespace

std::optional<Ip> address_of(const sockaddr* at) {
  if (at == nullptr) return std::nullopt;
  if (at->sa_family == AF_INET) return Ip(ntohl(reinterpret_cast<const sockaddr_in*>(at)->sin_addr.s_addr));
  if (at->sa_family != AF_INET6) return std::nullopt;
  const Bytes bytes = reinterpret_cast<const sockaddr_in6*>(at)->sin6_addr.s6_addr;
  const Ip ip = load_ipv6(bytes, 0);
  return ip.is_v6() ? std::optional(ip) : std::nullopt;
}

std::optional<Ip> SystemNames::host(const std::string& name, Family family) const {
  addrinfo wanted{};
  wanted.ai_family = family == Family::ipv4 ? AF_INET : AF_INET6;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &wanted, &found) != 0) return std::nullopt;
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  return address_of(list->ai_addr);
}

std::optional<Port> SystemNames::port(const std::string& name, Protocol protocol) const {
  const servent* const entry = getservbyname(name.c_str(), rawvs::name(protocol));
  if (!entry) return std::nullopt;
  return Port(ntohs(static_cast<uint16_t>(entry->s_port)));
}

std::optional<std::string> SystemNames::host_name(Ip addr) const {
  sockaddr_storage at{};
  const socklen_t size = fill(at, addr);
  char name[NI_MAXHOST];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&at), size, name, sizeof name, nullptr, 0, NI_NAMEREQD) != 0) {
    return std::nullopt;
  }
  return std::string(name);
}

std::optional<std::string> SystemNames::port_name(Port port, Protocol protocol) const {
  const servent* const entry = getservbyport(htons(port.value), rawvs::name(protocol));
  return entry ? std::optional<std::string>(entry->s_name) : std::nullopt;
}

}  // namespace rawvs::adm
