// SPDX-License-Identifier: BSD-2-Clause
// control_rows_ini.cpp: the rows of `ini`: the present tables as a configuration file.

#include <utility>

#include "control/control_rows.h"
#include "control/control_words.h"

namespace rawvs {
namespace {

constexpr size_t kIniWork = 200;  // lines or items in one piece: some tens of microseconds
constexpr size_t kIniRows = 200;

class IniRows final : public RowSource {
 public:
  IniRows(const ControlContext& context, Secrets secrets) : writer_(*context.config, secrets) {}

  Next next(std::string& row, Director& director, Instant) override {
    std::string line;
    if (!written_) {
      switch (writer_.next(kIniWork, line, director)) {
        case IniWriter::Next::pause: return Next::pause;
        case IniWriter::Next::line: return put_text(row, "line", line);
        case IniWriter::Next::end: written_ = true;
      }
    }
    if (fault_ < writer_.faults().size()) return put_text(row, "unwritable", writer_.faults()[fault_++]);
    if (std::exchange(said_hidden_, true) || !writer_.has_hidden_secrets()) return Next::end;
    row = "hidden";
    return Next::row;
  }
  size_t rows_per_piece() const override { return kIniRows; }

 private:
  static Next put_text(std::string& row, const char* word, const std::string& text) {
    row = word;
    put(row, "text", text);
    return Next::row;
  }

  IniWriter writer_;
  bool written_ = false, said_hidden_ = false;
  size_t fault_ = 0;
};

}  // namespace

std::string ini_text(const Config& config, const Director& director) {
  IniWriter writer(config, Secrets::shown);
  std::string all, line;
  for (IniWriter::Next next{}; next != IniWriter::Next::end; line.clear()) {
    next = writer.next(1000, line, director);
    if (next == IniWriter::Next::line) all += line + '\n';
  }
  return all;
}

std::unique_ptr<RowSource> ini_rows(const ControlContext& context, Secrets secrets) {
  return std::make_unique<IniRows>(context, secrets);
}

}  // namespace rawvs
