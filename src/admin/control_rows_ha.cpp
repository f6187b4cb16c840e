// SPDX-License-Identifier: BSD-2-Clause
// control_rows_ha.cpp: what checks say of a server, and who is master: for listings.
#include "control_words.h"
#include "rawvs/control.h"
#include "rawvs/vrrp.h"
#include "rawvs/ward.h"

namespace rawvs {

void put_health(std::string& row, const Desk* desk, const Server& server, Instant now) {
  const Health::TargetHealth* const health =
      desk && desk->ward ? desk->ward->find(server.key, server.spec.at) : nullptr;
  if (!health || !health->target.check) return;
  put(row, "health", name(health->condition));
  put(row, "for", now - health->since);
  put(row, "flaps", desk->ward->health().flaps(health->target.id, now));
  put(row, "why", health->reason);  // the last key: it has blanks
}

namespace {

// How many, and of which kinds: password:12,ttl:1
void put_refused(std::string& row, const VrrpRefusalCounters& refused) {
  uint64_t sum = 0;
  std::string kinds;
  for (size_t i = 0; i < refused.size(); ++i) {
    sum += refused[i];
    if (refused[i] == 0) continue;
    kinds += (kinds.empty() ? "" : ",") + std::string(kVrrpRefusalWords[i].name) + ':' + std::to_string(refused[i]);
  }
  put(row, "refused", sum);
  put(row, "refused-for", kinds.empty() ? "-" : kinds);
}

}  // namespace

void add_vrrp(std::string& ready, const Desk* desk, const Director& director, Instant now) {
  if (!desk || !desk->vrrp) return;
  for (const Vrrp::Instance& i : desk->vrrp->all()) {
    ready += "vrrp";
    put(ready, "name", i.spec.name);
    put(ready, "link", word(director, i.spec.link));
    put(ready, "vrid", i.spec.vrid);
    put(ready, "version", i.spec.version);
    put(ready, "state", name(i.state));
    put(ready, "priority", i.priority);
    put(ready, "master", i.master ? text(i.master->address) : "-");
    put(ready, "master-priority", i.master ? i.master->priority : 0);
    put(ready, "for", now - i.since);
    put(ready, "sent", i.counters.sent);
    put(ready, "heard", i.counters.heard);
    put(ready, "became-master", i.counters.became_master);
    put(ready, "other-addresses", i.counters.other_addresses);
    put(ready, "other-interval", i.counters.other_interval);
    put(ready, "woke-late", i.counters.woke_late);
    put_refused(ready, i.counters.refused);
    put(ready, "why", i.reason);
    ready += '\n';
  }
}

void add_sync(std::string& ready, const Desk* desk, const Director& director) {
  if (!desk || !desk->sync.config) return;
  const SyncConfig& s = *desk->sync.config;
  const SyncSender::Counters& told = desk->sync.sender->counters();
  const SyncReceiver::Counters& heard = desk->sync.receiver->counters();
  ready += "sync";
  put(ready, "role", name(s.role));
  put(ready, "leads", desk->sync.sender->leads());
  put(ready, "hears", s.role != SyncRole::master);
  put(ready, "link", word(director, s.link));
  put(ready, "id", s.settings.id);
  put(ready, "group", text(s.group));
  put(ready, "port", s.port);
  put(ready, "ttl", s.ttl);
  put(ready, "maxlen", s.settings.max_length);
  put(ready, "peers", s.peers.size());
  put(ready, "sealed", !s.key.empty());
  put(ready, "messages", told.messages);
  put(ready, "entries", told.entries);
  put(ready, "unsent", desk->sync.counters->unsent);
  put(ready, "overflows", told.overflows);
  put(ready, "heard", heard.messages);
  put(ready, "taken", heard.entries);
  put(ready, "lost", heard.lost);
  uint64_t refused = 0;
  for (const uint64_t n : heard.refused) refused += n;
  put(ready, "refused", refused);
  put(ready, "strangers", desk->sync.counters->strangers);
  put(ready, "ours", desk->sync.counters->ours);
  put(ready, "no-room", desk->sync.counters->no_room);
  put(ready, "complete", desk->sync.receiver->complete());
  ready += '\n';
}

}  // namespace rawvs
