// SPDX-License-Identifier: BSD-2-Clause
// words_file.cpp: reload, check, save --ini: the configuration file.
#include <cstdio>

#include "json.h"
#include "rawvs/config.h"
#include "sys/engine/ini_file.h"
#include "texts.h"
#include "word_args.h"

namespace rawvs::adm {

std::string changes_text(const Rows& rows) {
  std::string done, pending;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "change") done += std::string(row.tail("text")) + '\n';
    if (row.word() == "pending") pending += "pending: " + std::string(row.tail("text")) + '\n';
  }
  return done.empty() && pending.empty() ? "Nothing to change.\n" : done + pending;
}

int reload_word(WordCall& call) {
  const auto args = read_args(call, {{"reset", false}});
  if (!args) return wrong(call, args.error().text);
  Rows rows;
  if (const Status status = ask(call, args->has("reset") ? "reload reset=1" : "reload", rows)) return *status;
  print(call.json ? json_of(rows, {"change", "pending"}).line() : changes_text(rows));
  return 0;
}

Json list_of(const std::vector<std::string>& texts) {
  Json all = Json::list();
  for (const std::string& text : texts) all.add(Json::text(text));
  return all;
}

int check_word(WordCall& call) {
  const auto args = read_args(call, {}, 1, 1);
  if (!args) return wrong(call, args.error().text);
  const std::string& file = args->plain[0];
  IniFile ini(file);
  while (!ini.step(1 << 20)) continue;
  const Result<Config> config = ini.take();
  const Findings& found = ini.findings();
  for (const std::string& line : found.lines()) std::fprintf(stderr, "rawvsadm: %s\n", line.c_str());
  Json out = Json::object().set("file", Json::text(file)).set("valid", Json::truth(static_cast<bool>(config)));
  out.set("faults", list_of(found.faults)).set("more_faults", Json::number(found.more_faults));
  out.set("warnings", list_of(found.warnings)).set("more_warnings", Json::number(found.more_warnings));
  if (!config) {
    if (call.json) print(out.set("error", Json::text(config.error().text)).line());
    return kAnswerIsNo;
  }
  const auto services = wanted_tables(*config).services;
  size_t servers = 0;
  for (const WantedService& service : services) servers += service.servers.size();
  if (call.json) {
    print(out.set("services", Json::number(services.size())).set("servers", Json::number(servers)).line());
    return 0;
  }
  const auto counted = [](size_t n, const char* what) { return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s"); };
  print(file + ": valid: " + counted(services.size(), "virtual service") + ", " + counted(servers, "server") + '\n');
  return 0;
}

// -n: accepted as for save without --ini; a configuration has numbers in any case.
int ini_word(WordCall& call) {
  const auto args = read_args(call, {{"ini", false}, {"n", false}, {"secrets", false}});
  if (!args) return wrong(call, args.error().text);
  std::string ini;
  bool hidden = false, whole = true;
  const Status status = ask(call, args->has("secrets") ? "ini secrets=1" : "ini", [&](const Row& row) {
    if (row.word() == "hidden") hidden = true;
    if (row.word() == "unwritable") {
      whole = false;
      std::fprintf(stderr, "rawvsadm: save: %s\n", std::string(row.tail("text")).c_str());
    }
    if (row.word() != "line" && row.word() != "part") return;
    ini += row.tail("text");
    if (row.word() == "line") ini += '\n';
  });
  if (status) return *status;
  if (!whole) {
    std::fputs("rawvsadm: save: no file gives this table: nothing is written\n", stderr);
    return kAnswerIsNo;
  }
  print(ini);
  if (hidden) std::fputs("rawvsadm: save: secrets are written as (hidden): put them in, or use --secrets\n", stderr);
  return 0;
}

}  // namespace rawvs::adm
