// SPDX-License-Identifier: BSD-2-Clause
// called_as.cpp: rawvsadm called as ipvsadm, ipvsadm-save or ipvsadm-restore.
#include "called_as.h"

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace rawvs::adm {

namespace {

struct Buffer {  // for getline()
  char* text = nullptr;
  size_t room = 0;
  Buffer() = default;
  ~Buffer() { std::free(text); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
};

Ending save_help(const std::string& script) {
  return {1, "",
          script +
              ": Script to save the IPVS table to stdout.\n"
              "   With the -n option, prints out the table in numeric format.\n"};
}

// Ignores arguments that are no options.
std::variant<Called, Ending> save_script(const std::string& script, const std::vector<std::string>& args) {
  std::vector<std::string> wanted = {"-S"};
  for (const std::string& arg : args) {
    if (arg == "-n") {
      wanted.resize(1), wanted.push_back(arg);
    } else if (arg.starts_with('-')) {
      return save_help(script);
    }
  }
  return Called{"ipvsadm", true, {{wanted, nullptr}}};
}

// Reads everything before the table is cleared, so that `ipvsadm-save | ipvsadm-restore` keeps it. A line that begins
// with # is a comment; arguments are ignored.
Called restore_script(const Lines& input) {
  std::vector<std::string> kept;
  while (auto line = input()) {
    if (!line->starts_with('#')) kept.push_back(*std::move(line));
  }
  Lines lines = [kept = std::move(kept), next = size_t{0}]() mutable -> std::optional<std::string> {
    return next < kept.size() ? std::optional(kept[next++]) : std::nullopt;
  };
  return {"ipvsadm", true, {{{"-C"}, nullptr}, {{"-R"}, std::move(lines)}}};
}

}  // namespace

Lines standard_input() {
  return [buffer = std::make_shared<Buffer>()]() -> std::optional<std::string> {
    const ssize_t size = getline(&buffer->text, &buffer->room, stdin);
    if (size < 0) return std::nullopt;
    return std::string(buffer->text, static_cast<size_t>(size));
  };
}

std::variant<Called, Ending> called_as(const std::string& name, std::vector<std::string> args, const Lines& input) {
  const std::string base = name.substr(name.rfind('/') + 1);
  if (base == "ipvsadm-save") return save_script(base, args);
  if (base == "ipvsadm-restore") return restore_script(input);
  // ipvsadm's messages have the name that it was called by; rawvsadm's always "rawvsadm".
  const bool ipvsadm = base == "ipvsadm";
  return Called{ipvsadm ? name : base, ipvsadm, {{std::move(args), input}}};
}

}  // namespace rawvs::adm
