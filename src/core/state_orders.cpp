// SPDX-License-Identifier: BSD-2-Clause
// state_orders.cpp: operators' orders as rows of a state. A service's row comes first, then those of its servers whose
// order is another one: a server that the other process's configuration has in addition gets the service's.
#include <algorithm>
#include <utility>

#include "core/state.h"
#include "core/state_orders.h"
#include "core/state_rows.h"

namespace rawvs::state {
namespace {

constexpr uint64_t kMostWall = uint64_t{1} << 53;  // what a reader of JSON can hold

enum Flags : uint8_t { what_bits = 3, of_service = 4, all_void = 8 };

void put_key(const Services& services, const ServiceKey& key, MutableBytes row) {
  row[1] = static_cast<uint8_t>(key.protocol);
  store_be16(row, 2, key.vip.port.value);
  store_be32(row, 4, key.mark.value);
  store_ipv6(row, 8, key.vip.addr);
  if (key.mark.value == 0) return;
  const MarkPrint print = print_of(services, key.mark, key.family());
  store_be64(row, 24, print.matches);
  store_be64(row, 32, print.address);
}

// None: the configuration has no such service.
std::optional<ServiceKey> key_here(const Services& services, Bytes row) {
  const Ip vip = load_ipv6(row, 8);
  const ServiceKey was{static_cast<Protocol>(row[1]), {vip, Port(load_be16(row, 2))}, Mark(load_be32(row, 4))};
  if (was.mark.value == 0) return services.find(was) ? std::optional(was) : std::nullopt;
  const MarkHere here = mark_here(services, was.mark, vip.family(), {load_be64(row, 24), load_be64(row, 32)});
  return here.mark.value == 0 ? std::nullopt : std::optional(mark_key(here.mark, vip.family()));
}

}  // namespace

void save_no_orders(MutableBytes row) { row[0] = all_void; }

void save(const Services& services, const ServiceKey& key, std::optional<Endpoint> server, const Order& order,
          MutableBytes row) {
  row[0] = static_cast<uint8_t>(static_cast<uint8_t>(order.what) | (server ? 0 : of_service));
  put_key(services, key, row);
  if (server) store_ipv6(row, 40, server->addr), store_be16(row, 56, server->port.value);
  store_be32(row, 60, order.uid);
  store_be64(row, 64, static_cast<uint64_t>(order.wall));
}

size_t read_order(Bytes row, Services& services, const ServerVerdicts* checks, const OrderServer& give) {
  const uint64_t wall = load_be64(row, 64);
  const uint8_t what = row[0] & what_bits;
  if (row[0] == all_void) {
    for (const Service& s : std::as_const(services).services()) {
      if (s.used && s.order.out()) static_cast<void>(services.set_order(ServiceKey(s.spec.key), Order{}));
    }
    const auto servers = std::as_const(services).servers();
    for (const Server& s : servers) {
      if (s.in_service() && s.order.out()) give(ServiceKey(s.key), Endpoint(s.spec.at), {});
    }
    return servers.size();
  }
  if (row[0] > (what_bits | of_service) || what >= kOrderedWords.size() || wall > kMostWall) return 0;
  const Order order{static_cast<Ordered>(what), load_be32(row, 60), static_cast<int64_t>(wall)};
  const auto key = key_here(services, row);
  if (!key) return 0;
  if ((row[0] & of_service) == 0) return give(*key, {load_ipv6(row, 40), Port(load_be16(row, 56))}, order), 0;
  static_cast<void>(services.set_order(*key, order));
  const Service& service = *services.find(*key);
  const auto sorry = checks ? checks->sorry_of(*key) : std::nullopt;
  for (const std::vector<ServerSlot>* const slots : {&service.servers, &service.taken_out}) {
    for (const ServerSlot slot : *slots) {
      const Endpoint at = services.server(slot).spec.at;
      if (at != sorry) give(*key, at, order);
    }
  }
  return service.servers.size() + service.taken_out.size();
}

}  // namespace rawvs::state

namespace rawvs {

using namespace state;

// The next ones of a pass. Slots stay where they are while packets and checks come between two portions.
void StateWriter::put_orders(const StateTables& tables, uint32_t places) {
  const Services& services = tables.services;
  const bool of_services = pass_ == Pass::service_orders;
  const size_t end = !tables.order ? 0 : of_services ? services.services().size() : services.server_slots();
  const auto row = [this] {
    orders_.resize(orders_.size() + kOrderSize);
    return MutableBytes(orders_).last(kOrderSize);
  };
  if (tables.order && of_services && at_ == 1 && since_ != Instant{}) save_no_orders(row());
  for (; at_ - 1 < end && places != 0 && orders_.size() < kRowsPerBlock * kOrderSize; ++at_, --places) {
    if (of_services) {
      const Service& s = services.service(static_cast<ServiceSlot>(at_ - 1));
      if (s.used && s.order.out()) save(services, s.spec.key, std::nullopt, s.order, row());
    } else {
      const Server& s = services.server(static_cast<ServerSlot>(at_ - 1));
      if (s.in_service() && s.order != services.service(s.service).order)
        save(services, s.key, s.spec.at, s.order, row());
    }
  }
  if (at_ - 1 >= end) end_pass(tables);
}

}  // namespace rawvs
