// SPDX-License-Identifier: BSD-2-Clause
// ini_file.h: reads and checks a configuration file on disk in portions, and the lists of networks that it names.
// In:  a path.
// Out: the Config, or every fault of the file; warnings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config_reader.h"
#include "config/list_reader.h"
#include "sys/fd.h"

namespace rawvs {

class IniFile {
 public:
  enum class Lists : uint8_t { read, ignored };
  explicit IniFile(std::string path);
  // path: for messages. Others may read the same descriptor.
  IniFile(std::string path, Fd opened, Lists lists = Lists::read);
  ~IniFile() = default;
  IniFile(const IniFile&) = delete;
  IniFile& operator=(const IniFile&) = delete;

  bool step(size_t work);  // about `work` lines or items; true when all is done
  // REQUIRES: step() has returned true.
  Result<Config> take();
  const Findings& findings() const { return findings_; }
  const std::string& exposed() const { return exposed_; }  // a warning if every user can read its secret

 private:
  struct Source {  // a file that is read from its beginning to its end
    std::string path;
    Fd fd{};
    size_t size = 0;  // read so far
  };
  template <class Reader>
  static std::optional<Error> read_some(Source& from, Reader& reader);
  bool step_list(size_t work, size_t& worked);
  void open_list(const std::string& path);
  void end_ini();
  void end_list();
  void fail(const Error& error);

  Source ini_;
  bool open_to_all_ = false;  // users other than the owner and the file's group can read it
  Lists lists_;
  ConfigReader reader_;
  std::optional<Result<Config>> config_;  // when the INI file was read
  std::vector<std::string> paths_;        // of the lists that are to be read, the next one last
  Source list_;
  std::optional<ListReader> list_reader_;  // of the list that is being read
  Findings findings_;
  std::string exposed_;
};

}  // namespace rawvs
