// SPDX-License-Identifier: BSD-2-Clause
// service_words.cpp: services, methods and refusals as text.
#include "core/called.h"
#include "core/service.h"
#include "wire/formatted.h"

namespace rawvs {

const char* name(Refusal refusal) {
  switch (refusal) {
    case Refusal::exists: return "exists";
    case Refusal::no_service: return "no-service";
    case Refusal::no_server: return "no-server";
    case Refusal::no_scheduler: return "no-scheduler";
    case Refusal::range: return "range";
    case Refusal::invalid: return "invalid";
    case Refusal::full: return "full";
    case Refusal::unsupported: return "unsupported";
  }
  return "?";
}

const char* name(Method m) {
  switch (m) {
    case Method::masq: return "NAT";
    case Method::local: return "local";
    case Method::tunnel: return "TUN";
    case Method::route: return "DR";
    case Method::fullnat: return "full NAT";
  }
  return "?";
}

std::string text(const ServiceKey& key) {
  if (key.mark.value != 0) {
    return formatted("mark {}{}", key.mark.value, key.family() == Family::ipv6 ? " (IPv6)" : "");
  }
  return formatted("{} {}", name(key.protocol), text(key.vip));
}

std::string called(const ShortName& name, const std::string& address) {
  return name.empty() ? address : formatted("{} ({})", name.text(), address);
}

}  // namespace rawvs
