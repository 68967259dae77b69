// A command's stdin on its way from here to the server: no more of it is read than the command has room for, and what
// was sent on a connection that is lost goes out again on the next.
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
    bool obeys_escape = false;     // who types it can say more than what is for the command
  };

  // `link` outlives this.
  StdinRelay(RelayLink& link, const Options& options)
      : link_(link), options_(options), input_(options.fd, options.encoding, options.obeys_escape) {}

  int fd() const { return input_.fd(); }

  // Without room for it at the command nothing is read: what is left belongs to whoever reads this descriptor next. Of
  // somebody who obeys an escape all is read, once `are_keys_ours`, because he may want to leave.
  std::size_t bytes_wanted(bool are_keys_ours);
  // Takes in so many of them. ERRORS: io.
  Status read(bool are_keys_ours);
  // As if nobody did. REQUIRES: nothing has been read.
  void forget_escape();
  bool has_ended() const { return input_.has_ended(); }
  Escape* escape() { return input_.escape(); }  // null: nobody obeys one
  // As if it had been read.
  void add(char key) { input_.add(key); }

  // What may be sent by now. The end of the keys of somebody who obeys an escape is that of his terminal, and never
  // sent.
  // ERRORS: the link's.
  Status send();

 private:
  std::size_t room() const;
  std::size_t keys_wanted();

  RelayLink& link_;
  Options options_;
  RelayInput input_;
};

}  // namespace runwire
