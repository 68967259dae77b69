// The command lines about commands that a server keeps: `runwire ps HOST` and the like.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "client/invocation.hpp"
#include "client/job_request.hpp"
#include "proto/result.hpp"

namespace runwire {

std::optional<JobVerb> job_verb_named(std::string_view word);

// `options`: what stood before the verb; `words`: what stands behind it, options and others mixed. ERRORS: as
// parse_command_line().
Result<Invocation> parse_job_verb(JobVerb verb, std::span<const std::string> options,
                                  std::span<const std::string> words, const Environment& environment);

std::string_view job_help_text();

}  // namespace runwire
