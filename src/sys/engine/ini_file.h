// SPDX-License-Identifier: BSD-2-Clause
// ini_file.h: reads and checks a configuration file on disk in portions.
// In:  a path.
// Out: the Config, or every fault of the file; warnings.
#pragma once

#include <optional>
#include <string>

#include "config/config_reader.h"
#include "sys/fd.h"

namespace rawvs {

class IniFile {
 public:
  explicit IniFile(std::string path);
  IniFile(std::string path, Fd opened);  // path: for messages. Others may read the same descriptor
  ~IniFile() = default;
  IniFile(const IniFile&) = delete;
  IniFile& operator=(const IniFile&) = delete;

  bool step(size_t work);  // about `work` lines or items; true when all is done
  // REQUIRES: step() has returned true.
  Result<Config> take();  // call it before findings()
  const Findings& findings() const { return findings_; }
  const std::string& exposed() const { return exposed_; }  // a warning if every user can read its secret

 private:
  bool read_some();
  void fail(const std::string& text);

  std::string path_;
  Fd fd_;
  size_t size_ = 0;
  bool open_to_all_ = false;  // users other than the owner and the file's group can read it
  ConfigReader reader_;
  std::optional<Error> broken_;  // the file cannot be read
  Findings findings_;
  std::string exposed_;
};

}  // namespace rawvs
