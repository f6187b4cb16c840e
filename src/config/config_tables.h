// SPDX-License-Identifier: BSD-2-Clause
// config_tables.h: what a Config asks for, made in portions; a Config freed in portions.
// In:  a Config that does not change meanwhile.
// Out: walks, each of which takes about a microsecond for an item. What they fill must outlive them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/portions.h"
#include "rawvs/config.h"

namespace rawvs {

// The mark of each virtual, also those chosen here; 0: the virtual is a service of one address and port.
void add_marks(const Config& config, std::vector<Mark>& marks, Portions& walks);
// marks: of the virtuals; filled when these walks begin.
void add_tables(const Config& config, const std::vector<Mark>& marks, WantedTables& wanted, Portions& walks);
void add_checks(const Config& config, const std::vector<Mark>& marks, std::vector<WantedChecks>& all, Portions& walks);

// The services of a virtual with this mark: one, or one for each protocol.
std::vector<ServiceKey> services_of(const VirtualConfig& v, Mark mark);
// The server's place in a service: a server without a port has the service's.
Endpoint place_of(const ServerSpec& server, Port own);

// Sets the present address of each virtual that follows an interface's. True: one has another than before.
bool set_present_addresses(
    Config& config, const std::function<std::optional<Ip>(const std::string& interface, Family family)>& address_of);

// Copies a configuration. REQUIRES: `to` is new.
void add_copy(const Config& config, Config& to, Portions& walks);

// Frees the sections.
void add_freeing(Config& config, Portions& walks);
size_t most_sections(const Config& config);           // of one kind
void drop_sections(Config& config, Portions& walks);  // one of each kind

}  // namespace rawvs
