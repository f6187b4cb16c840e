// SPDX-License-Identifier: BSD-2-Clause
// metrics.cpp: the tables of metrics, and which rows they come from.
#include "tools/metrics/metrics.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <unordered_map>

#include "rawvs/addr.h"
#include "tools/metrics/families.h"

namespace rawvs::adm {

namespace {

constexpr const char *kCounter = "counter", *kGauge = "gauge", *kHistogram = "histogram";

// HELP as node_exporter has it.
constexpr Metric kIpvs[] = {
    {"node_ipvs_connections_total", kCounter, "The total number of connections made.", "conns"},
    {"node_ipvs_incoming_packets_total", kCounter, "The total number of incoming packets.", "inpkts"},
    {"node_ipvs_outgoing_packets_total", kCounter, "The total number of outgoing packets.", "outpkts"},
    {"node_ipvs_incoming_bytes_total", kCounter, "The total amount of incoming data.", "inbytes"},
    {"node_ipvs_outgoing_bytes_total", kCounter, "The total amount of outgoing data.", "outbytes"}};
constexpr Metric kBackend[] = {
    {"node_ipvs_backend_connections_active", kGauge, "The current active connections by local and remote address."},
    {"node_ipvs_backend_connections_inactive", kGauge, "The current inactive connections by local and remote address."},
    {"node_ipvs_backend_weight", kGauge, "The current backend weight by local and remote address."}};

constexpr Metric kDaemon[] = {
    {"rawvs_uptime_seconds", kGauge, "Time since the director started.", "uptime"},
    {"rawvs_connection_entries", kGauge, "Places of the connection table in use.", "entries-used"},
    {"rawvs_connection_entries_limit", kGauge, "Places of the connection table.", "entries-most"},
    {"rawvs_connection_entries_unproven", kGauge, "Entries that may give way to others.", "entries-unproven"},
    {"rawvs_connection_table_filling", kGauge, "1: three quarters of the connection table are used.", "filling"},
    {"rawvs_syn_cookies_active", kGauge, "1: SYNs are answered with SYN cookies.", "syn-cookies"},
    {"rawvs_packets_without_entry_total", kCounter, "Packets forwarded without an entry.", "without-entry"},
    {"rawvs_implausible_segments_total", kCounter, "TCP segments that ended nothing, being forged or stray.",
     "implausible"},
    {"rawvs_cpu_seconds_total", kCounter, "Processor time of the director.", "cpu", Scale::milli},
    {"rawvs_memory_peak_bytes", kGauge, "The most memory that the director had.", "memory-most"},
    {"rawvs_loop_turns_total", kCounter, "Turns of the director's loop.", "turns"},
    {"rawvs_loop_busy_seconds_total", kCounter, "Time of the loop's turns, without waiting.", "turns-busy",
     Scale::micro},
    {"rawvs_loop_slow_turns_total", kCounter, "Turns of the loop that took more than 5 ms.", "turns-slow"},
    {"rawvs_loop_longest_turn_seconds", kGauge, "The longest turn of the loop since the start.", "turns-longest",
     Scale::micro}};
constexpr Metric kFast[] = {
    {"rawvs_fast_path_on", kGauge, "1: a program in the kernel forwards packets.", "on"},
    {"rawvs_fast_path_flows", kGauge, "Connections that it has.", "flows"},
    {"rawvs_fast_path_capacity", kGauge, "Connections that it has room for.", "capacity"},
    {"rawvs_fast_path_packets_total", kCounter, "Packets that it forwarded; other counts contain them.", "packets"},
    {"rawvs_fast_path_bytes_total", kCounter, "Bytes that it forwarded; other counts contain them.", "packet-bytes"},
    {"rawvs_fast_path_chosen_total", kCounter, "Connections that it got.", "chosen"},
    {"rawvs_fast_path_no_room_total", kCounter, "How often it had no room for a connection.", "no-room"}};
constexpr Metric kUp[] = {{"rawvs_up", kGauge, "1: the director has answered."}};
constexpr Metric kBuild[] = {{"rawvs_build_info", kGauge, "1, labelled with the director's version."}};
constexpr Metric kGaveWay[] = {
    {"rawvs_connection_entries_evicted_total", kCounter, "Unproven entries that made room, by kind."}};

constexpr Metric kService[] = {
    {"rawvs_service_connections_total", kCounter, "Connections of a service.", "conns"},
    {"rawvs_service_incoming_packets_total", kCounter, "Packets from clients, of a service.", "inpkts"},
    {"rawvs_service_outgoing_packets_total", kCounter, "Packets to clients, of a service.", "outpkts"},
    {"rawvs_service_incoming_bytes_total", kCounter, "Bytes from clients, of a service.", "inbytes"},
    {"rawvs_service_outgoing_bytes_total", kCounter, "Bytes to clients, of a service.", "outbytes"},
    {"rawvs_service_limited_connections", kGauge, "Connections that count for max_connections.", "counted"},
    {"rawvs_service_connections_limit", kGauge, "The service's max_connections; 0: none.", "max-connections"}};
constexpr Metric kServiceRefused[] = {
    {"rawvs_service_refused_packets_total", kCounter, "Packets refused by a service's limits, by exit."}};

constexpr Metric kLatencies[] = {{"rawvs_check_latency_seconds", kHistogram,
                                  "Latencies of the attempts of a service's checks that succeeded.", "", Scale::milli}};

constexpr Metric kServer[] = {
    {"rawvs_server_connections_total", kCounter, "Connections of a server.", "conns"},
    {"rawvs_server_incoming_packets_total", kCounter, "Packets from clients, of a server.", "inpkts"},
    {"rawvs_server_outgoing_packets_total", kCounter, "Packets to clients, of a server.", "outpkts"},
    {"rawvs_server_incoming_bytes_total", kCounter, "Bytes from clients, of a server.", "inbytes"},
    {"rawvs_server_outgoing_bytes_total", kCounter, "Bytes to clients, of a server.", "outbytes"},
    {"rawvs_server_connections_active", kGauge, "Active connections of a server, as ipvsadm lists them.", "active"},
    {"rawvs_server_connections_inactive", kGauge, "Inactive connections of a server.", "inactive"},
    {"rawvs_server_persistence_templates", kGauge, "Persistence templates of a server.", "persistent"},
    {"rawvs_server_weight", kGauge, "The weight in effect.", "weight"},
    {"rawvs_server_overloaded", kGauge, "1: its upper threshold is reached.", "overloaded"},
    {"rawvs_server_check_state_seconds", kGauge, "Time since its check's state changed.", "for"},
    {"rawvs_server_flaps", kGauge, "How often it went down within ten minutes.", "flaps"},
    {"rawvs_check_attempts_total", kCounter, "Attempts of its check.", "attempts"},
    {"rawvs_check_failed_attempts_total", kCounter, "Attempts of its check that failed.", "attempts-failed"},
    {"rawvs_check_last_latency_seconds", kGauge, "Latency of the last attempt that succeeded.", "latency",
     Scale::milli},
    {"rawvs_check_seconds_total", kCounter, "Latencies of all attempts that succeeded, together.", "latency-sum",
     Scale::milli}};
constexpr Metric kServerState[] = {
    {"rawvs_server_check_up", kGauge, "1: its check says that it works; 0: down, held back or not known."},
    {"rawvs_server_reachable", kGauge, "1: packets can be sent to it, and it was not silent when asked for its MAC."},
    {"rawvs_server_ordered_out", kGauge, "1: an operator has drained or disabled it."}};

constexpr Metric kExits[] = {{"rawvs_exits_total", kCounter, "Packets by their way out of the director.", "count"}};

constexpr Metric kLink[] = {
    {"rawvs_link_received_frames_total", kCounter, "Frames received on an interface.", "received"},
    {"rawvs_link_sent_frames_total", kCounter, "Frames sent on an interface.", "sent"},
    {"rawvs_link_returned_frames_total", kCounter, "Frames given back to the host's kernel.", "returned"},
    {"rawvs_link_unguarded_connections_total", kCounter, "NAT connections for which the guard had no room.",
     "unguarded"},
    {"rawvs_link_vips", kGauge, "VIPs on an interface.", "vips"},
    {"rawvs_link_guarded_vips", kGauge, "VIPs that are kept from the host's kernel.", "guarded"}};
constexpr Metric kLost[] = {{"rawvs_link_lost_frames_total", kCounter, "Frames lost on an interface, by cause."}};

constexpr Metric kVrrp[] = {
    {"rawvs_vrrp_priority", kGauge, "The priority in effect.", "priority"},
    {"rawvs_vrrp_state_seconds", kGauge, "Time since the state changed.", "for"},
    {"rawvs_vrrp_became_master_total", kCounter, "How often this director became master.", "became-master"},
    {"rawvs_vrrp_sent_adverts_total", kCounter, "Adverts sent.", "sent"},
    {"rawvs_vrrp_received_adverts_total", kCounter, "Adverts received.", "heard"}};
constexpr Metric kVrrpState[] = {
    {"rawvs_vrrp_state", kGauge, "1 for the state that an instance is in, 0 for the others."}};
constexpr Metric kVrrpRefused[] = {{"rawvs_vrrp_refused_adverts_total", kCounter, "Adverts refused, by reason."}};

constexpr Metric kSync[] = {
    {"rawvs_sync_leads", kGauge, "1: connections are sent to other directors.", "leads"},
    {"rawvs_sync_sent_messages_total", kCounter, "Sync messages sent.", "messages"},
    {"rawvs_sync_sent_entries_total", kCounter, "Connections sent.", "entries"},
    {"rawvs_sync_unsent_messages_total", kCounter, "Sync messages that the kernel did not take.", "unsent"},
    {"rawvs_sync_overflows_total", kCounter, "Connections not sent because too many changed at once.", "overflows"},
    {"rawvs_sync_received_messages_total", kCounter, "Sync messages received.", "heard"},
    {"rawvs_sync_received_entries_total", kCounter, "Connections received and used.", "taken"},
    {"rawvs_sync_lost_messages_total", kCounter, "Sync messages whose numbers are missing.", "lost"},
    {"rawvs_sync_no_room_entries_total", kCounter, "Connections received that found the table full.", "no-room"},
    {"rawvs_sync_stranger_messages_total", kCounter, "Sync messages of who is no peer.", "strangers"},
    {"rawvs_sync_complete", kGauge, "1: all connections of another director were received once.", "complete"}};
constexpr Metric kSyncRefused[] = {
    {"rawvs_sync_refused_messages_total", kCounter, "Sync messages refused, by reason."}};

constexpr Metric kVip[] = {
    {"rawvs_vip_standby", kGauge, "1: another director has the VIP.", "standby"},
    {"rawvs_vip_repeated_claims_total", kCounter, "How often the claim on a VIP was repeated.", "repeats"}};
constexpr Metric kRivals[] = {{"rawvs_vip_rivals", kGauge, "Other hosts that answer for a VIP."}};

constexpr Metric kLeftOut[] = {
    {"rawvs_metrics_left_out", kGauge, "Services, servers and VIPs without metrics, since there are too many."}};

std::string_view or_else(std::string_view text, std::string_view otherwise) {
  return text.empty() || text == "-" ? otherwise : text;
}

// Of "half-open:12,quiet:3": half-open and 12, quiet and 3.
template <class Each>
void each_kind(std::string_view kinds, Each each) {
  while (!kinds.empty() && kinds != "-") {
    const std::string_view one = kinds.substr(0, kinds.find(','));
    kinds.remove_prefix(std::min(kinds.size(), one.size() + 1));
    const size_t colon = std::min(one.find(':'), one.size());
    each(one.substr(0, colon), parse_number(one.substr(std::min(colon + 1, one.size())), UINT64_MAX).value_or(0));
  }
}

void add_kinds(Families& to, const std::string& before, const char* label, std::string_view kinds) {
  each_kind(kinds, [&](std::string_view kind, uint64_t count) {
    to.add(0, (before.empty() ? "" : before + ',') + labels({{label, kind}}), count);
  });
}

// Of "1:12,2:0,more:3".
void add_latencies(Families& to, const std::string& its, const Row& row) {
  std::vector<Bucket> buckets;
  each_kind(row.get("check-latencies"), [&](std::string_view bound, uint64_t count) {
    buckets.push_back({parse_number(bound, UINT64_MAX), count});
  });
  if (!buckets.empty() && !buckets.back().most) to.add(0, its, buckets, row.number("check-latency-sum"));
}

// node_exporter's labels of a server. The kernel's file has a mark as eight digits, and neither address nor port of it.
std::string backend_labels(const Row& row) {
  const std::string_view service = row.get("service");
  const size_t colon = std::min(service.find(':'), service.size());
  const std::string_view kind = service.substr(0, colon), rest = service.substr(std::min(colon + 1, service.size()));
  const auto remote = parse_endpoint(row.get("server")).value_or(Endpoint{});
  std::string protocol = "FWM", address, port = "0", mark;
  if (kind == "mark" || kind == "mark6") {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%08X", static_cast<unsigned>(parse_number(rest, UINT32_MAX).value_or(0)));
    mark = digits;
  } else {
    const auto local = parse_endpoint(rest).value_or(Endpoint{});
    protocol = kind;
    for (char& c : protocol) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    address = text(local.addr);
    port = std::to_string(local.port.value);
  }
  return labels({{"local_address", address},
                 {"local_port", port},
                 {"remote_address", text(remote.addr)},
                 {"remote_port", std::to_string(remote.port.value)},
                 {"proto", protocol},
                 {"local_mark", mark}});
}

class Backends {  // a mark's services of IPv4 and of IPv6 may have the same labels: their sums, as node_exporter's
 public:
  void add(const Row& row) {
    const auto [at, is_new] = place_.emplace(backend_labels(row), sums_.size());
    if (is_new) sums_.emplace_back(at->first, Sum{});
    Sum& sum = sums_[at->second].second;
    sum[0] += row.number("active"), sum[1] += row.number("inactive"), sum[2] += row.number("weight");
  }
  void write(std::string& out) const {
    Families families(kBackend);
    for (const auto& [labels, sum] : sums_) {
      for (size_t i = 0; i < sum.size(); ++i) families.add(i, labels, sum[i]);
    }
    families.write(out);
  }

 private:
  using Sum = std::array<uint64_t, std::size(kBackend)>;
  std::unordered_map<std::string, size_t> place_{};
  std::vector<std::pair<std::string, Sum>> sums_{};
};

class Metrics {
 public:
  void take(const Row& row);
  std::string text() const;

 private:
  void take_daemon(const Row& row);
  void take_service(const Row& row);
  void take_server(const Row& row);
  void take_link(const Row& row);
  void take_vrrp(const Row& row);

  std::array<uint64_t, std::size(kIpvs)> totals_{};
  bool any_ = false;       // a daemon row: there are totals
  std::string service_{};  // the name of the last service row's
  size_t services_ = 0, servers_ = 0, services_out_ = 0, servers_out_ = 0, vips_out_ = 0;
  bool vips_in_ = false;  // the last VIP has metrics
  Backends backends_{};
  Families daemon_{kDaemon}, fast_{kFast}, build_{kBuild}, gave_way_{kGaveWay}, service_of_{kService},
      refused_{kServiceRefused}, latencies_{kLatencies}, server_{kServer}, state_{kServerState}, exits_{kExits},
      link_{kLink}, lost_{kLost}, vrrp_{kVrrp}, vrrp_state_{kVrrpState}, vrrp_refused_{kVrrpRefused}, sync_{kSync},
      sync_refused_{kSyncRefused}, vip_{kVip};
  std::vector<std::pair<std::string, uint64_t>> rivals_{};  // of each VIP
};

void Metrics::take(const Row& row) {
  const std::string_view word = row.word();
  if (word == "daemon") take_daemon(row);
  if (word == "fast") fast_.add(row, "");
  if (word == "service") take_service(row);
  if (word == "server") take_server(row);
  if (word == "exit") exits_.add(row, labels({{"name", row.get("name")}, {"fate", row.get("fate")}}));
  if (word == "link") take_link(row);
  if (word == "vrrp") take_vrrp(row);
  if (word == "sync" && sync_.add(row, "")) add_kinds(sync_refused_, "", "reason", row.get("refused-for"));
  if (word == "vip") {
    const std::string its = labels({{"address", row.get("address")}});
    vips_in_ = rivals_.size() < kMetricServices;
    if (!vips_in_) ++vips_out_;
    if (vips_in_ && vip_.add(row, its)) rivals_.emplace_back(its, 0);
  }
  if (word == "rival" && vips_in_ && !rivals_.empty()) ++rivals_.back().second;
}

void Metrics::take_daemon(const Row& row) {
  if (!daemon_.add(row, "")) return;
  any_ = true;
  build_.add(0, labels({{"version", row.get("version")}}), 1);
  add_kinds(gave_way_, "", "kind", row.get("gave-way-kinds"));
  for (size_t i = 0; i < totals_.size(); ++i) totals_[i] += row.number(std::string("past-") + kIpvs[i].key);
}

void Metrics::take_service(const Row& row) {
  for (size_t i = 0; i < totals_.size(); ++i) totals_[i] += row.number(kIpvs[i].key);
  service_ = or_else(row.get("name"), row.get("service"));
  if (services_ == kMetricServices) return ++services_out_, void();
  ++services_;
  const std::string its = labels({{"service", service_}, {"virtual", row.get("service")}});
  if (!service_of_.add(row, its)) return;
  add_kinds(refused_, its, "reason", row.get("refused-for"));
  add_latencies(latencies_, its, row);
}

void Metrics::take_server(const Row& row) {
  if (servers_ == kMetricServers) return ++servers_out_, void();
  ++servers_;
  const std::string its = labels({{"service", service_},
                                  {"virtual", row.get("service")},
                                  {"server", or_else(row.get("name"), row.get("server"))},
                                  {"address", row.get("server")}});
  if (!server_.add(row, its)) return;
  backends_.add(row);
  if (row.has("health")) state_.add(0, its, row.get("health") == "up" ? 1 : 0);
  state_.add(1, its, row.get("reach") == "ready" || row.get("reach") == "asking" ? 1 : 0);
  state_.add(2, its, row.has("order") ? 1 : 0);
}

void Metrics::take_link(const Row& row) {
  const std::string its = labels({{"interface", row.get("name")}});
  if (!link_.add(row, its)) return;
  for (const auto& [key, cause] :
       {std::pair{"kernel-dropped", "kernel_dropped"}, std::pair{"cut", "cut"}, std::pair{"send-failed", "send_failed"},
        std::pair{"return-failed", "return_failed"}}) {
    lost_.add(0, its + ',' + labels({{"cause", cause}}), row.number(key));
  }
}

void Metrics::take_vrrp(const Row& row) {
  const std::string its =
      labels({{"name", row.get("name")}, {"interface", row.get("link")}, {"vrid", row.get("vrid")}});
  if (!vrrp_.add(row, its)) return;
  for (const char* const state : {"initialize", "backup", "master", "fault"}) {
    vrrp_state_.add(0, its + ',' + labels({{"state", state}}), row.get("state") == state ? 1 : 0);
  }
  add_kinds(vrrp_refused_, its, "reason", row.get("refused-for"));
}

std::string Metrics::text() const {
  std::string out;
  Families ipvs(kIpvs), rivals(kRivals), left_out(kLeftOut);
  Families up(kUp);
  up.add(0, "", any_);
  for (size_t i = 0; any_ && i < totals_.size(); ++i) ipvs.add(i, "", totals_[i]);
  ipvs.write(out);
  backends_.write(out);
  for (const auto& [its, count] : rivals_) rivals.add(0, its, count);
  up.write(out);
  for (const Families* const one : {&build_, &daemon_, &fast_, &gave_way_, &service_of_, &refused_, &latencies_,
                                    &server_, &state_, &exits_, &link_, &lost_, &vrrp_, &vrrp_state_, &vrrp_refused_,
                                    &sync_, &sync_refused_, &vip_, static_cast<const Families*>(&rivals)}) {
    one->write(out);
  }
  left_out.add(0, labels({{"what", "services"}}), services_out_);
  left_out.add(0, labels({{"what", "servers"}}), servers_out_);
  left_out.add(0, labels({{"what", "vips"}}), vips_out_);
  left_out.write(out);
  return out;
}

}  // namespace

std::string metrics_text(const Rows& rows) {
  Metrics metrics;
  for (const std::string& line : rows) metrics.take(Row(line));
  return metrics.text();
}

}  // namespace rawvs::adm
