// SPDX-License-Identifier: BSD-2-Clause
// order.h: an operator's order about a server: out of service until another order comes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "rawvs/addr.h"

namespace rawvs {

// drained: no new connections, those that there are continue, as with weight 0. disabled: no new connections; those
// that there are get what the virtual's on_down says, as when its check fails.
enum class Ordered : uint8_t { none, drained, disabled };
inline constexpr std::array<std::string_view, 3> kOrderedWords{"none", "drained", "disabled"};
constexpr std::string_view name(Ordered what) { return kOrderedWords[static_cast<size_t>(what)]; }

struct Order {
  Ordered what = Ordered::none;
  uint32_t uid = 0;  // whose order it is
  int64_t wall = 0;  // milliseconds since 1970
  bool out() const { return what != Ordered::none; }
  friend bool operator==(const Order&, const Order&) = default;
};

struct Reordering {                  // an order as it is given
  Order order{};                     // the same as there is changes nothing: whose it was, and when, stays
  std::optional<Ordered> was{};      // none: whatever there was; else only in place of this
  std::optional<Endpoint> except{};  // of a service: not this server
  bool changes(const Order& there) const { return there.what != order.what && there.what == was.value_or(there.what); }
};

struct Reordered {       // how far an order about a service is carried out
  size_t at = 0;         // the slot that is next
  bool service = false;  // the service's own order has changed
  uint32_t servers = 0;  // whose order has changed
  bool changed() const { return service || servers != 0; }
};

}  // namespace rawvs
