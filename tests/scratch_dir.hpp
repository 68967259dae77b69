// A directory of a test's own, which goes with it, and named pipes through which a test and a command that it
// has run see each other without any waiting about.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

namespace runwire::test {

class ScratchDir {
 public:
  ScratchDir() {
    char name[] = "/tmp/runwire-test-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  ~ScratchDir() { remove(); }

  const std::string& path() const { return path_; }
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  bool is_empty() const { return std::filesystem::is_empty(path_); }
  void remove() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

 private:
  std::string path_;
};

inline int open_fifo(const std::string& path, int flags) {
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int fd = open(path.c_str(), flags | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(fd >= 0);
  return fd;
}

// Tells whether a process is alive that holds its path open for writing: it says so by writing a byte, and its
// death, however it comes, is the end of the pipe. As a command: `exec 9>PATH; echo here >&9`.
class Lifeline {
 public:
  explicit Lifeline(const ScratchDir& dir, const std::string& name = "lifeline")
      : path_(dir.path(name)), fd_(open_fifo(path_, O_RDONLY)) {}
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;
  ~Lifeline() { close(fd_); }

  const std::string& path() const { return path_; }
  std::string hold() const { return "exec 9>" + path_ + "; echo here >&9; "; }  // the shell line's start
  bool has_come() { return look(), come_; }
  bool is_gone() { return look(), come_ && gone_; }

 private:
  void look() {
    char bytes[64];
    const ssize_t count = read(fd_, bytes, sizeof bytes);
    come_ = come_ || count > 0;
    gone_ = count == 0;
  }

  std::string path_;
  int fd_;
  bool come_ = false, gone_ = false;
};

// Holds commands up until the test lets them go, whether they have come to it yet or not.
class Gate {
 public:
  explicit Gate(const ScratchDir& dir, const std::string& name = "gate")
      : path_(dir.path(name)), fd_(open_fifo(path_, O_RDWR)) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { close(fd_); }

  std::string wait() const { return "read open <" + path_ + "; "; }  // a part of a shell line
  void open_it() const { REQUIRE(write(fd_, "\n\n\n\n", 4) == 4); }  // one line for each of so many

 private:
  std::string path_;
  int fd_;
};

}  // namespace runwire::test
