// SPDX-License-Identifier: BSD-2-Clause
// words_top.cpp: top: waiting, keys and the screen; top.h has the contents.
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "end_signals.h"
#include "top.h"
#include "word_args.h"

namespace rawvs::adm {

namespace {

double clock_seconds() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

class Keyboard {  // reads single keys without echo while it exists
 public:
  Keyboard() {
    if (isatty(STDIN_FILENO) == 0 || tcgetpgrp(STDIN_FILENO) != getpgrp()) return;
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    now.c_cc[VMIN] = 1;
    ours_ = tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
  }
  ~Keyboard() {
    if (ours_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;
  int fd() const { return ours_ ? STDIN_FILENO : -1; }

 private:
  termios before_{};
  bool ours_ = false;
};

// Waits until this instant. False: q was typed, or a signal came.
bool wait_until(double until, const Keyboard& keyboard, const EndSignals& signals) {
  int keys = keyboard.fd();
  for (;;) {
    const double left = until - clock_seconds();
    if (left <= 0) return true;
    pollfd wanted[] = {{signals.fd(), POLLIN, 0}, {keys, POLLIN, 0}};
    if (poll(wanted, 2, static_cast<int>(left * 1000) + 1) < 0 && errno != EINTR) return false;
    if (wanted[0].revents != 0) return signals.take(), false;
    if (wanted[1].revents == 0) continue;
    char key = 0;
    if (read(keys, &key, 1) != 1) keys = -1;  // the terminal is closed
    if (key == 'q' || key == 'Q') return false;
  }
}

size_t screen_lines() {
  constexpr size_t kUsual = 24;
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : kUsual;
}

struct Wanted {
  double interval = 2;
  uint64_t count = 0;  // 0: until the end
  Top::Key key = Top::Key::conns;
};

Result<Wanted> read_wanted(const WordArgs& args) {
  constexpr double kLeast = 0.1, kMost = 3600;
  Wanted wanted;
  if (args.has("interval")) {
    const std::string found = args.value("interval");
    char* end = nullptr;
    wanted.interval = std::strtod(found.c_str(), &end);
    if (end == found.c_str() || *end != '\0' || !(wanted.interval >= kLeast && wanted.interval <= kMost)) {
      return Error{"--interval: found \"" + found + "\", expected seconds, 0.1 to 3600"};
    }
  }
  const auto count = read_count(args, "count", 1, 1'000'000'000, 0);
  if (!count) return count.error();
  wanted.count = *count;
  if (!args.has("sort")) return wanted;
  const auto key = Top::key(args.value("sort"));
  if (!key) {
    return Error{"--sort: found \"" + args.value("sort") +
                 "\", expected conns, inpkts, outpkts, inbytes, outbytes or active"};
  }
  wanted.key = *key;
  return wanted;
}

}  // namespace

int top_word(WordCall& call) {
  const auto args = read_args(call, {{"interval"}, {"count"}, {"sort"}});
  if (!args) return wrong(call, args.error().text);
  const auto wanted = read_wanted(*args);
  if (!wanted) return wrong(call, wanted.error().text);
  const bool screen = isatty(STDOUT_FILENO) != 0 && !call.json;
  const Keyboard keyboard;
  const EndSignals signals;
  Top top;
  for (uint64_t shown = 0; wanted->count == 0 || shown < wanted->count;) {
    Rows rows;
    if (const Status status = ask(call, "list", rows)) return *status;
    const double now = clock_seconds();
    top.take(rows, now);
    if (top.has_rates()) {
      constexpr char kClear[] = "\033[H\033[2J";
      const std::string text =
          call.json ? top.json(wanted->key).line()
                    : top.text(wanted->key, screen ? screen_lines() : SIZE_MAX, clock_text(std::time(nullptr)));
      print((screen ? kClear : shown > 0 && !call.json ? "\n" : "") + text);
      if (std::ferror(stdout) != 0) return 0;  // main() reports it
      if (++shown == wanted->count) break;
    } else if (screen) {
      print("Counting ...\n");
    }
    if (!wait_until(now + wanted->interval, keyboard, signals)) break;
  }
  return 0;
}

}  // namespace rawvs::adm
