// SPDX-License-Identifier: BSD-2-Clause
// doctor_facts.cpp: facts of this host's kernel about its interfaces: getifaddrs(3), ethtool's ioctl, net.ipv4.conf.
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>

#include "doctor.h"
#include "sys/net/interface_kind.h"

namespace rawvs::adm {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
struct FreeAddresses {
  void operator()(ifaddrs* list) const { freeifaddrs(list); }
};
struct Descriptor {
  int fd = -1;
  explicit Descriptor(int opened) : fd(opened) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

std::string first_line(const std::string& path) {  // empty: no such file
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "re"));
  std::array<char, 128> line{};
  if (!file || !std::fgets(line.data(), line.size(), file.get())) return "";
  std::string text(line.data());
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

uint32_t sysctl(const std::string& interface, const char* key) {
  const auto value = parse_number(first_line("/proc/sys/net/ipv4/conf/" + interface + '/' + key), UINT32_MAX);
  return static_cast<uint32_t>(value.value_or(0));
}

ifreq asked(const std::string& interface) {
  ifreq out{};
  interface.copy(out.ifr_name, sizeof out.ifr_name - 1);
  return out;
}

uint32_t mtu(int fd, const std::string& interface) {
  ifreq ask = asked(interface);
  return ioctl(fd, SIOCGIFMTU, &ask) == 0 ? static_cast<uint32_t>(ask.ifr_mtu) : 0;
}

std::string unfit(int fd, const std::string& interface) {
  ifreq hardware = asked(interface), flags = asked(interface);
  if (ioctl(fd, SIOCGIFHWADDR, &hardware) != 0 || ioctl(fd, SIOCGIFFLAGS, &flags) != 0) return "";
  return kind_of(hardware.ifr_hwaddr.sa_family, static_cast<unsigned short>(flags.ifr_flags)).unfit;
}

bool has_lro(int fd, const std::string& interface) {
  ethtool_value flags{};
  flags.cmd = ETHTOOL_GFLAGS;
  ifreq ask = asked(interface);
  ask.ifr_data = reinterpret_cast<char*>(&flags);
  return ioctl(fd, SIOCETHTOOL, &ask) == 0 && (flags.data & ETH_FLAG_LRO) != 0;
}

uint8_t prefix_of(const ifaddrs* a, Ip address) {
  const auto mask = address_of(a->ifa_netmask);
  if (!mask || mask->family() != address.family()) return address_bits(address.family());
  return static_cast<uint8_t>(common_bits(*mask, address.is_v4() ? Ip(0xffffffff) : Ip(UINT64_MAX, UINT64_MAX)));
}

HostLink& named(std::vector<HostLink>& links, const char* label) {
  const std::string name = std::string(label).substr(0, std::string_view(label).find(':'));  // eth0:1 belongs to eth0
  const auto known = std::ranges::find(links, name, &HostLink::name);
  if (known != links.end()) return *known;
  links.push_back({.name = name, .addresses = {}});
  return links.back();
}

// How "all" combines with the interface's own value differs between settings: ip-sysctl.rst.
void add_settings(HostLink& link) {
  const std::string v6 = first_line("/proc/sys/net/ipv6/conf/" + link.name + "/forwarding");
  link.forwarding = sysctl(link.name, "forwarding") != 0 || parse_number(v6, UINT32_MAX).value_or(0) != 0;
  link.rp_filter = std::max(sysctl("all", "rp_filter"), sysctl(link.name, "rp_filter"));
  link.send_redirects = sysctl("all", "send_redirects") != 0 || sysctl(link.name, "send_redirects") != 0;
}

// Its directory in proc(5); empty: none. The pid may be from another pid namespace, so the process name is compared.
std::string proc_of(uint64_t pid) {
  const std::string place = "/proc/" + std::to_string(pid);
  return pid == 0 || first_line(place + "/comm") != "rawvsd" ? "" : place;
}

bool same_network(uint64_t pid) {  // true: rawvsd sees the same interfaces as this program
  const std::string place = proc_of(pid);
  std::array<char, 64> theirs{}, ours{};
  if (place.empty()) return true;  // cannot be found out
  if (readlink((place + "/ns/net").c_str(), theirs.data(), theirs.size() - 1) < 0) return true;
  if (readlink("/proc/self/ns/net", ours.data(), ours.size() - 1) < 0) return true;
  return theirs == ours;
}

}  // namespace

std::string root_of(uint64_t pid) {
  const std::string place = proc_of(pid);
  return place.empty() ? "" : place + "/root";
}

HostFacts host_facts(uint64_t daemon_pid) {
  HostFacts out;
  out.now = std::time(nullptr);
  if (!same_network(daemon_pid)) {
    out.known = false;
    return out;
  }
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) {
    out.known = false;
    return out;
  }
  const std::unique_ptr<ifaddrs, FreeAddresses> list(first);
  for (const ifaddrs* a = list.get(); a != nullptr; a = a->ifa_next) {
    HostLink& link = named(out.links, a->ifa_name);
    link.up = (a->ifa_flags & IFF_UP) != 0;
    link.carrier = (a->ifa_flags & IFF_RUNNING) != 0;
    if (const auto address = address_of(a->ifa_addr)) link.addresses.push_back({*address, prefix_of(a, *address)});
  }
  const Descriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (HostLink& link : out.links) {
    add_settings(link);
    link.mtu = mtu(any.fd, link.name);
    link.unfit = unfit(any.fd, link.name);
    link.lro = has_lro(any.fd, link.name);
  }
  add_sockets(out);
  return out;
}

const HostLink* HostFacts::link(std::string_view name) const {
  const auto found = std::ranges::find(links, name, &HostLink::name);
  return found != links.end() ? &*found : nullptr;
}

const HostLink* HostFacts::with(Ip address) const {
  for (const HostLink& link : links) {
    if (std::ranges::find(link.addresses, address, &LinkAddress::addr) != link.addresses.end()) return &link;
  }
  return nullptr;
}

const LinkAddress* HostFacts::network_of(Ip other) const {
  const LinkAddress* best = nullptr;
  for (const HostLink& link : links) {
    for (const LinkAddress& a : link.addresses) {
      if (a.prefix < address_bits(a.addr.family()) && a.network().holds(other) && (!best || a.prefix > best->prefix))
        best = &a;
    }
  }
  return best;
}

}  // namespace rawvs::adm
