#include "server/successor.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "server/descriptor.hpp"
#include "server/inheritance.hpp"
#include "server/input_pipe.hpp"
#include "server/process_group.hpp"
#include "server/spill_file.hpp"
#include "server/uv_handle.hpp"

namespace runwire {
namespace {

constexpr const char* kName = "RUNWIRED_HANDOVER";
constexpr std::string_view kRehearsal = "rehearsal";
constexpr std::size_t kSaidBytes = 512;  // of what a program says when it fails

Error failed(const std::string& call) { return {Errc::io, call + ": " + std::strerror(errno), errno}; }

std::string path_of_this_program(const char* name) {
  std::array<char, PATH_MAX> path{};
  std::size_t size = path.size();
  return uv_exepath(path.data(), &size) == 0 ? std::string(path.data(), size) : name;
}

std::string working_directory() {
  std::array<char, PATH_MAX> path{};
  return getcwd(path.data(), path.size()) == nullptr ? "/" : path.data();
}

// Without a name, so that nothing is left of it whatever happens.
Result<Descriptor> unnamed_file() {
#ifdef __linux__
  const int fd = memfd_create("runwired-handover", MFD_CLOEXEC);
  if (fd < 0) return failed("memfd_create");
  return Descriptor(fd);
#else
  auto fd = open_unnamed_file(default_spill_dir());
  RUNWIRE_TRY(fd);
  return Descriptor(*fd);
#endif
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) return failed("write");
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return Ok{};
}

Result<std::string> read_all(int fd) {
  std::string all;
  std::array<char, 65536> room{};
  for (;;) {
    const ssize_t count = read(fd, room.data(), room.size());
    if (count < 0 && errno != EINTR) return failed("read");
    if (count == 0) return all;
    if (count > 0) all.append(room.data(), static_cast<std::size_t>(count));
  }
}

void passes_on(int fd, bool yes) { fcntl(fd, F_SETFD, yes ? 0 : FD_CLOEXEC); }

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

class Successor::Rehearsal final : private ChildEvents {
 public:
  Rehearsal(uv_loop_t* loop, std::string image, std::function<void(Status)> done)
      : image_(std::move(image)),
        done_(std::move(done)),
        input_(loop, {[](std::size_t) {}, [] {}}),
        over_(loop, [this] { std::exchange(done_, nullptr)(outcome_); }),
        timer_(make_timer(loop, this)) {}

  void start(Spawner& spawner, const SpawnSpec& spec) {
    uv_timer_start(timer_.get(), deliver<&Rehearsal::on_late>, kRehearsalMs, 0);
    child_ = spawner.spawn(spec, *this);
  }

 private:
  void child_started(pid_t pid, ChildStreams streams) override {
    group_ = ProcessGroup(pid);
    said_ = Descriptor(streams.err);
    said_elsewhere_ = Descriptor(streams.out);
    input_.open(streams.in);
    input_.write(std::exchange(image_, {}));
    input_.end();
  }

  void child_failed(const SpawnFailure& failure) override {
    conclude(Error{Errc::io, failure.stage + ": " + uv_strerror(failure.error)});
  }

  void child_exited(const ChildEnd& end) override {
    group_.leader_was_reaped();
    input_.close();
    if (end.status == ExitStatus::exited(kRehearsedStatus)) return conclude(Ok{});
    conclude(Error{Errc::io, std::string(is_late_ ? "it did not answer in time" : "it would not go on") +
                                 what_it_said()});
  }

  std::string what_it_said() const {
    std::array<char, kSaidBytes> bytes{};
    const ssize_t count = read(said_.get(), bytes.data(), bytes.size());
    return count > 0 ? ": " + std::string(bytes.data(), static_cast<std::size_t>(count)) : "";
  }

  void on_late() {
    is_late_ = true;
    group_.signal(SIGKILL);
  }

  void conclude(Status outcome) {
    timer_.reset();
    outcome_ = std::move(outcome);
    over_.arm();
  }

  std::string image_;
  std::function<void(Status)> done_;
  InputPipe input_;
  std::unique_ptr<Child> child_;
  ProcessGroup group_;
  Descriptor said_, said_elsewhere_;
  bool is_late_ = false;
  Status outcome_ = Ok{};
  AfterTurn over_;
  Handle<uv_timer_t> timer_;
};

Successor::Successor(int argc, char** argv)
    : program_(path_of_this_program(argv[0])), arguments_(argv, argv + argc) {}

Successor::~Successor() = default;

void Successor::rehearse(uv_loop_t* loop, Spawner& spawner, std::string image,
                         std::function<void(Status)> done) {
  SpawnSpec spec;
  spec.argv = arguments_;
  spec.argv.front() = program_;
  spec.cwd = working_directory();
  spec.environment = {std::string(kName) + "=" + std::string(kRehearsal)};
  spec.takes_stdin = true;
  rehearsal_ = std::make_unique<Rehearsal>(loop, std::move(image), std::move(done));
  rehearsal_->start(spawner, spec);
}

Status Successor::take_place(const std::string& image, const std::vector<int>& descriptors) const {
  auto file = unnamed_file();
  RUNWIRE_TRY(file);
  RUNWIRE_TRY(write_all(file->get(), image));
  if (lseek(file->get(), 0, SEEK_SET) != 0) return failed("lseek");
  std::vector<std::string> environment{std::string(kName) + "=" + std::to_string(file->get())};
  for (char** word = environ; *word != nullptr; ++word) environment.emplace_back(*word);
  std::vector<int> passed = descriptors;
  passed.push_back(file->get());
  for (const int fd : passed) passes_on(fd, true);  // it only fails for what is not open
  rlimit raised{};
  getrlimit(RLIMIT_NOFILE, &raised);
  const rlimit inherited = inherited_descriptor_limit();
  setrlimit(RLIMIT_NOFILE, &inherited);  // as this program found it: the next one looks, and raises it again
  execve(program_.c_str(), pointers_to(arguments_).data(), pointers_to(environment).data());
  const Error error = failed("execve " + program_);
  setrlimit(RLIMIT_NOFILE, &raised);
  for (const int fd : passed) passes_on(fd, false);
  return error;
}

Result<Handed> handed_over() {
  const char* word = std::getenv(kName);
  if (word == nullptr) return Handed{};
  const std::string what = word;
  unsetenv(kName);
  const bool is_rehearsal = what == kRehearsal;
  const Descriptor file(is_rehearsal ? STDIN_FILENO : std::atoi(what.c_str()));
  auto image = read_all(file.get());
  RUNWIRE_TRY(image);
  return Handed{is_rehearsal, std::move(*image)};
}

}  // namespace runwire
