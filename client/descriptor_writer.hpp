// Output of this program that waits for its reader here instead of in write(2), so that a reader who stands still holds
// up nothing else. How much waits is the caller's business.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "client/shared_descriptor.hpp"
#include "proto/result.hpp"

namespace runwire {

class DescriptorWriter {
 public:
  // REQUIRES: SIGPIPE is ignored.
  // `name` is for messages. `fd` belongs to the caller and outlives this.
  DescriptorWriter(int fd, std::string name);

  // Writes what the descriptor takes now, behind what waits already; the rest waits.
  // ERRORS: closed (its reader has gone; nothing waits any more), io ("stdout: No space left on device; ...").
  Status write(std::string_view bytes);
  // Of what waits, what the descriptor takes now.
  Status flush();

  bool is_terminal() const { return is_terminal_; }
  int fd() const { return descriptor_.fd(); }
  std::size_t waiting() const { return waiting_.size() - written_; }
  // What poll(2) is to look for: room if something waits. A reader that has gone shows in any case.
  short events() const;

 private:
  // Takes from `bytes` what the descriptor does.
  Status write_from(std::string_view& bytes);

  SharedDescriptor descriptor_;
  std::string name_;
  bool is_terminal_;
  std::string waiting_;
  std::size_t written_ = 0;  // of it
};

}  // namespace runwire
