// SPDX-License-Identifier: BSD-2-Clause
// names.h: looks up names of hosts and ports, in both directions: /etc/hosts, DNS, /etc/services.
//
// SystemNames asks the C library; tests have their own implementation.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>

#include "rawvs/addr.h"

namespace rawvs::adm {

class Names {
 public:
  virtual ~Names() = default;
  // Its first address of this family.
  virtual std::optional<Ip> host(const std::string& name, Family family) const = 0;
  virtual std::optional<Port> port(const std::string& name, Protocol protocol) const = 0;
  virtual std::optional<std::string> host_name(Ip addr) const = 0;
  virtual std::optional<std::string> port_name(Port port, Protocol protocol) const = 0;
};

std::optional<Ip> address_of(const sockaddr* at);  // none: no address of IPv4 or IPv6, or a mapped one

class SystemNames final : public Names {
 public:
  std::optional<Ip> host(const std::string& name, Family family) const override;
  std::optional<Port> port(const std::string& name, Protocol protocol) const override;
  std::optional<std::string> host_name(Ip addr) const override;
  std::optional<std::string> port_name(Port port, Protocol protocol) const override;
};

}  // namespace rawvs::adm
