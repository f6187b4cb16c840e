// SPDX-License-Identifier: BSD-2-Clause
// names.cpp: names of hosts and ports by the C library.
#include "names.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>

namespace rawvs::adm {

namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

}  // namespace

std::optional<Ip> SystemNames::host(const std::string& name) const {
  addrinfo wanted{};
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &wanted, &found) != 0) return std::nullopt;
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  return Ip(ntohl(reinterpret_cast<const sockaddr_in*>(list->ai_addr)->sin_addr.s_addr));
}

std::optional<Port> SystemNames::port(const std::string& name, Protocol protocol) const {
  const servent* const entry = getservbyname(name.c_str(), rawvs::name(protocol));
  if (!entry) return std::nullopt;
  return Port(ntohs(static_cast<uint16_t>(entry->s_port)));
}

std::optional<std::string> SystemNames::host_name(Ip addr) const {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(addr.v4());
  char name[NI_MAXHOST];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&at), sizeof at, name, sizeof name, nullptr, 0, NI_NAMEREQD) != 0) {
    return std::nullopt;
  }
  return std::string(name);
}

std::optional<std::string> SystemNames::port_name(Port port, Protocol protocol) const {
  const servent* const entry = getservbyport(htons(port.value), rawvs::name(protocol));
  return entry ? std::optional<std::string>(entry->s_name) : std::nullopt;
}

}  // namespace rawvs::adm
