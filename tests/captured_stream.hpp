// What this program writes to a standard descriptor while this object lives.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace runwire::test {

class CapturedStream {
 public:
  explicit CapturedStream(int fd) : fd_(fd), file_(std::tmpfile()) {
    std::fflush(nullptr);
    saved_ = dup(fd);
    REQUIRE(file_ != nullptr);
    dup2(fileno(file_), fd);
  }
  CapturedStream(const CapturedStream&) = delete;
  CapturedStream& operator=(const CapturedStream&) = delete;
  ~CapturedStream() {
    restore();
    std::fclose(file_);
  }

  // Ends the capture, so that a test's own words are not caught.
  std::string text() {
    restore();
    std::string all(1 << 20, '\0');
    const ssize_t size = pread(fileno(file_), all.data(), all.size(), 0);
    REQUIRE(size >= 0);
    all.resize(static_cast<std::size_t>(size));
    return all;
  }

 private:
  void restore() {
    if (saved_ < 0) return;
    std::fflush(nullptr);
    dup2(saved_, fd_);
    close(saved_);
    saved_ = -1;
  }

  int fd_;
  std::FILE* file_;
  int saved_ = -1;
};

}  // namespace runwire::test
