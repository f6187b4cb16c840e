// SPDX-License-Identifier: BSD-2-Clause
// ini_file.cpp: reads and checks a configuration file on disk in portions.
#include "sys/engine/ini_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/engine/read_memory.h"
#include "sys/net/interface_kind.h"
#include "sys/sys.h"

namespace rawvs {

namespace {

constexpr size_t kPiece = 64 * 1024;

bool has_secret(const Config& config) {
  const auto has_password = [](const VrrpConfig& v) { return !v.spec.password.empty(); };
  return (config.sync && !config.sync->key.empty()) || std::ranges::any_of(config.vrrps, has_password);
}

}  // namespace

IniFile::IniFile(std::string path) : IniFile(path, Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC))) {}

IniFile::IniFile(std::string path, Fd opened, Lists lists)
    : ini_{path, std::move(opened)}, lists_(lists), reader_(std::move(path)) {
  struct stat facts {};
  if (!ini_.fd || fstat(ini_.fd.get(), &facts) != 0) fail({system_error(ini_.path, errno)});
  open_to_all_ = (facts.st_mode & S_IROTH) != 0;
}

void IniFile::fail(const Error& error) {
  config_ = error;
  findings_.faults.push_back(error.text);
  paths_.clear();
}

// Returns why it cannot be read.
template <class Reader>
std::optional<Error> IniFile::read_some(Source& from, Reader& reader) {
  std::array<char, kPiece> piece;
  ssize_t got = -1;
  do {
    got = pread(from.fd.get(), piece.data(), piece.size(), static_cast<off_t>(from.size));
    if (got < 0 && errno == ESPIPE) got = read(from.fd.get(), piece.data(), piece.size());  // a pipe
  } while (got < 0 && errno == EINTR);
  if (got < 0) return Error{system_error(from.path, errno)};
  if (got == 0) return reader.end(), std::nullopt;
  from.size += static_cast<size_t>(got);
  if (from.size > kMostConfigBytes) {
    return Error{from.path + ": the file is larger than " + std::to_string(kMostConfigBytes >> 20) + " MB"};
  }
  reader.feed({piece.data(), static_cast<size_t>(got)});
  return std::nullopt;
}

bool IniFile::step(size_t work) {
  for (size_t worked = 0; worked < work;) {
    if (config_) {
      if (!list_reader_ && paths_.empty()) return true;
      if (!step_list(work, worked)) return false;
      continue;
    }
    if (reader_.wants_text()) {
      if (const auto broken = read_some(ini_, reader_)) return fail(*broken), true;
    }
    const size_t before = reader_.worked();
    if (reader_.step(work - worked)) end_ini();
    worked += reader_.worked() - before;
  }
  return false;
}

void IniFile::end_ini() {
  findings_ = reader_.findings();
  config_ = reader_.take();
  Result<Config>& config = *config_;
  if (const auto unfit = config ? unfit_interface(*config) : std::nullopt) return fail(at(ini_.path, *unfit));
  if (config && open_to_all_ && has_secret(*config)) {
    exposed_ = ini_.path + ": every user can read this file, and it holds a secret: chmod 600 " + ini_.path;
    findings_.warnings.insert(findings_.warnings.begin(), exposed_);
  }
  if (config && lists_ == Lists::read) paths_ = list_paths(*config);
}

// One portion of a list. False: `work` is used up.
bool IniFile::step_list(size_t work, size_t& worked) {
  if (!list_reader_) {
    const std::string path = paths_.back();
    paths_.pop_back();
    ++worked;
    open_list(path);
    return true;
  }
  if (list_reader_->wants_text()) {
    if (const auto broken = read_some(list_, *list_reader_)) return list_reader_.reset(), fail(*broken), true;
  }
  const size_t before = list_reader_->worked();
  if (list_reader_->step(work - worked)) end_list();
  worked += list_reader_ ? list_reader_->worked() - before : 1;
  return worked < work;
}

void IniFile::open_list(const std::string& path) {
  const auto refuse = [&](const std::string& text) { fail({text}); };
  list_ = {path, Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))};
  struct stat facts {};
  if (!list_.fd || fstat(list_.fd.get(), &facts) != 0) return refuse(system_error(path, errno));
  if (!S_ISREG(facts.st_mode)) return refuse(path + ": not a regular file");
  if (const auto memory = has_memory_to_read(path); !memory) return refuse(memory.error().text);
  const std::string& user = (*config_)->user;
  const bool roots = facts.st_uid == 0 && facts.st_gid == 0 && (facts.st_mode & S_IROTH) == 0;
  if (roots && !user.empty() && user != "root") {
    findings_.warnings.push_back(path + ": root alone can read it, and a reload reads it as user " + user + ": chgrp " +
                                 user + ' ' + path + "; chmod g+r " + path);
  }
  list_reader_.emplace(path, std::min(static_cast<size_t>(facts.st_size), kMostConfigBytes));
}

void IniFile::end_list() {
  ListReader reader = std::move(*list_reader_);
  list_reader_.reset();
  if (reader.faults().empty()) {
    if (*config_) (*config_)->lists.push_back(reader.take());
    return;
  }
  Error all;
  for (const std::string& fault : reader.faults()) {
    all.text.append(all.text.empty() ? "" : "\n").append(fault);
    findings_.faults.push_back(fault);
  }
  findings_.more_faults += reader.more_faults();
  config_ = *config_ ? all : Error{config_->error().text + '\n' + all.text};
}

Result<Config> IniFile::take() { return std::move(*config_); }

}  // namespace rawvs
