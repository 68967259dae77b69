// A running command as it stands in the JSON of a handover: an object by the name "running", without the bytes of its
// input. What is wrong becomes a failure of the fields that it is read from.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "proto/json_object.hpp"
#include "proto/json_writer.hpp"
#include "server/running_job.hpp"

namespace runwire {

void write_running(JsonWriter& json, const RunningJob& running);
std::optional<RunningJob> read_running(JsonFields& fields);  // absent where there is no such object

// --- what others of a handover have too ---

// "signals": their numbers, separated by blanks; left out where there are none.
void write_signals(JsonWriter& json, const std::vector<int>& signals);
std::vector<int> read_signals(JsonFields& fields);

int read_descriptor(JsonFields& fields, std::string_view key);  // -1: none

}  // namespace runwire
