// SPDX-License-Identifier: BSD-2-Clause
#include "table_names.h"

#include <algorithm>
#include <set>
#include <utility>

#include "command.h"
#include "core/short_name.h"

namespace rawvs::adm {

namespace {

constexpr size_t kNamed = 12;  // in an error

// "a, b, c and 3 more"; each once.
std::string some_of(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kNamed); ++i) out += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kNamed ? out + " and " + std::to_string(names.size() - kNamed) + " more" : out;
}

std::vector<std::string> names_in(const Rows& rows) {
  std::vector<std::string> names;
  for (const std::string& line : rows) {
    if (const Row row(line); row.has("name")) names.emplace_back(row.get("name"));
  }
  return names;
}

}  // namespace

bool may_be_name(const std::string& typed) {
  const size_t slash = std::min(typed.find('/'), typed.size());
  const auto part = [](std::string_view text) { return !ShortName::of(text).empty(); };
  return !parse_ip(typed) && part(typed.substr(0, slash)) && (slash == typed.size() || !parse_network(typed));
}

std::string called_service(const Row& service) {
  return service.has("name") ? std::string(service.get("name")) : service_name(service.get("service"));
}

std::string called_server(const Row& server) { return std::string(server.get(server.has("name") ? "name" : "server")); }

TableNames::TableNames(const Rows& rows) {
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "service") {
      services_.push_back(line), all_.push_back(line);
      called_.emplace(row.get("service"), called_service(row));
    }
    if (row.word() == "server") servers_.push_back(line), all_.push_back(line);
  }
}

std::string TableNames::called_service_of(const Row& row) const {
  const std::string_view key = row.get("service");
  const auto found = called_.find(key);
  return found == called_.end() ? service_name(key) : found->second;
}

bool TableNames::is_virtual(std::string_view name) const {
  return std::ranges::any_of(services_, [&](const std::string& line) { return Row(line).get("name") == name; });
}

Rows TableNames::rows_like(const Rows& servers) const {
  std::set<std::pair<std::string_view, std::string_view>> places;
  for (const std::string& line : servers) places.emplace(Row(line).get("service"), Row(line).get("server"));
  Rows out;
  std::ranges::copy_if(servers_, std::back_inserter(out), [&](const std::string& line) {
    return places.contains({Row(line).get("service"), Row(line).get("server")});
  });
  return out;
}

bool TableNames::is_ambiguous(const std::string& typed) const {
  const auto same = [&](const std::string& line) { return Row(line).get("name") == typed; };
  return is_virtual(typed) && std::ranges::any_of(servers_, same);
}

Error TableNames::unknown(const std::string& typed) const {
  if (parse_ip(typed) || parse_endpoint(typed)) {
    return Error{"no service has a server " + typed + "; see: rawvsadm -Ln"};
  }
  const std::string virtuals = some_of(names_in(services_)), servers = some_of(names_in(servers_));
  std::string what = virtuals.empty() ? "there is no virtual with a name" : "there are the virtuals " + virtuals;
  if (!servers.empty()) what += ", and the servers " + servers;
  return Error{'"' + typed + "\" names nothing here: " + what + "; see: rawvsadm status"};
}

Result<Rows> TableNames::services(const std::string& typed) const {
  Rows meant;
  for (const std::string& line : services_) {
    const Row row(line);
    if (row.get("name") == typed || row.get("service") == typed) meant.push_back(line);
  }
  if (meant.empty() || typed.empty()) return unknown(typed);
  return meant;
}

Result<TableNames::Mark> TableNames::mark(const std::string& typed) const {
  const auto found = services(typed);
  if (!found) return found.error();
  for (const std::string& line : *found) {
    const std::string_view key = Row(line).get("service");
    if (key.starts_with("mark:")) return Mark{std::string(key.substr(5)), false};
    if (key.starts_with("mark6:")) return Mark{std::string(key.substr(6)), true};
  }
  return Error{'"' + typed + "\" has no mark: it is " + service_name(Row(found->front()).get("service"))};
}

// of, server: empty: any. Rows are in the order of the listing, so a service's servers stand together.
Rows TableNames::servers_of(std::string_view of, std::string_view server, const Names& hosts) const {
  std::vector<std::string_view> keys;
  for (const std::string& line : services_) {
    const Row row(line);
    if (row.get("name") == of || row.get("service") == of) keys.push_back(row.get("service"));
  }
  const auto matches = [&](auto fits) {
    Rows meant;
    std::ranges::copy_if(servers_, std::back_inserter(meant), [&](const std::string& line) {
      const Row row(line);
      return (of.empty() || std::ranges::find(keys, row.get("service")) != keys.end()) && fits(row);
    });
    return meant;
  };
  Rows meant = matches([&](const Row& row) { return server.empty() || row.get("name") == server; });
  if (!meant.empty() || server.empty()) return meant;
  const auto place = read_place(std::string(server), Protocol::any, hosts);
  if (!place) return {};
  return matches([&](const Row& row) {
    const auto at = parse_endpoint(row.get("server"));
    return at && at->addr == place->addr && (!place->port || at->port.value == *place->port);
  });
}

std::vector<std::string> TableNames::all_typed() const {
  std::vector<std::string> out;
  std::string of;
  for (const std::string& line : all_) {
    const Row row(line);
    if (row.word() == "service") of = row.get("name");
    if (!of.empty()) out.push_back(row.word() == "service" ? of : of + '/' + called_server(row));
  }
  return out;
}

Result<Rows> TableNames::only(const std::vector<std::string>& typed, const Names& hosts) const {
  std::set<std::string> wanted;  // rows
  for (const std::string& one : typed) {
    const auto its = servers(one, hosts);
    if (its) wanted.insert(its->begin(), its->end());
    const auto of = services(one);
    if (of) wanted.insert(of->begin(), of->end());
    if (!its && !of) return its.error();
  }
  Rows rows;
  std::string head;  // a service that is not among the rows yet
  for (const std::string& line : all_) {
    const bool service = Row(line).word() == "service", meant = wanted.contains(line);
    if (service) head = line;
    if (!meant) continue;
    if (!head.empty()) rows.push_back(std::exchange(head, {}));
    if (!service) rows.push_back(line);
  }
  return rows;
}

Result<Rows> TableNames::servers(const std::string& typed, const Names& hosts) const {
  if (typed.empty()) return unknown(typed);
  const size_t slash = typed.find('/');
  Rows meant;
  if (slash != std::string::npos) {
    const auto of = services(typed.substr(0, slash));
    if (!of) return of.error();
    meant = servers_of(typed.substr(0, slash), typed.substr(slash + 1), hosts);
  } else if (is_virtual(typed)) {
    if (is_ambiguous(typed)) {
      return Error{'"' + typed + "\" is a virtual and a server: write " + typed + "/ for the virtual, or VIRTUAL/" +
                   typed + " for the server"};
    }
    meant = servers_of(typed, "", hosts);
  } else {
    meant = servers_of("", typed, hosts);
  }
  if (meant.empty()) return unknown(typed);
  return meant;
}

}  // namespace rawvs::adm
