#include "tests/frame_session_fixture.hpp"

namespace runwire::test {
namespace {
TEST_CASE_FIXTURE(FrameSessionFixture, "kept job: placeholder") { open(); }
}  // namespace
}  // namespace runwire::test
