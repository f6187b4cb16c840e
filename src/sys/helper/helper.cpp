// SPDX-License-Identifier: BSD-2-Clause
// helper.cpp: starts rawvs-helper; sends requests with descriptors. unix(7), cmsg(3).
#include "sys/helper/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "sys/helper/passing.h"
#include "sys/probe/probe_program.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr int kFileWait = 5000, kEndWait = 1000;  // milliseconds

Error ended() { return {"rawvs-helper has ended: restart rawvsd"}; }

struct Pair {
  Fd ours, its;
};
Result<Pair> socket_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return Error{system_error("rawvs-helper: socketpair", errno)};
  return Pair{Fd(ends[0]), Fd(ends[1])};
}

// Keeps nothing but the common socket: whoever reads the daemon's output is to find its end.
[[noreturn]] void become_helper(int socket, const HelperCommand& command, pid_t daemon) {
  std::vector<std::string> words{command.program, command.config, command.keeps_all ? "keep" : "drop",
                                 std::to_string(daemon)};
  words.insert(words.end(), command.to_remove.begin(), command.to_remove.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  // Not dup2() alone: were the two equal, the descriptor would stay close-on-exec.
  if (socket != kHelperFd ? dup2(socket, kHelperFd) < 0 : fcntl(socket, F_SETFD, 0) != 0) _exit(127);
  close_descriptors_from(kHelperFd + 1);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
  if (chdir("/") != 0) _exit(127);
  char* const environment[] = {nullptr};
  execve(command.program.c_str(), argv.data(), environment);
  _exit(127);
}

}  // namespace

Result<Helper> Helper::start(const HelperCommand& command) {
  if (access(command.program.c_str(), X_OK) != 0) return Error{system_error(command.program, errno)};
  auto pair = socket_pair();
  if (!pair) return pair.error();
  const pid_t daemon = getpid(), child = fork();
  if (child < 0) return Error{system_error("rawvs-helper: fork", errno)};
  if (child == 0) become_helper(pair->its.get(), command, daemon);
  if (fcntl(pair->ours.get(), F_SETFL, O_NONBLOCK) != 0) return Error{system_error("rawvs-helper: socket", errno)};
  return Helper(std::move(pair->ours));
}

Helper Helper::inherited() {
  const char* const said = getenv(kHelperVariable);
  const auto fd = descriptor_in(said ? said : "");
  int type = 0;
  socklen_t size = sizeof type;
  if (!fd) return {};
  if (getsockopt(*fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) return {};
  fcntl(*fd, F_SETFD, FD_CLOEXEC);
  return Helper(Fd(*fd));
}

Helper::~Helper() {
  if (!requests_ || fd() <= STDERR_FILENO) return;  // a trial's is another process's
  if (shutdown(fd(), SHUT_WR) != 0) return;
  pollfd end{fd(), POLLIN, 0};
  poll(&end, 1, kEndWait);  // it has removed the files
}

Result<Fd> Helper::ask(const HelperRequest& request, int file) const {
  if (!requests_) return Error{"rawvs-helper, which runs programs, was not started"};
  auto pair = socket_pair();
  if (!pair) return pair.error();
  fcntl(pair->ours.get(), F_SETFL, O_NONBLOCK);
  const std::array<int, 2> fds{pair->its.get(), file};
  const int problem = send_with(fd(), &request, sizeof request, {fds.data(), file < 0 ? size_t{1} : size_t{2}});
  if (problem == 0) return std::move(pair->ours);
  if (problem == EAGAIN) return Error{"rawvs-helper has not taken earlier requests yet"};
  return problem == EPIPE || problem == ECONNRESET ? ended() : Error{system_error("rawvs-helper", problem)};
}

Result<Fd> Helper::open_config() const {
  HelperRequest request;
  request.ask = HelperAsk::config;
  return ask(request);
}

void Helper::renew() const {
  HelperRequest request;
  request.ask = HelperAsk::renew;
  static_cast<void>(ask(request));
}

void Helper::hand_over() {
  if (requests_ && fcntl(fd(), F_SETFD, 0) == 0) setenv(kHelperVariable, std::to_string(fd()).c_str(), 1);
}

void Helper::take_back() {
  unsetenv(kHelperVariable);
  if (requests_) fcntl(fd(), F_SETFD, FD_CLOEXEC);
}

std::string HelperHeard::text() const { return text_of(answer.text).value_or("?"); }

std::optional<Result<HelperHeard>> hear(const Fd& answers) {
  HelperHeard heard;
  std::vector<Fd> files;
  const ssize_t got = receive_with(answers.get(), &heard.answer, sizeof heard.answer, files);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (got != sizeof heard.answer || heard.answer.version != HelperAnswer().version) return ended();
  if (!files.empty()) heard.file = std::move(files[0]);
  return heard;
}

Result<Fd> wait_for_file(const Fd& answers) {
  pollfd ready{answers.get(), POLLIN, 0};
  if (poll(&ready, 1, kFileWait) != 1) return Error{"rawvs-helper does not answer"};
  auto heard = hear(answers);
  if (!heard) return Error{"rawvs-helper does not answer"};
  if (!*heard) return heard->error();
  if (!(*heard)->file) return Error{(*heard)->text()};
  return std::move((*heard)->file);
}

}  // namespace rawvs
