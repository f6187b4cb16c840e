// SPDX-License-Identifier: BSD-2-Clause
#include "control/control_warnings.h"

#include <algorithm>

#include "control/control_rows.h"
#include "side/claim.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

void warn(const Call& call, std::string text) {
  call.turn.out.say(Severity::warning, text, Topic::control);
  call.rows.push_back(text_rows("warning", {std::move(text)}));
}

}  // namespace

// IPVS gets marks from a firewall; here only the file's groups define them.
void warn_of_mark(const Call& call, const ServiceKey& key) {
  if (key.mark.value == 0) return;
  const auto carries = [&](const GroupMatch& match) {
    return match.mark == key.mark && match.vip.family() == key.family();
  };
  if (std::ranges::any_of(call.director.services().groups(), carries)) return;
  warn(call,
       formatted("{}: no [group] of the configuration says which packets carry it: this service gets none", text(key)));
}

void warn_of_server(const Call& call, const ServiceKey& key, const ServerSpec& spec) {
  const auto given = parse_endpoint(call.values.text(Key::server));
  if (given && given->port.value != 0 && given->port != spec.at.port) {
    warn(call, formatted("{}: server {}: port {} is ignored: {} keeps the service's, {}", text(key), text(spec.at.addr),
                         given->port.value, name(spec.method), spec.at.port.value));
  }
  const Claims& claims = call.director.claims();
  if (claims.takes(spec.at.addr) && !claims.on_host(spec.at.addr)) {
    warn(call, formatted("{}: server {} is a VIP of this director, and no address of this host: it gets no connections",
                         text(key), text(spec.at)));
  }
}

}  // namespace rawvs
