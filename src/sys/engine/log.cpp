// SPDX-License-Identifier: BSD-2-Clause
// log.cpp: writes lines to syslogd or standard error without waiting. The C library's syslog(3) waits for a syslogd
// that does not read, and packets would wait, too; hence a socket of our own. The format is RFC 3164's, as syslog(3)
// writes.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <span>

#include "sys/fd.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr size_t kLongestLine = 2000;  // bytes; accepted by every syslogd, and less than a pipe takes at once

int syslog_level(Severity severity) {
  switch (severity) {
    case Severity::info: return LOG_INFO;
    case Severity::notice: return LOG_NOTICE;
    case Severity::warning: return LOG_WARNING;
    case Severity::error: return LOG_ERR;
  }
  return LOG_ERR;
}

const char* word(Severity severity) {  // the level shown on standard error
  switch (severity) {
    case Severity::info:
    case Severity::notice: break;
    case Severity::warning: return "warning: ";
    case Severity::error: return "error: ";
  }
  return "";
}

// Opens a pipe or terminal again, to make it non-blocking without changing it for others who write there.
int unwaiting_standard_error() {
  struct stat facts {};
  if (fstat(STDERR_FILENO, &facts) != 0 || !(S_ISFIFO(facts.st_mode) || S_ISCHR(facts.st_mode))) return -1;
  return open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

}  // namespace

class Log::Sink {
 public:
  Sink(To to, const char* path) : to_(to), path_(path) {
    if (to_ == To::standard_error) fd_ = Fd(unwaiting_standard_error());
  }
  void write(Severity severity, std::string_view text);

 private:
  bool put(Severity severity, std::string_view text);  // false: not taken
  bool put_to_syslog(std::span<const char> line);
  bool put_to_standard_error(std::span<const char> line) const;
  bool send_line(std::span<const char> line) const;
  bool connect_to_syslog();

  To to_;
  const char* path_;
  int type_ = SOCK_DGRAM;
  Fd fd_;
  uint64_t lost_ = 0;
};

Log::Sink* Log::newest_ = nullptr;

void Log::Sink::write(Severity severity, std::string_view text) {
  if (lost_ != 0) {
    std::array<char, 80> words;
    const int size = std::snprintf(words.data(), words.size(), "%llu lines before this one were lost: nobody read them",
                                   static_cast<unsigned long long>(lost_));
    if (put(Severity::warning, {words.data(), static_cast<size_t>(size)})) lost_ = 0;
  }
  if (lost_ != 0 || !put(severity, text)) ++lost_;
}

bool Log::Sink::put(Severity severity, std::string_view text) {
  std::array<char, kLongestLine> line;
  size_t size = 0;
  if (to_ == To::syslog) {
    const time_t now = time(nullptr);
    tm local{};
    localtime_r(&now, &local);
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    size = static_cast<size_t>(std::snprintf(
        line.data(), line.size(), "<%d>%s %2d %02d:%02d:%02d rawvsd[%d]: ", LOG_DAEMON | syslog_level(severity),
        kMonths[local.tm_mon], local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec, getpid()));
  } else {
    size = static_cast<size_t>(std::snprintf(line.data(), line.size(), "rawvsd: %s", word(severity)));
  }
  const std::string_view part = text.substr(0, line.size() - size - 1);
  // One event is one line, whatever it quotes.
  std::ranges::transform(part, line.begin() + static_cast<std::ptrdiff_t>(size),
                         [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c; });
  size += part.size();
  line[size] = to_ == To::syslog ? '\0' : '\n';  // on a stream to syslogd, a zero byte ends a line
  const std::span<const char> whole(line.data(), size + 1);
  return to_ == To::syslog ? put_to_syslog(whole) : put_to_standard_error(whole);
}

bool Log::Sink::put_to_standard_error(std::span<const char> line) const {
  const int fd = fd_ ? fd_.get() : STDERR_FILENO;
  pollfd ready{fd, POLLOUT, 0};
  if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return false;
  return ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

// A restarted syslogd has another socket at the same path.
bool Log::Sink::put_to_syslog(std::span<const char> line) {
  if (fd_) {
    if (send_line(line)) return true;
    if (errno == EAGAIN || errno == ENOBUFS) return false;
  }
  return connect_to_syslog() && send_line(line);
}

bool Log::Sink::send_line(std::span<const char> line) const {
  const size_t size = type_ == SOCK_DGRAM ? line.size() - 1 : line.size();
  const ssize_t sent = send(fd_.get(), line.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0 && static_cast<size_t>(sent) != size) errno = EPIPE;  // a line was cut on a stream: reconnect
  return sent == static_cast<ssize_t>(size);
}

bool Log::Sink::connect_to_syslog() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_, sizeof address.sun_path - 1);
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    fd_ = Fd(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    type_ = type;
    if (fd_ && connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
    if (errno != EPROTOTYPE) break;
  }
  fd_.reset();
  return false;
}

Log::Log(To to, bool verbose, const char* socket)
    : sink_(std::make_unique<Sink>(to, socket)), events_(std::make_unique<Events>()), verbose_(verbose) {
  newest_ = sink_.get();
}

Log::~Log() {
  if (newest_ == sink_.get()) newest_ = nullptr;
}

void Log::write(Severity severity, std::string_view text, Topic topic) const {
  if (severity != Severity::info) {
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    events_->add(std::chrono::duration_cast<std::chrono::milliseconds>(wall).count(), severity, topic, text);
  }
  if (severity != Severity::info || verbose_) sink_->write(severity, text);
}

void Log::last_words(std::string_view text) {
  if (newest_ != nullptr) newest_->write(Severity::error, text);
}

}  // namespace rawvs
