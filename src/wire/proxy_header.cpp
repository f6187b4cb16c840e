// SPDX-License-Identifier: BSD-2-Clause
// proxy_header.cpp: signature, version and command, family and protocol, length, addresses, ports.
#include "wire/proxy_header.h"

#include <algorithm>

#include "wire/ip_bytes.h"

namespace rawvs {

void write_proxy_header(MutableBytes out, Endpoint client, Endpoint vip) {
  constexpr uint8_t kVersion2Proxy = 0x21, kTcp4 = 0x11, kTcp6 = 0x21;
  constexpr size_t kAddressesAt = kLocalProxyHeader.size();
  const Family family = client.addr.family();
  const size_t address = ip_bytes(family);
  std::ranges::copy(kLocalProxyHeader, out.begin());  // its signature
  out[12] = kVersion2Proxy;
  out[13] = family == Family::ipv4 ? kTcp4 : kTcp6;
  store_be16(out, 14, static_cast<uint16_t>(proxy_header_size(family) - kAddressesAt));
  store_ip(out, kAddressesAt, client.addr);
  store_ip(out, kAddressesAt + address, vip.addr);
  store_be16(out, kAddressesAt + 2 * address, client.port.value);
  store_be16(out, kAddressesAt + 2 * address + 2, vip.port.value);
}

}  // namespace rawvs
