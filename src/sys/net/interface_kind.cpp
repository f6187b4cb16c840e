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

InterfaceKind kind_of(uint16_t hardware, unsigned flags) {
  constexpr uint16_t kRawIp = 519, kIp6Gre = 823;  // ARPHRD_RAWIP, ARPHRD_IP6GRE, which older headers lack
  const char* kind = nullptr;
  switch (hardware) {
    case ARPHRD_ETHER: return {};
    case ARPHRD_PPP:
    case ARPHRD_NONE:
    case kRawIp: return {false, ""};
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_IPGRE:
    case kIp6Gre:
    case ARPHRD_SIT:
      if ((flags & IFF_POINTOPOINT) != 0) return {false, ""};
      return {false, "it is a tunnel without a remote address"};
    case ARPHRD_LOOPBACK: kind = "the loopback interface"; break;
    case ARPHRD_INFINIBAND: kind = "InfiniBand"; break;
    default: break;
  }
  return {false, "it has no Ethernet: " + (kind ? std::string(kind) : "hardware type " + std::to_string(hardware))};
}

namespace {

std::string why_unfit(const std::string& name) {
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq hardware{}, flags{};
  if (name.empty() || name.size() >= sizeof hardware.ifr_name) return "";
  name.copy(hardware.ifr_name, name.size());
  name.copy(flags.ifr_name, name.size());
  if (ioctl(any.get(), SIOCGIFHWADDR, &hardware) != 0 || ioctl(any.get(), SIOCGIFFLAGS, &flags) != 0)
    return "";  // it does not exist yet
  return kind_of(hardware.ifr_hwaddr.sa_family, static_cast<unsigned short>(flags.ifr_flags)).unfit;
}

}  // namespace

std::string interface_name(int ifindex) {
  std::array<char, IF_NAMESIZE> name{};
  return if_indextoname(static_cast<unsigned>(ifindex), name.data()) != nullptr ? name.data() : "";
}

std::optional<Error> unfit_interface(const Config& config) {
  const LinkNames names(config.interface, config.inside);
  for (const LinkName& one : names.named()) {
    const std::string why = why_unfit(one.name);
    const char* const key = one.role == LinkRole::clients ? "interface" : "inside";
    if (!why.empty()) return Error{std::string("[director] ") + key + ": " + one.name + " cannot serve: " + why};
  }
  return std::nullopt;
}

}  // namespace rawvs
