// SPDX-License-Identifier: BSD-2-Clause
// names.h: names of hosts and ports, both ways: what /etc/hosts, DNS and /etc/services know.
// Tests bring their own book; SystemNames asks the C library.
#pragma once

#include <optional>
#include <string>

#include "rawvs/addr.h"

namespace rawvs::adm {

class Names {
 public:
  virtual ~Names() = default;
  virtual std::optional<Ip> host(const std::string& name) const = 0;
  virtual std::optional<Port> port(const std::string& name, Protocol protocol) const = 0;
  virtual std::optional<std::string> host_name(Ip addr) const = 0;
  virtual std::optional<std::string> port_name(Port port, Protocol protocol) const = 0;
};

class SystemNames final : public Names {
 public:
  std::optional<Ip> host(const std::string& name) const override;
  std::optional<Port> port(const std::string& name, Protocol protocol) const override;
  std::optional<std::string> host_name(Ip addr) const override;
  std::optional<std::string> port_name(Port port, Protocol protocol) const override;
};

}  // namespace rawvs::adm
