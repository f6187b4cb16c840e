// SPDX-License-Identifier: BSD-2-Clause
// control_rows_ha.cpp: rows about health checks, VRRP and sync.
#include <algorithm>
#include <utility>

#include "control/control_rows.h"
#include "control/control_words.h"
#include "side/checked_servers.h"
#include "side/vrrp.h"
#include "wire/formatted.h"

namespace rawvs {

void put_health(std::string& row, const ControlContext& context, const Server& server, Instant now) {
  if (context.checked && context.checked->stands_in(server.key, server.spec.at)) put(row, "sorry", 1);
  const TargetHealth* const health = context.checked ? context.checked->find(server.key, server.spec.at) : nullptr;
  if (!health || !health->target.check) return;
  put(row, "health", name(health->condition));
  put(row, "for", now - health->since);
  put(row, "flaps", context.checked->health().flaps(health->target.id, now));
  put(row, "attempts", health->attempts);
  put(row, "attempts-failed", health->attempts_failed);
  if (health->attempts > health->attempts_failed) put(row, "latency", static_cast<uint64_t>(health->latency / 1ms));
  put(row, "latency-sum", static_cast<uint64_t>(health->latency_sum / 1ms));
  put(row, "why", health->reason);  // the last key: it has blanks
}

void put_latencies(std::string& row, const ControlContext& context, const ServiceKey& service) {
  const ServiceHealth* const health = context.checked ? context.checked->find(service) : nullptr;
  if (!health) return;
  const Latencies& latencies = health->latencies;
  std::string counts;
  for (size_t i = 0; i < Latencies::kBounds.size(); ++i) {
    counts += formatted("{}:{},", Latencies::kBounds[i], latencies.counts[i]);
  }
  put(row, "check-latencies", counts + formatted("more:{}", latencies.counts.back()));
  put(row, "check-latency-sum", static_cast<uint64_t>(latencies.sum / 1ms));
}

namespace {

// The number, and the number of each kind: password:12,ttl:1
template <size_t kKinds, class Words>
void put_refused(std::string& row, const std::array<uint64_t, kKinds>& refused, const Words& words) {
  uint64_t sum = 0;
  std::string kinds;
  for (size_t i = 0; i < kKinds; ++i) {
    sum += refused[i];
    if (refused[i] == 0) continue;
    kinds += formatted("{}{}:{}", kinds.empty() ? "" : ",", words[i].name, refused[i]);
  }
  put(row, "refused", sum);
  put(row, "refused-for", kinds.empty() ? "-" : kinds);
}

void write_vrrp(std::string& row, const Vrrp::Instance& i, const Director& director, Instant now) {
  row = "vrrp";
  put(row, "name", i.spec.name);
  put(row, "link", word(director, i.spec.link));
  put(row, "vrid", i.spec.vrid);
  put(row, "version", i.spec.version);
  put(row, "state", name(i.state));
  put(row, "priority", i.priority);
  put(row, "master", i.master ? text(i.master->address) : "-");
  put(row, "master-priority", i.master ? i.master->priority : 0);
  put(row, "for", now - i.since);
  put(row, "sent", i.counters.sent);
  put(row, "heard", i.counters.heard);
  put(row, "became-master", i.counters.became_master);
  put(row, "other-addresses", i.counters.other_addresses);
  put(row, "other-interval", i.counters.other_interval);
  put(row, "woke-late", i.counters.woke_late);
  put_refused(row, i.counters.refused, kVrrpRefusalWords);
  put(row, "why", i.reason);
}

void write_sync(std::string& row, const ControlContext& context, const Director& director) {
  const SyncConfig& s = *context.sync.config;
  const SyncSender::Counters& told = context.sync.sender->counters();
  const SyncReceiver::Counters& heard = context.sync.receiver->counters();
  row = "sync";
  put(row, "role", name(s.role));
  put(row, "leads", context.sync.sender->leads());
  put(row, "hears", s.role != SyncRole::master);
  put(row, "link", word(director, s.link));
  put(row, "id", s.settings.id);
  put(row, "group", text(s.group));
  put(row, "port", s.port);
  put(row, "ttl", s.ttl);
  put(row, "maxlen", s.settings.max_length);
  put(row, "peers", s.peers.size());
  put(row, "sealed", !s.key.empty());
  put(row, "messages", told.messages);
  put(row, "entries", told.entries);
  put(row, "unsent", context.sync.counters->unsent);
  put(row, "overflows", told.overflows);
  put(row, "heard", heard.messages);
  put(row, "taken", heard.entries);
  put(row, "lost", heard.lost);
  put(row, "capped", heard.capped);
  put_refused(row, heard.refused, kSyncRefusalWords);
  const Ip from = context.sync.counters->refused_from;
  put(row, "refused-from", from.unspecified() ? "-" : text(from));
  put(row, "strangers", context.sync.counters->strangers);
  put(row, "ours", context.sync.counters->ours);
  put(row, "no-room", context.sync.counters->no_room);
  put(row, "complete", context.sync.receiver->complete());
}

}  // namespace

// A reload may add or remove instances: continues after the one that was written last, wherever it is now.
std::unique_ptr<RowSource> vrrp_rows(const ControlContext& context) {
  return rows_from(
      [&context, at = size_t{0}, last = std::string()](std::string& row, Director& director, Instant now) mutable {
        if (!context.vrrp) return RowSource::Next::end;
        const auto& all = context.vrrp->all();
        if (at > 0 && (at > all.size() || all[at - 1].spec.name != last)) {
          const auto moved = std::ranges::find(all, last, [](const Vrrp::Instance& i) { return i.spec.name; });
          at = moved == all.end() ? at - 1 : static_cast<size_t>(moved - all.begin()) + 1;
        }
        if (at >= all.size()) return RowSource::Next::end;
        last = all[at].spec.name;
        write_vrrp(row, all[at++], director, now);
        return RowSource::Next::row;
      });
}

std::unique_ptr<RowSource> sync_row(const ControlContext& context) {
  return rows_from([&context, told = false](std::string& row, Director& director, Instant) mutable {
    if (std::exchange(told, true) || !context.sync.config) return RowSource::Next::end;
    write_sync(row, context, director);
    return RowSource::Next::row;
  });
}

}  // namespace rawvs
