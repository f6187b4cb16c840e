// SPDX-License-Identifier: BSD-2-Clause
// interface_kind.cpp: kinds of interfaces by hardware type.
#include "sys/net/interface_kind.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>

#include "core/link_names.h"
#include "sys/fd.h"

namespace rawvs {

std::string lacks_ethernet(uint16_t hardware) {
  const char* kind = nullptr;
  switch (hardware) {
    case ARPHRD_ETHER: return "";
    case ARPHRD_LOOPBACK: kind = "the loopback interface"; break;
    case ARPHRD_PPP: kind = "a PPP link"; break;
    case ARPHRD_TUNNEL:
    case ARPHRD_IPGRE:
    case ARPHRD_SIT: kind = "a tunnel of IP packets"; break;
    case ARPHRD_NONE: kind = "an interface of bare IP packets, as of tun and WireGuard"; break;
    case ARPHRD_INFINIBAND: kind = "InfiniBand"; break;
    default: break;
  }
  return "it has no Ethernet: " + (kind ? std::string(kind) : "hardware type " + std::to_string(hardware));
}

namespace {

std::string interface_lacks_ethernet(const std::string& name) {
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq ask{};
  if (name.empty() || name.size() >= sizeof ask.ifr_name) return "";
  name.copy(ask.ifr_name, name.size());
  if (ioctl(any.get(), SIOCGIFHWADDR, &ask) != 0) return "";  // it does not exist yet
  return lacks_ethernet(ask.ifr_hwaddr.sa_family);
}

}  // namespace

std::string interface_name(int ifindex) {
  std::array<char, IF_NAMESIZE> name{};
  return if_indextoname(static_cast<unsigned>(ifindex), name.data()) != nullptr ? name.data() : "";
}

std::optional<Error> unfit_interface(const Config& config) {
  const LinkNames names(config.interface, config.inside);
  for (const LinkName& one : names.named()) {
    const std::string why = interface_lacks_ethernet(one.name);
    const char* const key = one.role == LinkRole::clients ? "interface" : "inside";
    if (!why.empty()) return Error{std::string("[director] ") + key + ": " + one.name + " cannot serve: " + why};
  }
  return std::nullopt;
}

}  // namespace rawvs
