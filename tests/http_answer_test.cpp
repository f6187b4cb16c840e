// SPDX-License-Identifier: BSD-2-Clause
// Tests http_answer.h: answers whole, cut at every place, hostile.
#include "wire/http_answer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rawvs {
namespace {

using Stage = HttpAnswer::Stage;

Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

HttpAnswer heard(std::string_view text, size_t piece = SIZE_MAX) {
  HttpAnswer answer;
  for (size_t at = 0; at < text.size();) {
    const std::string_view next = text.substr(at, piece);
    // A copy of just this size, so that the sanitizer sees every read behind it.
    const std::vector<char> copy(next.begin(), next.end());
    answer.take(bytes_of({copy.data(), copy.size()}));
    at += next.size();
  }
  return answer;
}

constexpr std::string_view kSized =
    "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello, and more";
constexpr std::string_view kChunked =
    "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 503 No\r\ntransfer-ENCODING: gzip, Chunked\r\nContent-Length: "
    "1\r\n\r\n"
    "3\r\nhel\r\nB;name=\"v\"\r\nlo\r\n3\r\nworl\r\n01\r\nd\r\n0\r\nTrailer: t\r\n\r\n";

TEST(HttpAnswer, IsTheSameHoweverItsBytesCome) {
  for (size_t piece = 1; piece < 50; ++piece) {
    const HttpAnswer sized = heard(kSized, piece);
    EXPECT_EQ(sized.stage(), Stage::over) << piece;
    EXPECT_EQ(sized.status(), 200);
    EXPECT_EQ(sized.body(), "hello");
    const HttpAnswer chunked = heard(kChunked, piece);
    EXPECT_EQ(chunked.stage(), Stage::over) << piece << chunked.fault();
    EXPECT_EQ(chunked.status(), 503) << "a 100 is not the answer";
    EXPECT_EQ(chunked.body(), "hello\r\n3\r\nworld") << "chunk sizes are not text";
  }
}

TEST(HttpAnswer, HasItsStatusBeforeItsHeadersAndItsHeadersBeforeItsBody) {
  HttpAnswer answer = heard("HTTP/1.0 404");
  EXPECT_EQ(answer.stage(), Stage::status);
  EXPECT_EQ(answer.status(), 0);
  answer.take(bytes_of("\n"));  // no reason, and no CR
  EXPECT_EQ(answer.stage(), Stage::headers);
  EXPECT_EQ(answer.status(), 404);
  answer.take(bytes_of("A: b\n\nsome"));
  EXPECT_EQ(answer.stage(), Stage::body);
  EXPECT_EQ(answer.body(), "some");
  answer.take(bytes_of(" text"));
  answer.ended();
  EXPECT_EQ(answer.stage(), Stage::over);
  EXPECT_EQ(answer.body(), "some text");
}

TEST(HttpAnswer, HasNoBodyWhenItsStatusSaysSo) {
  for (const std::string status : {"204 No", "304 No", "101 Switching"}) {
    const HttpAnswer answer = heard("HTTP/1.1 " + status + "\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(answer.stage(), Stage::over) << status;
  }
  EXPECT_EQ(heard("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").stage(), Stage::over);
}

TEST(HttpAnswer, KeepsFourKilobytesOfBody) {
  const std::string head = "HTTP/1.1 200 OK\r\n\r\n", body(HttpAnswer::kMostBody, 'x');
  HttpAnswer answer = heard(head + body.substr(1));
  EXPECT_EQ(answer.stage(), Stage::body);
  answer.take(bytes_of("yz"));
  EXPECT_EQ(answer.stage(), Stage::over);
  EXPECT_EQ(answer.body(), body.substr(1) + "y");
  answer.take(bytes_of(body));
  EXPECT_EQ(answer.body().size(), HttpAnswer::kMostBody);
}

TEST(HttpAnswer, SaysWhatIsWrong) {
  const struct {
    std::string text, fault;
  } rows[] = {
      {"SSH-", "not an HTTP/1 answer"},
      {"HTTP/2 200", "not an HTTP/1 answer"},
      {"HTTP/1.1 2000 OK\n", "not an HTTP/1 answer"},
      {"HTTP/1.1 20 OK\n", "not an HTTP/1 answer"},
      {"HTTP/1.1 099 OK\n", "not an HTTP/1 answer"},
      {"HTTP/1.1  200 OK\n", "not an HTTP/1 answer"},
      {"HTTP/1.1 -20\n", "not an HTTP/1 answer"},
      {"HTTP/1.1\n", "not an HTTP/1 answer"},
      {"\n", "not an HTTP/1 answer"},
      {"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nxyz\n", "a chunk without a size"},
      {"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n\n", "a chunk without a size"},
      {"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n-1\n", "a chunk without a size"},
      {"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nfffffffffffffffff\n", "a chunk without a size"},
      {"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nabc\n", "a chunk does not end where it should"},
  };
  for (const auto& row : rows) {
    const HttpAnswer answer = heard(row.text, 1);
    EXPECT_EQ(answer.stage(), Stage::bad) << row.text;
    EXPECT_EQ(answer.fault(), row.fault) << row.text;
  }
}

TEST(HttpAnswer, SaysWhereTheServerClosed) {
  const struct {
    std::string text, fault;
  } rows[] = {
      {"", "closed without an answer"},
      {"HTTP/1.1 200", "closed within the status line"},
      {"HTTP/1.1 200 OK\r\nA: b\r\n", "closed within the headers"},
  };
  for (const auto& row : rows) {
    HttpAnswer answer = heard(row.text);
    answer.ended();
    EXPECT_EQ(answer.stage(), Stage::bad) << row.text;
    EXPECT_EQ(answer.fault(), row.fault);
  }
  HttpAnswer cut = heard("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  cut.ended();
  EXPECT_EQ(cut.stage(), Stage::over);
  EXPECT_EQ(cut.body(), "half");
}

TEST(HttpAnswer, BoundsHeadersWithoutEnd) {
  const std::string endless = "HTTP/1.1 200 OK\r\n" + std::string(HttpAnswer::kMostLines, 'a');
  const HttpAnswer line = heard(endless);
  EXPECT_EQ(line.stage(), Stage::bad);
  EXPECT_EQ(line.fault(), "headers of more than 16 KB");

  std::string many = "HTTP/1.1 200 OK\r\n";
  while (many.size() < HttpAnswer::kMostLines - 6) many += "A: b\r\n";
  EXPECT_EQ(heard(many).stage(), Stage::headers);
  EXPECT_EQ(heard(many + "A: b\r\nA: b\r\n").stage(), Stage::bad);

  std::string interim;
  for (int i = 0; i < 1000; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(heard(interim).stage(), Stage::bad) << "answers before the answer without end";

  std::string chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(20000, 'x');
  EXPECT_EQ(heard(chunks).stage(), Stage::bad);
}

TEST(HttpAnswer, TakesALongHeaderForWhatItsBeginSays) {
  const std::string cookie = "Set-Cookie: " + std::string(5000, 'c') + "\r\n";
  const HttpAnswer answer = heard("HTTP/1.1 200 OK\r\n" + cookie + "Content-Length: 2\r\n\r\nOK...");
  EXPECT_EQ(answer.stage(), Stage::over);
  EXPECT_EQ(answer.body(), "OK");
}

TEST(HttpRequest, NamesItsHost) {
  const Endpoint usual{Ip(0xc0000201), Port(80)}, other{Ip(0xc0000201), Port(8080)};
  EXPECT_EQ(
      http_request("/up?x=1", "www.example.com", other),
      "GET /up?x=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: rawvs\r\nAccept: */*\r\nConnection: close\r\n\r\n");
  EXPECT_NE(http_request("/", "", usual).find("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n"), std::string::npos);
  EXPECT_NE(http_request("", "", other).find("GET / HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n"), std::string::npos);
}

}  // namespace
}  // namespace rawvs
