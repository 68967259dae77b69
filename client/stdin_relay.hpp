// A command's stdin on its way from here to the server: no more of it is read than the command has room for, and what was
// sent on a connection that is lost goes out again on the next.
#pragma once

#include <cstddef>

#include "client/relay_input.hpp"
#include "client/relay_link.hpp"

namespace runwire {

class StdinRelay {
 public:
  struct Options {
    int fd = 0;
    bool is_forwarded = true;
    Encoding* encoding = nullptr;  // null: bytes pass untouched. Outlives this
    bool obeys_escape = false;     // who types it can say that he leaves
  };

  // `link` outlives this.
  StdinRelay(RelayLink& link, const Options& options)
      : link_(link), options_(options), input_(options.fd, options.encoding, options.obeys_escape) {}

  int fd() const { return input_.fd(); }

  // `has_place`: it is known where in the command's stdin the next byte belongs. Without a room for it nothing is read: what
  // is left belongs to whoever reads this descriptor next.
  std::size_t bytes_wanted(bool has_place);
  // Takes in so many of them. ERRORS: io.
  Status read(bool has_place);
  bool leaves() const { return input_.leaves(); }

  // What may be sent by now. ERRORS: the link's.
  Status send();

 private:
  std::size_t room() const;
  std::size_t keys_wanted();

  RelayLink& link_;
  Options options_;
  RelayInput input_;
};

}  // namespace runwire
