// SPDX-License-Identifier: BSD-2-Clause
// probe_exec.cpp: checks by a program: its exit status is the verdict, its last line the reason.
//
// It runs in its own session and process group, and all of the group is killed when the probe ends; only a process that
// makes its own session escapes. A pidfd (Linux 5.3) reports its end, otherwise it is polled: SIGCHLD is not handled.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "sys/probe/probe.h"
#include "sys/probe/probe_program.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434  // missing from older headers; equal on all supported architectures
#endif

constexpr Duration kLooking = 20ms;  // between polls for its end without a pidfd
constexpr int kPiecesAtEnd = 64;     // read after its end: a pipe holds no more

std::vector<std::string> words_of_line(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    const size_t blank = line.find(' ');
    if (blank != 0) words.emplace_back(line.substr(0, blank));
    line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
  }
  return words;
}

void kill_group(pid_t leader) { static_cast<void>(kill(-leader, SIGKILL)); }

class LastLine {  // of a program's output
 public:
  void take(std::string_view piece) {
    for (const char c : piece) {
      if (c == '\n') {
        if (!line_.empty()) last_ = std::move(line_);
        line_.clear();
      } else if (c != '\r' && line_.size() < kMost) {
        line_ += c;
      }
    }
  }
  const std::string& text() const { return line_.empty() ? last_ : line_; }

 private:
  static constexpr size_t kMost = 200;
  std::string line_, last_;
};

class ExecProbe final : public Probe {
 public:
  ExecProbe(ProbeJobPtr job, Departed& departed) : Probe(std::move(job)), departed_(departed) {}
  ~ExecProbe() override;
  std::optional<ProbeOutcome> begin() override;
  std::optional<ProbeOutcome> go_on() override;
  ProbeOutcome late() override;
  int fd() const override { return epoll_.get(); }
  Duration look_again() const override { return pidfd_ ? Duration::max() : kLooking; }

 private:
  bool watch(int fd);
  bool read_piece();
  std::string with_line(const std::string& text) const;
  ProbeOutcome verdict(int status) const;

  Departed& departed_;
  Fd epoll_;  // for output and pidfd
  Fd pipe_, pidfd_;
  pid_t pid_ = -1;
  LastLine said_;
};

ExecProbe::~ExecProbe() {
  if (pid_ < 0) return;
  kill_group(pid_);
  departed_.add(pid_);
  departed_.collect();
}

bool ExecProbe::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

std::optional<ProbeOutcome> ExecProbe::begin() {
  const auto user = find_user(job_->spec.user);
  if (!user) return not_asked(user.error().text);
  const ProbeTarget& target = job_->target;
  const std::vector<std::string> environment = {
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
      "RAWVS_SERVER=" + text(target.server.addr),
      "RAWVS_PORT=" + std::to_string(target.server.port.value),
      "RAWVS_VIP=" + text(target.vip),
      "RAWVS_SERVICE=" + target.service,
  };
  auto program = run_program(words_of_line(job_->spec.program), environment, &*user);
  if (!program) return not_asked(program.error().text);
  pid_ = program->pid;
  pipe_ = std::move(program->output);
  pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));  // close-on-exec by definition
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_ || !watch(pipe_.get()) || (pidfd_ && !watch(pidfd_.get())))
    return not_asked(system_error("epoll", errno));
  return std::nullopt;
}

// False: nothing to read now, or ever.
bool ExecProbe::read_piece() {
  if (!pipe_) return false;
  std::array<char, 4096> piece;
  const ssize_t got = read(pipe_.get(), piece.data(), piece.size());
  if (got > 0) said_.take({piece.data(), static_cast<size_t>(got)});
  // A program that closes its output and runs on must not keep the descriptor readable.
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) pipe_.reset();
  return got > 0;
}

std::optional<ProbeOutcome> ExecProbe::go_on() {
  read_piece();
  siginfo_t info{};
  // Does not collect the status: until then no other process gets this number, and the group can be killed by it.
  const int asked = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  if (asked == 0 && info.si_pid == 0) return std::nullopt;
  for (int i = 0; i < kPiecesAtEnd && read_piece(); ++i) continue;
  kill_group(pid_);
  int status = 0;
  const bool known = asked == 0 && waitpid(pid_, &status, 0) == pid_;
  pid_ = -1;
  return known ? verdict(status) : not_asked("how it ended is not known: SIGCHLD is ignored");
}

std::string ExecProbe::with_line(const std::string& text) const {
  return said_.text().empty() ? text : text + ": " + said_.text();
}

ProbeOutcome ExecProbe::verdict(int status) const {
  if (WIFSIGNALED(status)) return ill(with_line("killed by signal " + std::to_string(WTERMSIG(status))));
  const int code = WEXITSTATUS(status);
  std::string text = with_line("exit status " + std::to_string(code));
  return code == 0 ? well(std::move(text)) : ill(std::move(text));
}

ProbeOutcome ExecProbe::late() {
  read_piece();
  return ill(with_line("no end within " + patience()));
}

}  // namespace

Departed::~Departed() {
  for (int tries = 0; tries < 20 && !pids_.empty(); ++tries) {
    collect();
    if (!pids_.empty()) usleep(1000);  // already killed: a program waiting for a disk is left to init
  }
}

void Departed::collect() {
  std::erase_if(pids_, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
}

std::unique_ptr<Probe> make_exec_probe(ProbeJobPtr job, Departed& departed) {
  return std::make_unique<ExecProbe>(std::move(job), departed);
}

}  // namespace rawvs
