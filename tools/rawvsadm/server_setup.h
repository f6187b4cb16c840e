// SPDX-License-Identifier: BSD-2-Clause
// server_setup.h: the commands that make a host a real server, as init and doctor print them. They are those of
// rawvs-realserver(8).
#pragma once

#include <string>

#include "rawvs/addr.h"

namespace rawvs::adm {

// So that it leaves questions of ARP for its VIPs to the director. IPv6 needs no setting: lo answers nobody.
inline constexpr char kQuietSetting[] = "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2";

// The VIP on lo or a tunnel's interface. IPv6 looks for others that have it, and would find the director: not here.
inline std::string vip_command(const std::string& vip, bool ipv6, const std::string& device) {
  return "ip addr add " + vip + (ipv6 ? "/128 dev " : "/32 dev ") + device + (ipv6 ? " nodad" : "");
}

// For a server that has the VIP already, and answers questions for it.
inline std::string quiet_command(Ip vip) {
  if (vip.is_v4()) return ": " + std::string(kQuietSetting) + ", and have the VIP on lo";
  return ": " + vip_command(text(vip), true, "lo") + ", and take it from the other interfaces";
}

}  // namespace rawvs::adm
