#include "client/output_relay.hpp"

#include <algorithm>
#include <iterator>

namespace runwire {
namespace {

constexpr StdStream kOutputs[] = {StdStream::out, StdStream::err};

}  // namespace

Status OutputRelay::take(const Output& output, std::string_view bytes) {
  if (link_.command().is_stopped(output.stream)) return Ok{};
  return settle(output.stream, output_.put(output.stream, output.off, bytes));
}

Status OutputRelay::tell(std::string_view json) { return settle(StdStream::out, output_.tell(json)); }

Status OutputRelay::finish() { return settle(StdStream::out, output_.finish()); }

Status OutputRelay::tell_stops() {
  for (const StdStream stream : kOutputs)
    if (link_.command().is_stopped(stream)) RUNWIRE_TRY(link_.send(Stop{link_.command().id(), stream}));
  return Ok{};
}

pollfd OutputRelay::watch(StdStream stream) {
  const bool is_elsewhere = stream == StdStream::err && output_.shares_one_writer();
  if (is_elsewhere || link_.command().is_stopped(stream)) return {-1, 0, 0};  // poll ignores it
  const DescriptorWriter& writer = output_.writer_of(stream);
  const bool comes = link_.command().wants_output() || output_.shares_one_writer() || writer.waiting() > 0;
  return {comes ? writer.fd() : -1, writer.events(), 0};
}

Status OutputRelay::look_after(StdStream stream, const pollfd& seen) {
  if (seen.fd < 0 || seen.revents == 0) return Ok{};
  DescriptorWriter& writer = output_.writer_of(stream);
  if (writer.waiting() > 0) return settle(stream, writer.flush());
  return stop(stream);  // nothing was asked of it, so it is an error or a hang-up: its reader has gone
}

std::size_t OutputRelay::waiting() {
  return output_.writer_of(StdStream::out).waiting() + output_.writer_of(StdStream::err).waiting();
}

bool OutputRelay::waits_for_terminal() {
  return std::any_of(std::begin(kOutputs), std::end(kOutputs), [this](StdStream stream) {
    const DescriptorWriter& writer = output_.writer_of(stream);
    return writer.is_terminal() && writer.waiting() > 0;
  });
}

// After bytes of a stream went out, or could not.
Status OutputRelay::settle(StdStream stream, const Status& written) {
  if (!written && written.error().code == Errc::closed) return stop(stream);
  RUNWIRE_TRY(written);
  const std::uint64_t waiting = output_.writer_of(stream).waiting();
  for (const StdStream each : kOutputs) {
    if (each != stream && !output_.shares_one_writer()) continue;
    const bool can_grant = !ending_.is_over() && link_.can_talk();
    const auto credit = can_grant ? link_.command().grant(each, waiting) : std::nullopt;
    if (credit) RUNWIRE_TRY(link_.send(*credit));
  }
  return Ok{};
}

Status OutputRelay::stop(StdStream stream) {
  if (leaves_without_reader_) {
    ending_.reader_has_gone = ending_.was_enough = true;
    return Ok{};
  }
  for (const StdStream each : kOutputs) {
    if (each != stream && !output_.shares_one_writer()) continue;
    const auto message = link_.command().stop(each);
    if (message && !ending_.is_over() && link_.can_talk()) RUNWIRE_TRY(link_.send(*message));
  }
  return Ok{};
}

}  // namespace runwire
