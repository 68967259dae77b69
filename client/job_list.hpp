// The kept commands of a server as a table for people.
#pragma once

#include <string>
#include <vector>

#include "proto/session_message.hpp"

namespace runwire {

// A heading, and a line for each; what comes from the server is made printable. Without jobs: nothing.
std::string job_table(const std::vector<JobInfo>& jobs);

}  // namespace runwire
