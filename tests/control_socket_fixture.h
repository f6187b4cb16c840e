// SPDX-License-Identifier: BSD-2-Clause
// control_socket_fixture.h: a control socket, and clients of it in the same thread, so that waiting shows.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "own_folder.h"
#include "sys/engine/control_socket.h"

namespace rawvs {

inline constexpr size_t kLongListing = 200;  // pieces of kPieceMost bytes: more than a socket holds

class ControlClient {
 public:
  explicit ControlClient(const std::string& path) : fd_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ControlClient(ControlClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  ControlClient& operator=(ControlClient&& other) noexcept {
    std::swap(fd_, other.fd_), std::swap(connected_, other.connected_);
    return *this;
  }
  ~ControlClient() {
    if (fd_ >= 0) close(fd_);
  }
  bool connected() const { return connected_; }
  bool say(const std::string& text) {
    return ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  void say_no_more() { shutdown(fd_, SHUT_WR); }
  std::string hear() {  // the next message; "" = none yet, "EOF" = the other side is gone
    std::string text(kPieceMost + 1, '\0');
    const ssize_t got = recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
    if (got <= 0) return got == 0 || errno != EAGAIN ? "EOF" : "";
    text.resize(static_cast<size_t>(got));
    return text;
  }
  int fd() const { return fd_; }

 private:
  int fd_;
  bool connected_ = false;
};

class ControlSocketTest : public testing::Test {
 protected:
  void TearDown() override {
    unlink(path_.c_str());
    EXPECT_TRUE(std::filesystem::is_empty(own_.path())) << "something was left behind in " << own_.path();
  }
  std::unique_ptr<ControlSocket> listen_here() {
    auto made = ControlSocket::listen(path_, "");
    EXPECT_TRUE(made) << (made ? "" : made.error().text);
    return made ? std::move(*made) : nullptr;
  }
  std::string refusal(const std::string& path, const std::string& group = "") {
    const auto made = ControlSocket::listen(path, group);
    return made ? "it listens" : made.error().text;
  }
  // The reply to a request is its size; to "long", very many pieces.
  Conversation reply_to(std::string_view request) {
    RowSources rows;
    if (request == "long") {
      rows.push_back(rows_from([this, left = kLongListing](std::string& row, Director&, Instant) mutable {
        if (left-- == 0) return RowSource::Next::end;
        ++long_pieces_;
        row.assign(kPieceMost - 1, 'x');
        return RowSource::Next::row;
      }));
    } else {
      rows.push_back(text_rows("got", {std::to_string(request.size())}));
    }
    return Conversation(std::move(rows));
  }
  void serve(ControlSocket& socket, int turns = 1) {
    for (int i = 0; i < turns; ++i) {
      socket.serve([this](std::string_view request,
                          const Operator& who) { return asked_by_.push_back(who.text), reply_to(request); },
                   [this](Conversation& c) { return c.next(director_, now_); }, now_);
    }
  }
  static std::string got(size_t size) { return "ok\ngot text=" + std::to_string(size) + "\nend\n"; }
  static bool ready(const ControlSocket& socket) {
    pollfd p{socket.fd(), POLLIN, 0};
    return poll(&p, 1, 0) == 1;
  }
  test::OwnFolder own_;
  const std::string folder_ = own_.path(), path_ = own_.at("rawvs.sock");
  Instant now_{1h};
  Director director_{Settings{.max_connections = 16}, HashKey{1, 2}, now_};
  size_t long_pieces_ = 0;
  std::vector<std::string> asked_by_;
};

}  // namespace rawvs
