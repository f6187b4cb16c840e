// SPDX-License-Identifier: BSD-2-Clause
// control_changes.cpp: records as lists of fields, and their differences, in the words of rawvs.ini(5).
#include "control/control_changes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "config/config_values.h"
#include "config/spec_words.h"
#include "core/called.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

using Fields = std::vector<std::pair<const char*, std::string>>;

Fields fields(const ServiceSpec& s) {
  const std::string flags = flags_text(s.scheduler, s.flags);
  return {{"scheduler", name(s.scheduler)},
          {"scheduler_flags", flags.empty() ? "none" : flags},
          {"persistence", text(s.persistence)},
          {"netmask", mask_text(s.netmask, s.key.family())},
          {"one_packet", s.one_packet ? "1" : "0"}};
}

std::string tunnel_text(const ServerSpec& s) {
  if (s.method != Method::tunnel) return "none";
  std::string out(word(s.tunnel.type));
  if (s.tunnel.port.value != 0) out += formatted(":{}", s.tunnel.port.value);
  if (s.tunnel.type != TunnelType::ipip) out += formatted(" checksum {}", word(s.tunnel.checksum));
  return out;
}

Fields fields(const ServerSpec& s) {
  return {{"weight", std::to_string(s.weight)},
          {"forward", std::string(forward_word(s.method))},
          {"upper", std::to_string(s.upper)},
          {"lower", std::to_string(s.lower)},
          {"tunnel", tunnel_text(s)},
          {"mac", s.mac ? text(*s.mac) : "none"},
          {"proxy_protocol", s.proxy ? "2" : "none"}};
}

Fields fields(const Timeouts& t) { return {{"tcp", text(t.tcp)}, {"tcpfin", text(t.tcpfin)}, {"udp", text(t.udp)}}; }

std::string difference(const Fields& was, const Fields& is) {
  std::string out;
  for (size_t i = 0; i < is.size(); ++i) {
    if (was[i].second == is[i].second) continue;
    out += formatted("{}{} {} -> {}", out.empty() ? "" : ", ", is[i].first, was[i].second, is[i].second);
  }
  return out;
}

}  // namespace

std::string called_service(const Services& services, const ServiceKey& key) {
  return called(services.from_file(key).name, text(key));
}

std::string with_name_first(const ServerSpec& spec) {
  ServerSpec plain = spec;
  plain.name = {};
  const std::string all = text(plain);
  const size_t end = std::min(all.find(' '), all.size());
  return called(spec.name, all.substr(0, end)) + all.substr(end);
}

std::string record(const ServiceSpec& spec) {
  const Fields plain = fields(ServiceSpec{.key = spec.key, .scheduler = spec.scheduler}), all = fields(spec);
  std::string out = formatted("{}={}", all[0].first, all[0].second);
  for (size_t i = 1; i < all.size(); ++i) {
    if (all[i].second != plain[i].second) out += formatted(" {}={}", all[i].first, all[i].second);
  }
  return out;
}

std::string difference(const ServiceSpec& was, const ServiceSpec& is) { return difference(fields(was), fields(is)); }
std::string difference(const ServerSpec& was, const ServerSpec& is) { return difference(fields(was), fields(is)); }
std::string difference(const Timeouts& was, const Timeouts& is) { return difference(fields(was), fields(is)); }

}  // namespace rawvs
