// SPDX-License-Identifier: BSD-2-Clause
// words_file.cpp: reload, check, save --ini: the configuration file.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "consequences.h"
#include "json.h"
#include "rawvs/config.h"
#include "rawvs/control.h"
#include "sys/engine/ini_file.h"
#include "texts.h"
#include "word_args.h"

namespace rawvs::adm {

std::string changes_text(const Rows& rows, bool plan) {
  std::string done, pending;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "change") done += std::string(row.tail("text")) + '\n';
    if (row.word() == "pending") pending += "pending: " + std::string(row.tail("text")) + '\n';
  }
  if (done.empty() && pending.empty()) return "Nothing to change.\n";
  return (plan ? "A reload would change:\n" : "") + done + pending;
}

int reload_word(WordCall& call) {
  const auto args = read_args(call, {{"reset", false}, {"dry-run", false}});
  if (!args) return wrong(call, args.error().text);
  const bool plan = args->has("dry-run");
  Rows rows;
  const std::string asked = std::string("reload") + (args->has("reset") ? " reset=1" : "") + (plan ? " plan=1" : "");
  if (const Status status = ask(call, asked, rows)) return *status;
  print(call.json ? json_of(rows, {"change", "pending"}).line() : changes_text(rows, plan));
  return 0;
}

Json list_of(const std::vector<std::string>& texts) {
  Json all = Json::list();
  for (const std::string& text : texts) all.add(Json::text(text));
  return all;
}

// What a reload by the running director would change, if this is its file; none: it is not, or none answers.
std::optional<Rows> running_plan(WordCall& call, const std::string& file) {
  std::string config;
  const auto ask_quietly = [&](const char* command, const Reply::EachRow& each) {
    const auto asked = call.client.ask(std::string(kControlVersion) + ' ' + command, each);
    return asked && !*asked;
  };
  if (!ask_quietly("list", [&](const Row& row) {
        if (row.word() == "daemon") config = row.tail("config");
      })) {
    return std::nullopt;
  }
  struct stat ours {
  }, its{};
  if (stat(file.c_str(), &ours) != 0 || stat(config.c_str(), &its) != 0) return std::nullopt;
  if (ours.st_dev != its.st_dev || ours.st_ino != its.st_ino) return std::nullopt;
  Rows rows;
  if (!ask_quietly("reload plan=1", [&](const Row& row) { rows.emplace_back(row.line()); })) return std::nullopt;
  return rows;
}

std::string running_text(const Rows& plan) {
  if (plan.empty()) return "The running director has this file in effect.\n";
  const auto number = [&](const char* word) {
    return std::ranges::count(plan, word, [](const std::string& line) { return Row(line).word(); });
  };
  const auto changes = number("change");
  return "The running director differs: " + std::to_string(changes) + (changes == 1 ? " change, " : " changes, ") +
         std::to_string(number("pending")) + " pending: rawvsadm reload --dry-run\n";
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
  out.set("faults", list_of(found.faults)).set("more-faults", Json::number(found.more_faults));
  out.set("warnings", list_of(found.warnings)).set("more-warnings", Json::number(found.more_warnings));
  if (!config) {
    if (call.json) print(out.set("error", Json::text(config.error().text)).line());
    return kAnswerIsNo;
  }
  const auto services = wanted_tables(*config).services;
  size_t servers = 0;
  for (const WantedService& service : services) servers += service.servers.size();
  const std::optional<Rows> plan = running_plan(call, file);
  if (call.json) {
    out.set("services", Json::number(services.size())).set("servers", Json::number(servers));
    out.set("vips", list_of(vips_of(*config))).set("memory", Json::number(memory_of(*config)));
    if (plan) out.set("running", json_of(*plan, {"change", "pending"}));
    print(out.line());
    return 0;
  }
  const auto counted = [](size_t n, const char* what) { return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s"); };
  print(file + ": valid: " + counted(services.size(), "virtual service") + ", " + counted(servers, "server") + '\n' +
        consequences_text(*config) + (plan ? running_text(*plan) : ""));
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
