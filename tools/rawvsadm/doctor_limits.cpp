// SPDX-License-Identifier: BSD-2-Clause
// doctor_limits.cpp: services that refuse clients because of their limits.
#include <array>

#include "doctor.h"
#include "rawvs/addr.h"

namespace rawvs::adm {
namespace {

struct LimitWords {
  std::string_view exit;
  const char* key;
  uint64_t ServiceFacts::*limit;
};
constexpr std::array<LimitWords, 4> kLimits{{{"service-full", "max_connections", &ServiceFacts::max_connections},
                                             {"service-rate", "max_rate", &ServiceFacts::max_rate},
                                             {"client-full", "client_connections", &ServiceFacts::client_connections},
                                             {"client-rate", "client_rate", &ServiceFacts::client_rate}}};

// Of "service-full:3,client-rate:5" the number of one.
uint64_t count_of(std::string_view kinds, std::string_view exit) {
  while (!kinds.empty()) {
    const std::string_view one = kinds.substr(0, kinds.find(','));
    kinds.remove_prefix(std::min(kinds.size(), one.size() + 1));
    if (one.size() > exit.size() && one.starts_with(exit) && one[exit.size()] == ':')
      return parse_number(one.substr(exit.size() + 1), UINT64_MAX).value_or(0);
  }
  return 0;
}

}  // namespace

std::string look_at_limits(const DoctorFacts& facts, Findings& findings) {
  size_t limited = 0;
  for (const ServiceFacts& service : facts.daemon.services) {
    bool any = false;
    for (const LimitWords& words : kLimits) {
      const uint64_t limit = service.*words.limit, refused = count_of(service.refused, words.exit);
      any = any || limit != 0;
      if (limit == 0 || refused == 0) continue;
      const bool now = words.exit == "service-full" && service.counted >= limit;
      findings.push_back(
          {now ? Urgency::warning : Urgency::note, std::string(words.exit),
           called(service) + ": " + std::to_string(refused) + " packets of new connections were dropped: " + words.key +
               " = " + std::to_string(limit) + (now ? ", as many as there are now" : ""),
           "these clients wait, or get no answer",
           std::string("if these are clients: raise ") + words.key + " in its [virtual], and type: rawvsadm reload"});
    }
    if (service.takes_nobody) {
      findings.push_back({Urgency::error, "allows-nobody", called(service) + ": its allow lists have no network",
                          "every new client is dropped",
                          "put networks into the files of allow_file, and type: rawvsadm reload"});
    }
    limited += any;
  }
  return limited == 0 ? "" : plural(limited, "service") + " with limits, which have room";
}

}  // namespace rawvs::adm
