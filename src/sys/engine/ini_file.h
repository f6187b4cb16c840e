// SPDX-License-Identifier: BSD-2-Clause
// ini_file.h: a configuration file on disk, read and checked in portions.
// In:  a path.   Out: the Config, or every fault of the file; what check warns of.
#pragma once

#include <optional>
#include <string>

#include "config/config_reader.h"

namespace rawvs {

class IniFile {
 public:
  explicit IniFile(std::string path);
  ~IniFile();
  IniFile(const IniFile&) = delete;
  IniFile& operator=(const IniFile&) = delete;

  bool step(size_t work);  // about so many lines or items; true when all is done
  // REQUIRES: step() has returned true.
  Result<Config> take();  // then, for findings():
  const Findings& findings() const { return findings_; }
  const std::string& exposed() const { return exposed_; }  // the warning that it shows its secret to every user

 private:
  bool read_some();
  void fail(const std::string& text);

  std::string path_;
  int fd_ = -1;
  size_t size_ = 0;
  bool open_to_all_ = false;  // users who are neither owner nor in the file's group can read it
  ConfigReader reader_;
  std::optional<Error> broken_;  // the file cannot be read
  Findings findings_;
  std::string exposed_;
};

}  // namespace rawvs
