// SPDX-License-Identifier: BSD-2-Clause
// ini_file.cpp: reads and checks a configuration file on disk in portions.
#include "sys/engine/ini_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

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

IniFile::IniFile(std::string path, Fd opened) : path_(std::move(path)), fd_(std::move(opened)), reader_(path_) {
  struct stat facts {};
  if (!fd_ || fstat(fd_.get(), &facts) != 0) fail(system_error(path_, errno));
  open_to_all_ = (facts.st_mode & S_IROTH) != 0;
}

void IniFile::fail(const std::string& text) {
  broken_ = Error{text};
  findings_ = {{text}, {}};
}

// False: it cannot be read.
bool IniFile::read_some() {
  std::array<char, kPiece> piece;
  ssize_t got = -1;
  do {
    got = pread(fd_.get(), piece.data(), piece.size(), static_cast<off_t>(size_));
    if (got < 0 && errno == ESPIPE) got = read(fd_.get(), piece.data(), piece.size());  // a pipe
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail(system_error(path_, errno)), false;
  if (got == 0) return reader_.end(), true;
  size_ += static_cast<size_t>(got);
  if (size_ > kMostConfigBytes) {
    return fail(path_ + ": the file is larger than " + std::to_string(kMostConfigBytes >> 20) + " MB"), false;
  }
  reader_.feed({piece.data(), static_cast<size_t>(got)});
  return true;
}

bool IniFile::step(size_t work) {
  if (broken_) return true;
  for (const size_t until = reader_.worked() + work; reader_.worked() < until;) {
    if (reader_.wants_text() && !read_some()) return true;
    if (reader_.step(until - reader_.worked())) return true;
  }
  return false;
}

Result<Config> IniFile::take() {
  if (broken_) return *broken_;
  findings_ = reader_.findings();
  Result<Config> config = reader_.take();
  if (const auto unfit = config ? unfit_interface(*config) : std::nullopt) {
    config = at(path_, *unfit);
    findings_.faults.push_back(config.error().text);
  }
  if (config && open_to_all_ && has_secret(*config)) {
    exposed_ = path_ + ": every user can read this file, and it holds a secret: chmod 600 " + path_;
    findings_.warnings.insert(findings_.warnings.begin(), exposed_);
  }
  return config;
}

}  // namespace rawvs
