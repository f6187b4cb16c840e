// SPDX-License-Identifier: BSD-2-Clause
// probe_exec.cpp: checks by a program: its exit status is the verdict, its last line the reason.
//
// rawvs-helper runs it, and writes its end to a socket. When that is closed here, it kills the program and its process
// group; only a process that makes its own session escapes.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sys/helper/helper.h"
#include "sys/probe/probe.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr int kPiecesAtEnd = 64;  // read after its end: a pipe holds no more

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
  ExecProbe(ProbeJobPtr job, const Helper& helper) : Probe(std::move(job)), helper_(helper) {}
  std::optional<ProbeOutcome> begin() override;
  std::optional<ProbeOutcome> go_on() override;
  ProbeOutcome late() override;
  int fd() const override { return epoll_.get(); }

 private:
  bool watch(int fd);
  bool read_piece();
  std::string with_line(const std::string& text) const;
  ProbeOutcome verdict(int status) const;

  const Helper& helper_;
  Fd epoll_;  // for output and answers
  Fd pipe_, answers_;
  LastLine said_;
};

bool ExecProbe::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

std::optional<ProbeOutcome> ExecProbe::begin() {
  const ProbeTarget& target = job_->target;
  HelperRequest request;
  request.ask = HelperAsk::check;
  request.port = target.server.port.value;
  request.server = {target.server.addr.hi(), target.server.addr.lo()};
  request.vip = {target.vip.hi(), target.vip.lo()};
  if (!put_text(request.program, job_->spec.program) || !put_text(request.user, job_->spec.user))
    return not_asked("program or user: the name is too long");
  put_cut(request.name, target.service);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return not_asked(system_error("pipe", errno));
  pipe_ = Fd(ends[0]);
  const Fd output(ends[1]);
  fcntl(output.get(), F_SETFL, 0);  // the program's end waits for room
  auto asked = helper_.ask(request, output.get());
  if (!asked) return not_asked(asked.error().text);
  answers_ = std::move(*asked);
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_ || !watch(pipe_.get()) || !watch(answers_.get())) return not_asked(system_error("epoll", errno));
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
  const auto heard = hear(answers_);
  if (!heard) return std::nullopt;
  if (!*heard) return not_asked(heard->error().text);
  if ((*heard)->answer.what != HelperAnswer::What::ended) return not_asked((*heard)->text());
  for (int i = 0; i < kPiecesAtEnd && read_piece(); ++i) continue;
  return verdict((*heard)->answer.status);
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

std::unique_ptr<Probe> make_exec_probe(ProbeJobPtr job, const Helper& helper) {
  return std::make_unique<ExecProbe>(std::move(job), helper);
}

}  // namespace rawvs
