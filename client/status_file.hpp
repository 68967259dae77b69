// The file in which runwire leaves how a run ended, for programs: one line of JSON.
#pragma once

#include <string>
#include <string_view>

#include "client/unique_fd.hpp"
#include "proto/result.hpp"

namespace runwire {

class StatusFile {
 public:
  // Makes the file, or empties it, before anything runs. An empty path: there is none, and write() does nothing.
  // ERRORS: io, with the next step.
  static Result<StatusFile> open(const std::string& path);

  // {"status":N,"exit":{...}|null,"error":{...}|null}: what runwire exits with, and the headers as they came, or empty.
  // ERRORS: io.
  Status write(int status, std::string_view exit_json, std::string_view error_json);

 private:
  StatusFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

}  // namespace runwire
