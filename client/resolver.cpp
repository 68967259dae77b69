#include "client/resolver.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>

#include "client/detached_thread.hpp"

namespace runwire {
namespace {

struct Answer {
  int failure = 0;  // of getaddrinfo(3)
  int cause = 0;    // errno, where that is EAI_SYSTEM
  AddressList addresses{nullptr, &::freeaddrinfo};
};

// Shared by the thread that looks up and the one that waits, because either may be the first to leave.
struct Question {
  std::string host, port;
  Lookup lookup = nullptr;
  std::mutex mutex;
  std::condition_variable answered;
  bool is_answered = false;
  Answer answer;
};

Answer look_up(const Question& question, int flags) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  Answer answer;
  answer.failure = question.lookup(question.host.c_str(), question.port.c_str(), &hints, &found);
  answer.cause = errno;
  if (answer.failure == 0) answer.addresses.reset(found);
  return answer;
}

Result<AddressList> conclude(Answer answer) {
  if (answer.failure == 0) return std::move(answer.addresses);
  const bool told_by_errno = answer.failure == EAI_SYSTEM;
  return Error{Errc::invalid_argument,
               told_by_errno ? std::strerror(answer.cause) : ::gai_strerror(answer.failure)};
}

void look_up_and_tell(Question& question) {
  Answer answer = look_up(question, 0);
  const std::lock_guard<std::mutex> lock(question.mutex);
  question.answer = std::move(answer);
  question.is_answered = true;
  question.answered.notify_one();
}

}  // namespace

Result<AddressList> resolve(const std::string& host, std::uint16_t port,
                            std::chrono::steady_clock::time_point deadline, Lookup lookup) {
  const auto question = std::make_shared<Question>();
  question->host = host;
  question->port = std::to_string(port);
  question->lookup = lookup;
  if (Answer numeric = look_up(*question, AI_NUMERICHOST); numeric.failure == 0)
    return conclude(std::move(numeric));

  RUNWIRE_TRY(start_detached([question] { look_up_and_tell(*question); }));
  std::unique_lock<std::mutex> lock(question->mutex);
  if (!question->answered.wait_until(lock, deadline, [&] { return question->is_answered; }))
    return Error{Errc::timeout, "no answer in time"};
  return conclude(std::move(question->answer));
}

}  // namespace runwire
