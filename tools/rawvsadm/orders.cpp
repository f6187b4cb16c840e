// SPDX-License-Identifier: BSD-2-Clause
#include "orders.h"

#include <pwd.h>

#include "texts.h"

namespace rawvs::adm {

namespace {

std::string user_name(uint64_t uid) {
  const passwd* const entry = getpwuid(static_cast<uid_t>(uid));
  return entry ? entry->pw_name : "uid " + std::to_string(uid);
}

}  // namespace

// A virtual is meant without a slash, or with nothing behind it. Its service keeps the order for servers that are
// added.
Result<Meant> meant_by(const TableNames& table, const std::string& typed, const Names& hosts) {
  const std::string base = typed.substr(0, typed.find('/'));
  const bool whole = typed.size() <= base.size() + 1;
  auto services = whole && !base.empty() ? table.services(base) : Result<Rows>(Rows());
  auto servers = table.servers(typed, hosts);
  if (!services || services->empty()) {
    if (!servers) return servers.error();
    return Meant{{}, std::move(*servers)};
  }
  if (!servers && table.is_ambiguous(typed)) return servers.error();
  return Meant{std::move(*services), servers ? std::move(*servers) : Rows()};
}

std::vector<std::string> order_requests(const Meant& meant, const std::string& order, const std::string& was) {
  std::vector<std::string> out;
  const std::string ending = " order=" + order + (was.empty() ? "" : " was=" + was);
  for (const std::string& line : meant.services) {
    out.push_back("set-order service=" + std::string(Row(line).get("service")) + ending);
  }
  if (!out.empty()) return out;
  for (const std::string& line : meant.servers) {
    const Row row(line);
    out.push_back("set-order service=" + std::string(row.get("service")) + " server=" + std::string(row.get("server")) +
                  ending);
  }
  return out;
}

std::string order_text(const Row& row) {
  if (!row.has("order")) return "";
  return std::string(row.get("order")) + " by " + user_name(row.number("order-by")) + " since " +
         clock_text(static_cast<time_t>(row.number("order-at")));
}

}  // namespace rawvs::adm
