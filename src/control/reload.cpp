// SPDX-License-Identifier: BSD-2-Clause
// reload.cpp: the present tables as a configuration and as a file's text. reload_steps.cpp applies differences.
#include "control/reload.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "config/config_rows.h"
#include "config/config_values.h"
#include "config/spec_words.h"
#include "control/reload_tables.h"
#include "core/service.h"
#include "rawvs/control.h"

namespace rawvs {

void keep_for_restart(const Config& was, Config& next) {
  for (const Row<Config>& row : director_rows()) {
    if (!row.at_start) continue;
    const std::vector<std::string> texts = row.texts(was);
    // Cannot fail: these texts were read before.
    static_cast<void>(row.set(next, texts.empty() ? std::string_view() : std::string_view(texts[0])));
  }
}

void add_index(const std::vector<WantedService>& services, std::optional<SlotHash>& by_key, Portions& walks) {
  walks.each(
      [&services, &by_key] {
        by_key.emplace(static_cast<uint32_t>(services.size()));
        return services.size();
      },
      [&services, &by_key](size_t i) { by_key->add(Services::hash(services[i].spec.key), static_cast<Slot>(i)); });
}

WantedService* find(std::vector<WantedService>& services, const SlotHash& by_key, const ServiceKey& key) {
  const Slot found = by_key.find(Services::hash(key), [&](Slot i) { return services[i].spec.key == key; });
  return found == kNoSlot ? nullptr : &services[found];
}

}  // namespace rawvs
