#include "client/encoding.hpp"

#include <utility>

namespace runwire {

Result<Encoding> Encoding::open(const std::string& name) {
  const std::string terminal = terminal_charset();
  auto command = Charset::open(terminal, name);
  if (!command) return command.error();
  auto in = Charset::open(terminal, name);
  if (!in) return in.error();
  auto out = Charset::open(name, terminal);
  if (!out) return out.error();
  auto err = Charset::open(name, terminal);
  if (!err) return err.error();
  return Encoding{std::move(*command), std::move(*in), std::move(*out), std::move(*err)};
}

}  // namespace runwire
