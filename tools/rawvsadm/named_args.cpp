// SPDX-License-Identifier: BSD-2-Clause
// named_args.cpp: the table's names in the filters and addresses of a command line, as addresses.
#include <algorithm>

#include "table_names.h"
#include "word_args.h"

namespace rawvs::adm {

namespace {

Error several(const std::string& typed, const char* what) {
  return Error{'"' + typed + "\" stands for several " + what + ": expected one, by its address"};
}

// A name that the table does not have is left as it is: it may be a host's.
Result<Done> name_server(const TableNames& table, std::string& value, const Names& hosts) {
  if (!may_be_name(value)) return Done{};
  const auto found = table.servers(value, hosts);
  if (!found) return value.find('/') == std::string::npos ? Result<Done>(Done{}) : found.error();
  const std::string_view first = Row(found->front()).get("server");
  const auto same = [&](const std::string& line) { return Row(line).get("server") == first; };
  if (!std::ranges::all_of(*found, same)) return several(value, "servers");
  value = first;
  return Done{};
}

}  // namespace

Result<Done> vip_of(const TableNames& table, std::string& value) {
  if (!may_be_name(value)) return Done{};
  const auto found = table.services(value);
  if (!found) return found.error();
  const std::string_view key = Row(found->front()).get("service");
  if (key.starts_with("mark")) {
    return Error{'"' + value + "\" is a group of ports: expected one of its addresses, as IP:PORT"};
  }
  if (found->size() > 1) return several(value, "services");
  value = key.substr(key.find(':') + 1);
  return Done{};
}

Result<Done> put_addresses(WordCall& call, WordArgs& args) {
  const auto is_name = [&](const char* option) { return args.has(option) && may_be_name(args.value(option)); };
  if (!is_name("server") && !is_name("vip")) return Done{};
  Rows rows;
  if (ask(call, "list", rows)) return Error{"the names of servers are not known"};
  const TableNames table(rows);
  if (is_name("server")) {
    if (const auto done = name_server(table, args.options["server"], call.names); !done) {
      return at("--server", done.error());
    }
  }
  if (!is_name("vip")) return Done{};
  // A host's name, if the table has no such virtual.
  std::string vip = args.value("vip");
  if (table.services(vip)) {
    if (const auto done = vip_of(table, vip); !done) return at("--vip", done.error());
  }
  args.options["vip"] = vip;
  return Done{};
}

}  // namespace rawvs::adm
