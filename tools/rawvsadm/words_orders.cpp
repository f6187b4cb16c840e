// SPDX-License-Identifier: BSD-2-Clause
// words_orders.cpp: undrain, disable, enable: orders about servers that take effect at once.
#include <cstdio>
#include <map>

#include "json.h"
#include "orders.h"
#include "texts.h"
#include "word_args.h"

namespace rawvs::adm {

namespace {

struct Ordering {
  const char* order;  // for set-order
  const char* was;    // the order that it replaces; empty: any
};

std::string place_of(const Row& row) { return std::string(row.get("service")) + ' ' + std::string(row.get("server")); }

// "shop: web2: it was drained by root since ...", or what has changed.
std::string change_text(const TableNames& table, const Row& before, const Row& now) {
  const std::string who = now.word() == "server" ? table.called_service_of(now) + ": " + called_server(now)
                                                 : "all of " + called_service(now) + ", and what is added";
  const std::string was = order_text(before), is = order_text(now);
  if (was == is) return who + (is.empty() ? ": in service as before\n" : ": " + is + ", as before\n");
  if (!is.empty()) return who + ": " + is + (was.empty() ? "" : "; it was " + was) + '\n';
  const std::string state = now.word() == "server" ? server_state(now) : "";
  return who + ": in service again" + (state.empty() ? "" : ": " + state) + "; it was " + was + '\n';
}

// Rows by place, of a service or a server.
std::map<std::string, std::string> by_place(const Rows& rows) {
  std::map<std::string, std::string> out;
  for (const std::string& line : rows) {
    if (Row(line).word() == "service" || Row(line).word() == "server") out.emplace(place_of(Row(line)), line);
  }
  return out;
}

// Servers that keep an order, since undrain is for drained ones.
bool kept(const WordCall& call, const TableNames& table, const Rows& now, const Meant& meant) {
  const auto rows = by_place(now);
  bool any = false;
  for (const std::string& line : meant.servers) {
    const auto found = rows.find(place_of(Row(line)));
    if (found == rows.end() || Row(found->second).get("order") != "disabled") continue;
    const Row row(found->second);
    std::fprintf(stderr, "rawvsadm: %s: %s: %s is %s: expected drained; see: rawvsadm enable\n", call.word,
                 table.called_service_of(row).c_str(), called_server(row).c_str(), order_text(row).c_str());
    any = true;
  }
  return any;
}

int order_word(WordCall& call, const Ordering& as) {
  const auto args = read_args(call, {}, 1, 1);
  if (!args) return wrong(call, args.error().text);
  Rows rows;
  if (const Status status = ask(call, "list", rows)) return *status;
  const TableNames table(rows);
  const auto meant = meant_by(table, args->plain[0], call.names);
  if (!meant) return std::fprintf(stderr, "rawvsadm: %s: %s\n", call.word, meant.error().text.c_str()), kAnswerIsNo;
  for (const std::string& request : order_requests(*meant, as.order, as.was)) {
    if (const Status status = ask(call, request, [](const Row&) {})) return *status;
  }
  Rows now;
  if (const Status status = ask(call, "list", now)) return *status;
  if (call.json) {
    const auto shown = TableNames(now).only(args->plain, call.names);
    print(json_of(shown ? *shown : Rows(), {"service"}).line());
  } else {
    const auto present = by_place(now);
    for (const Rows* const some : {&meant->services, &meant->servers}) {
      for (const std::string& line : *some) {
        const auto found = present.find(place_of(Row(line)));
        if (found != present.end()) print(change_text(table, Row(line), Row(found->second)));
      }
    }
  }
  return *as.was != '\0' && kept(call, table, now, *meant) ? kAnswerIsNo : 0;
}

}  // namespace

int undrain_word(WordCall& call) { return order_word(call, {"none", "drained"}); }
int disable_word(WordCall& call) { return order_word(call, {"disabled", ""}); }
int enable_word(WordCall& call) { return order_word(call, {"none", ""}); }

}  // namespace rawvs::adm
